import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { httpTls, refuseClearHttp, reloadHttpTls } from '../../src/app/http.js'
import { ConfigError, loadConfig } from '../../src/config/index.js'
import type { Logger } from '../../src/telemetry/index.js'
import { startApi, TOKEN } from '../support/api-fakes.js'
import { TestAuthority } from '../support/certificates.js'
import { runCli } from '../support/cli-run.js'
import { runCommand } from '../support/edge.js'
import { KeptLog } from '../support/store-bench.js'
import { copyFileSync, writeFileSync } from 'node:fs'

const HttpTls = suite('HTTP over TLS')
const authority = TestAuthority.create()
HttpTls.after(() => authority.close())

const withTls = (certificate: { certificateFile: string; keyFile: string }) =>
  loadConfig({
    env: {
      SIGNALBOX__HTTP__TLS__CERTIFICATE_FILE: certificate.certificateFile,
      SIGNALBOX__HTTP__TLS__KEY_FILE: certificate.keyFile,
    },
  })

/** The API with that certificate, on a port of loopback. */
async function serve(certificate: { certificateFile: string; keyFile: string }) {
  const config = withTls(certificate)
  const { api } = startApi(undefined, { tls: httpTls(config) })
  await api.listen({ host: '127.0.0.1', port: 0 })
  return { api, config, port: (api.server.address() as AddressInfo).port, close: () => api.close() }
}

function shown(port: number, maxVersion?: 'TLSv1.1' | 'TLSv1.2'): Promise<string> {
  return new Promise((resolve, reject) => {
    const old = maxVersion === 'TLSv1.1' ? { minVersion: 'TLSv1' as const, ciphers: 'ALL@SECLEVEL=0' } : {}
    const socket: TLSSocket = connect(
      { host: '127.0.0.1', port, rejectUnauthorized: false, ...old, ...(maxVersion && { maxVersion }) },
      () => {
        resolve(socket.getPeerX509Certificate()?.subject ?? '')
        socket.destroy()
      },
    )
    socket.once('error', reject)
  })
}

HttpTls('answers who trusts the authority, and speaks no version before 1.2', async () => {
  const { port, close } = await serve(authority.issue(['IP:127.0.0.1']))
  try {
    const status = await new Promise((resolve, reject) =>
      get({ host: '127.0.0.1', port, path: '/healthz', ca: authority.certificate, agent: false }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      }).once('error', reject),
    )
    assert.is(status, 200)
    assert.is(await shown(port, 'TLSv1.2'), 'CN=test')
    const old = await shown(port, 'TLSv1.1').catch((error: NodeJS.ErrnoException) => error.code)
    assert.match(String(old), /VERSION|PROTOCOL|ECONNRESET/)
  } finally {
    await close()
  }
})

HttpTls(
  'shows the certificate that the files hold after a reload; one that cannot be used changes nothing',
  async () => {
    const first = authority.issue(['IP:127.0.0.1'], { commonName: 'first' })
    const second = authority.issue(['IP:127.0.0.1'], { commonName: 'second' })
    const { api, config, port, close } = await serve(first)
    const log = new KeptLog()
    const reload = (): void => reloadHttpTls(api, config, log as unknown as Logger)
    try {
      assert.is(await shown(port), 'CN=first')
      copyFileSync(second.certificateFile, first.certificateFile)
      reload()
      assert.is(log.lines.at(-1)?.level, 'error', 'the key is still that of the first')
      assert.is(await shown(port), 'CN=first')
      copyFileSync(second.keyFile, first.keyFile)
      reload()
      assert.is(await shown(port), 'CN=second')
      writeFileSync(first.certificateFile, 'nonsense')
      reload()
      assert.match(log.lines.at(-1)?.message ?? '', 'stays as it was')
      assert.is(await shown(port), 'CN=second')
    } finally {
      await close()
    }
  },
)

HttpTls(
  'a command asks the edge of this machine by the configured certificate, whatever it names, and no other',
  async () => {
    const [own, other] = [authority.issue(['DNS:edge.example.com']), authority.issue(['DNS:edge.example.com'])]
    const { port, close } = await serve(own)
    const list = async (certificateFile: string) => {
      const names = ['SIGNALBOX__HTTP__TLS__CERTIFICATE_FILE', 'SIGNALBOX__HTTP__TLS__KEY_FILE'] as const
      process.env[names[0]] = certificateFile
      process.env[names[1]] = own.keyFile
      try {
        return await runCli(['agent', 'list', '--url', `https://127.0.0.1:${port}`, '--token', TOKEN])
      } finally {
        for (const name of names) delete process.env[name]
      }
    }
    try {
      const answer = await list(own.certificateFile)
      assert.is(answer.exitCode, 0, answer.err)
      assert.match(answer.out, '0 agents')
      const refused = await list(other.certificateFile)
      assert.is(refused.exitCode, 1)
      assert.match(refused.err, 'shows another certificate')
    } finally {
      await close()
    }
  },
)

HttpTls('files that cannot be used are named in one line', () => {
  const good = authority.issue(['IP:127.0.0.1'])
  const why = (files: { certificateFile: string; keyFile: string }): string => {
    try {
      httpTls(withTls(files))
    } catch (error) {
      return (error as Error).message
    }
    return 'accepted'
  }
  assert.match(
    why({ ...good, certificateFile: '/none.pem' }),
    /^http\.tls\.certificate_file: \/none\.pem cannot be read \(ENOENT\)$/,
  )
  assert.match(
    why({ ...good, keyFile: authority.issue(['IP:127.0.0.1']).keyFile }),
    /^http\.tls: .* cannot be used: .*$/,
  )
})

HttpTls('[A16] an address that others reach needs TLS or a proxy that is named; loopback needs neither', () => {
  const outcome = (env: Record<string, string>): string => {
    try {
      refuseClearHttp(loadConfig({ env }))
      return 'accepted'
    } catch (error) {
      assert.instance(error, ConfigError)
      return (error as Error).message
    }
  }
  const files = { SIGNALBOX__HTTP__TLS__CERTIFICATE_FILE: '/c.pem', SIGNALBOX__HTTP__TLS__KEY_FILE: '/k.pem' }
  for (const listen of ['0.0.0.0:8080', '[::]:8080', '192.0.2.1:8080', 'edge.example.com:8080', '127.example.com:80']) {
    assert.match(outcome({ HTTP_LISTEN: listen }), /^http\.listen: .* reached by others.*http\.tls\.certificate_file/)
    assert.is(outcome({ HTTP_LISTEN: listen, HTTP_TRUST_PROXY: 'false' }).split('\n').length, 1)
    assert.is(outcome({ HTTP_LISTEN: listen, HTTP_TRUST_PROXY: 'true' }), 'accepted')
    assert.is(outcome({ HTTP_LISTEN: listen, HTTP_TRUST_PROXY: '10.0.0.0/8, 192.168.1.1' }), 'accepted')
    assert.is(outcome({ HTTP_LISTEN: listen, ...files }), 'accepted')
  }
  for (const listen of ['127.0.0.1:8080', '127.1.2.3:0', '[::1]:8080', 'localhost:8080'])
    assert.is(outcome({ HTTP_LISTEN: listen }), 'accepted')
  for (const wrong of ['maybe', '10.0.0.0/33', '10.0.0.0/8,', '[]'])
    assert.throws(() => loadConfig({ env: { HTTP_TRUST_PROXY: wrong } }), /http\.trust_proxy/)
})

HttpTls(
  '[A16] `signalbox serve` on a public address in the clear ends with one line that says why and how to mend it',
  async () => {
    const { exitCode, output } = await runCommand(['serve'], {
      HTTP_LISTEN: '0.0.0.0:8099',
      SIGNALBOX_DATA_DIR: authority.folder,
    })
    assert.is(exitCode, 2)
    assert.is(output.trim().split('\n').length, 1, output)
    assert.match(output, /^signalbox: http\.listen: 0\.0\.0\.0:8099 is reached by others.*http\.trust_proxy/)
  },
)

HttpTls.run()
