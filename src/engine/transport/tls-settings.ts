import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, DEFAULT_CIPHERS, rootCertificates } from 'node:tls'
import type { SecureContext, SecureContextOptions, SecureVersion } from 'node:tls'
import { TransportError } from './transport.js'

/** Certificates or a key: PEM text, or the file that holds it. Files are read at the start and at each reload, never for a call. */
export type Pem = { readonly file: string } | { readonly pem: string }

/** A certificate of ours with its key, and the intermediate ones when they are not in the same text. */
export interface OwnPem {
  readonly certificate: Pem
  /** Not encrypted. */
  readonly key: Pem
  readonly chain?: Pem
}

/** TLS towards SIP peers. */
export interface TlsSettings extends OwnPem {
  /** What we show: our certificate, and the intermediate ones behind it in the same text or in `chain`. */
  readonly certificate: Pem
  /** The private key of the certificate, not encrypted. */
  readonly key: Pem
  readonly chain?: Pem
  /** Authorities of our own: they vouch for clients, and for servers beside those every Node.js knows. */
  readonly ca?: Pem
  /** Certificates that some servers want to see in place of ours, by the names that TLS profiles give them. */
  readonly named?: Readonly<Record<string, OwnPem>>
  /** The oldest version spoken. Default TLSv1.2. */
  readonly minVersion?: SecureVersion
  /** OpenSSL cipher list. Default: that of Node.js; with TLSv1 or TLSv1.1 at security level 0, without which they cannot be spoken. */
  readonly ciphers?: string
  /**
   * Whether peers that connect are asked for a certificate. `ask`: one that `ca` does not vouch for counts as none; `require`: without
   * a good one there is no connection. Both need `ca`. Default none.
   */
  readonly clientCertificates?: 'none' | 'ask' | 'require'
  /**
   * Whether the servers we connect to must prove the name that was dialled (RFC 5922), by an authority of `ca` or of Node.js. Default
   * false, as drachtio-server does: then a peer is whoever takes the connection.
   */
  readonly verifyServers?: boolean
}

/** What the settings came to when they were last read. */
export interface TlsMaterial {
  /** For what listens. */
  readonly server: SecureContextOptions
  /** For connections of ours. */
  readonly client: SecureContext
  /** For connections under a profile: makes what `client` is, with another certificate or other authorities. */
  readonly clientWith: (profile: { readonly named?: string; readonly ca?: string }) => SecureContext
  readonly certificate: TlsCertificate
  /** The others, by their names. */
  readonly named: ReadonlyMap<string, TlsCertificate>
}

/** Our certificate, for logs. */
export interface TlsCertificate {
  readonly subject: string
  /** `DNS:edge.example.com, URI:sip:example.com`; empty when it has none. */
  readonly names: string
  readonly validTo: string
}

/** Bytes of one file that are read at most: what is longer is no certificate. */
const maxFileBytes = 1024 * 1024

const oldVersions: readonly (SecureVersion | undefined)[] = ['TLSv1', 'TLSv1.1']

/**
 * Reads certificates and keys and looks whether they belong together.
 *
 * @throws {TransportError} BAD_TLS, naming the file and what is wrong with it; never what it holds.
 */
export async function readTlsMaterial(settings: TlsSettings): Promise<TlsMaterial> {
  const { minVersion = 'TLSv1.2', clientCertificates = 'none' } = settings
  const [certificateText, key, chain, ca] = await Promise.all([
    read('certificate', settings.certificate),
    read('key', settings.key),
    settings.chain && read('chain', settings.chain),
    settings.ca && read('CA', settings.ca),
  ])
  const certificate = certificateIn('certificate', settings.certificate, certificateText)
  checkKey(settings, key, certificate)
  if (chain !== undefined && settings.chain) certificatesIn('chain', settings.chain, chain)
  const authorities = ca === undefined || !settings.ca ? undefined : certificatesIn('CA', settings.ca, ca)
  if (clientCertificates !== 'none' && authorities === undefined)
    throw bad(`client certificates (${clientCertificates}) need a CA to verify them against`)

  const shown = chain === undefined ? certificateText : `${certificateText}\n${chain}`
  const named = await readNamed(settings.named ?? {})
  const ciphers = settings.ciphers ?? (oldVersions.includes(minVersion) ? `${DEFAULT_CIPHERS}:@SECLEVEL=0` : undefined)
  const common: SecureContextOptions = { cert: shown, key, minVersion, ...(ciphers === undefined ? {} : { ciphers }) }
  // Not the authorities of Node.js: anybody can have one of them vouch for something.
  const server = { ...common, ...(authorities === undefined ? {} : { ca: authorities }) }
  const trusted = authorities === undefined ? {} : { ca: [...authorities, ...rootCertificates] }
  try {
    createSecureContext(server)
    return {
      server,
      client: createSecureContext({ ...common, ...trusted }),
      clientWith: ({ named: name, ca: own }) => {
        const other = name === undefined ? undefined : named.get(name)
        if (name !== undefined && other === undefined) throw bad(`there is no certificate named ${name}`)
        return createSecureContext({
          ...common,
          ...(other === undefined ? {} : { cert: other.shown, key: other.key }),
          ...(own === undefined ? trusted : { ca: own }),
        })
      },
      certificate: described(certificate),
      named: new Map([...named].map(([name, other]) => [name, described(other.certificate)])),
    }
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException
    const what =
      code === 'ERR_SSL_NO_CIPHER_MATCH'
        ? `cipher list ${JSON.stringify(ciphers)}`
        : nameOf('certificate', settings.certificate)
    throw bad(`${what}: ${message}`, cause)
  }
}

/** The other certificates with their keys, each looked at as ours is. */
async function readNamed(
  all: Readonly<Record<string, OwnPem>>,
): Promise<Map<string, { shown: string; key: string; certificate: X509Certificate }>> {
  const found = new Map<string, { shown: string; key: string; certificate: X509Certificate }>()
  for (const [name, pem] of Object.entries(all)) {
    const [text, key, chain] = await Promise.all([
      read(`certificate of ${name}`, pem.certificate),
      read(`key of ${name}`, pem.key),
      pem.chain && read(`chain of ${name}`, pem.chain),
    ])
    const certificate = certificateIn(`certificate of ${name}`, pem.certificate, text)
    checkKey(pem, key, certificate)
    if (chain !== undefined && pem.chain) certificatesIn(`chain of ${name}`, pem.chain, chain)
    found.set(name, { shown: chain === undefined ? text : `${text}\n${chain}`, key, certificate })
  }
  return found
}

const described = (certificate: X509Certificate): TlsCertificate => ({
  subject: certificate.subject.replace(/\n/g, ', '),
  names: certificate.subjectAltName ?? '',
  validTo: certificate.validTo,
})

async function read(what: string, source: Pem): Promise<string> {
  if ('pem' in source) return source.pem
  try {
    const text = await readFile(source.file, 'utf8')
    if (text.length > maxFileBytes) throw bad(`${nameOf(what, source)} is longer than ${maxFileBytes} bytes`)
    return text
  } catch (cause) {
    if (cause instanceof TransportError) throw cause
    throw bad(
      `${nameOf(what, source)} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      cause,
    )
  }
}

function certificateIn(what: string, source: Pem, text: string): X509Certificate {
  const [first] = certificatesIn(what, source, text)
  return new X509Certificate(first!)
}

/** Every certificate of the text, each as PEM; one at least, all of them readable. */
function certificatesIn(what: string, source: Pem, text: string): string[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw bad(`${nameOf(what, source)} holds no certificate in PEM form`)
  for (const pem of found) {
    try {
      void new X509Certificate(pem)
    } catch (cause) {
      throw bad(`${nameOf(what, source)} holds a certificate that cannot be read`, cause)
    }
  }
  return found
}

function checkKey({ key: source, certificate: shown }: OwnPem, text: string, certificate: X509Certificate): void {
  let matches: boolean
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(text))
  } catch {
    // What the library says may show a part of it.
    throw bad(`${nameOf('key', source)} holds no private key in PEM form without a passphrase`)
  }
  if (!matches) throw bad(`${nameOf('key', source)} is not the key of ${nameOf('certificate', shown)}`)
}

const nameOf = (what: string, source: Pem): string => ('file' in source ? `${what} ${source.file}` : `the ${what}`)

const bad = (message: string, cause?: unknown): TransportError =>
  new TransportError('BAD_TLS', `TLS: ${message}`, cause === undefined ? {} : { cause })
