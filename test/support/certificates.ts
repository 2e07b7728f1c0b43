import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate with its key, as text and as files. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** An authority of a test, and what it vouches for. Everything it makes is gone after `close`. */
export class TestAuthority {
  private count = 0
  readonly certificateFile: string
  readonly certificate: string
  private readonly keyFile: string

  private constructor(readonly folder: string) {
    this.keyFile = join(folder, 'ca.key')
    this.certificateFile = join(folder, 'ca.pem')
    const subject = ['-subj', '/CN=Authority of the tests', '-days', '2']
    openssl('req', '-x509', ...newKey(this.keyFile), ...subject, '-out', this.certificateFile)
    this.certificate = readFileSync(this.certificateFile, 'utf8')
  }

  static create(): TestAuthority {
    return new TestAuthority(mkdtempSync(join(tmpdir(), 'signalbox-tls-')))
  }

  /**
   * A certificate for names as OpenSSL writes them: `DNS:edge.example.com`, `URI:sip:example.com`, `IP:127.0.0.1`; none: only the
   * common name.
   * @param options `expired`: it was good until yesterday
   */
  issue(names: readonly string[], options: { commonName?: string; expired?: boolean } = {}): Certificate {
    const base = join(this.folder, String(++this.count))
    const [keyFile, certificateFile] = [`${base}.key`, `${base}.pem`]
    const subject = ['-subj', `/CN=${options.commonName ?? 'test'}`]
    const ca = ['-CA', this.certificateFile, '-CAkey', this.keyFile]
    const alternatives = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]
    if (options.expired === true) {
      // Only this command takes back a day.
      const [request, extensions] = [`${base}.csr`, `${base}.ext`]
      writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`)
      openssl('req', '-new', ...newKey(keyFile), ...subject, '-out', request)
      const more = ['-CAcreateserial', '-days', '-1', '-extfile', extensions, '-out', certificateFile]
      openssl('x509', '-req', '-in', request, ...ca, ...more)
    } else
      openssl(
        'req',
        '-x509',
        ...newKey(keyFile),
        ...subject,
        ...ca,
        ...alternatives,
        '-days',
        '2',
        '-out',
        certificateFile,
      )
    return {
      keyFile,
      certificateFile,
      key: readFileSync(keyFile, 'utf8'),
      certificate: readFileSync(certificateFile, 'utf8'),
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const newKey = (file: string): string[] => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file],
]

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
