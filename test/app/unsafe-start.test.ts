import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refuseOpenRelay, refuseUnsafeStart } from '../../src/app/unsafe-start.js'
import { ConfigError, loadConfig } from '../../src/config/index.js'
import type { AgentListener } from '../../src/store/known-agents.js'
import { startApi } from '../support/api-fakes.js'
import { runCommand } from '../support/edge.js'
import { RoutingBench } from '../support/routing-bench.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const Unsafe = suite('Unsafe starts')

const GOOD = 'a-long-random-text-0123456789'
const folder = temporaryFolder()

/** The problems of a start, one line each. */
function problemsOf(env: Record<string, string>): string[] {
  try {
    refuseUnsafeStart(loadConfig({ env }))
    return []
  } catch (error) {
    assert.instance(error, ConfigError)
    return (error as ConfigError).message.split('\n')
  }
}

Unsafe('[A16] secrets that everybody knows are refused where others can try them, and nowhere else', () => {
  const far = { DRACHTIO_HOST: 'sip.example.com', DRACHTIO_SECRET: 'cymru' }
  assert.match(problemsOf(far)[0] ?? '', /^drachtio\.secret: is known to everybody.*openssl rand/)
  assert.equal(problemsOf({ ...far, DRACHTIO_SECRET: GOOD }), [])
  assert.equal(problemsOf({ ...far, DRACHTIO_HOST: '127.0.0.1' }), [])
  const open = { HTTP_LISTEN: '0.0.0.0:8080', HTTP_TRUST_PROXY: 'true' }
  for (const token of ['admin', 'Let-Me-In', 'changeme', 'short'])
    assert.match(
      problemsOf({ ...open, SIGNALBOX_ADMIN_TOKEN: token })[0] ?? '',
      /^admin_token: is easily guessed.*openssl rand/,
    )
  assert.equal(problemsOf({ ...open, SIGNALBOX_ADMIN_TOKEN: GOOD }), [])
  assert.equal(problemsOf({ SIGNALBOX_ADMIN_TOKEN: 'short' }), [])
  // Others reach the proxy in front, and so this address.
  assert.match(
    problemsOf({ SIGNALBOX_ADMIN_TOKEN: 'short', HTTP_TRUST_PROXY: '127.0.0.1' })[0] ?? '',
    /^admin_token: is easily guessed/,
  )
})

Unsafe('[A16] an API that others reach in the clear is refused, with what to set', () => {
  for (const listen of ['0.0.0.0:8080', '[::]:8080', '192.0.2.1:8080'])
    assert.match(
      problemsOf({ HTTP_LISTEN: listen })[0] ?? '',
      /^http\.listen: .*tls.*trust_proxy.*127\.0\.0\.1/,
      listen,
    )
  assert.equal(problemsOf({ HTTP_LISTEN: '127.0.0.1:8080' }), [])
})

Unsafe(
  '[A16] a private key of TLS that everybody on the machine can read is refused, with the command that mends it',
  () => {
    const [certificate, key] = [join(folder, 'c.pem'), join(folder, 'c.key')]
    writeFileSync(certificate, '')
    writeFileSync(key, '', { mode: 0o600 })
    const env = { SIGNALBOX__SIP__TLS__CERTIFICATE_FILE: certificate, SIGNALBOX__SIP__TLS__KEY_FILE: key }
    assert.equal(problemsOf(env), [])
    chmodSync(key, 0o644)
    const [problem = ''] = problemsOf(env)
    assert.match(problem, /^sip\.tls\.key_file: .*everybody on this machine.*chmod o= /)
    for (const [path, env] of [
      [
        'http.tls.key_file',
        { SIGNALBOX__HTTP__TLS__CERTIFICATE_FILE: certificate, SIGNALBOX__HTTP__TLS__KEY_FILE: key },
      ],
      [
        'sip.tls.named_certificates.carrier.key_file',
        {
          SIGNALBOX__SIP__TLS__NAMED_CERTIFICATES: JSON.stringify({
            carrier: { certificate_file: certificate, key_file: key },
          }),
        },
      ],
    ] as const)
      assert.ok(
        problemsOf(env).some((line) => line.startsWith(`${path}: `) && line.includes('chmod o= ')),
        path,
      )
    chmodSync(key, 0o640)
    assert.equal(problemsOf(env), [])
  },
)

Unsafe('[A16] a configuration file with secrets that everybody can read is refused; one without is not', () => {
  const file = join(folder, 'signalbox.yaml')
  writeFileSync(file, `admin_token: ${GOOD}\n`, { mode: 0o644 })
  assert.throws(
    () => loadConfig({ env: { SIGNALBOX_CONFIG: file } }),
    (error: Error) =>
      error instanceof ConfigError && /^admin_token: .*chmod/.test(error.message) && !error.message.includes(GOOD),
  )
  chmodSync(file, 0o600)
  assert.is(loadConfig({ env: { SIGNALBOX_CONFIG: file } }).admin_token, GOOD)
  const plain = join(folder, 'plain.yaml')
  writeFileSync(plain, 'log:\n  level: warn\n', { mode: 0o644 })
  assert.is(loadConfig({ env: { SIGNALBOX_CONFIG: plain } }).log.level, 'warn')
})

Unsafe(
  '[A16] signalbox ends before it listens, with an exit code and one line that says why and how to mend it',
  async () => {
    const data = join(folder, 'data')
    mkdirSync(data, { mode: 0o700 })
    writeFileSync(join(data, 'secret-key'), `${'ab'.repeat(32)}\n`, { mode: 0o644 })
    const base = { SIGNALBOX_DATA_DIR: join(folder, 'other'), LOG_LEVEL: 'silent', REDIS_URL: 'redis://127.0.0.1:1' }
    const sip = { SIP_CONTACTS: 'sip:127.0.0.1:0;transport=udp' }
    const starts: Array<readonly [what: string, args: readonly string[], env: Record<string, string>, why: RegExp]> = [
      ['clear API', ['serve'], { ...base, ...sip, HTTP_LISTEN: '0.0.0.0:0' }, /http\.listen/],
      [
        'open key',
        ['serve'],
        { ...base, ...sip, HTTP_LISTEN: '127.0.0.1:0', SIGNALBOX_DATA_DIR: data },
        /secret-key.*chmod/,
      ],
      [
        'known secret',
        [
          'engine',
          '--noconfig',
          '--contact',
          'sip:127.0.0.1:0;transport=udp',
          '--address',
          '0.0.0.0',
          '--port',
          '0',
          '--secret',
          'cymru',
        ],
        {},
        /cymru.*known to everybody/,
      ],
    ]
    const ends = await Promise.all(starts.map(([, args, env]) => runCommand(args, env)))
    starts.forEach(([what, , , why], at) => {
      const { exitCode, output } = ends[at]!
      assert.ok(exitCode !== 0 && exitCode !== null, `${what}: ${exitCode} ${output}`)
      assert.match(output, why, what)
      assert.ok(output.trim().split('\n').length <= 3, `${what}: ${output}`)
    })
  },
)

Unsafe(
  '[A16] an agent whose calls may come from anywhere is an open relay: refused at the start and by the API',
  async () => {
    const bench = new RoutingBench()
    bench.addAgent('front', { allowed_addresses: ['10.0.0.0/8', '2001:db8::/32'] })
    const directory = {
      onAgent(listener: AgentListener) {
        for (const id of ['front', 'acme/open']) listener(id, bench.knownAgents.get(id), false)
        return () => undefined
      },
    }
    refuseOpenRelay(directory)
    const { ask } = startApi()
    for (const wide of ['0.0.0.0/0', '128.0.0.0/1', '::/0', '::ffff:0:0/96', '2000::/3']) {
      bench.addAgent('acme/open', { allowed_addresses: ['192.0.2.7', wide] })
      assert.throws(
        () => refuseOpenRelay(directory),
        (error: Error) =>
          error instanceof ConfigError &&
          error.message.startsWith('signalbox:agent:acme/open: is an open relay') &&
          /redis-cli HSET/.test(error.message) &&
          !error.message.includes('\n'),
        wide,
      )
      const allowed_addresses = ['192.0.2.7', wide]
      for (const [method, path, body] of [
        ['PUT', '/v1/agents/front', { sip_uri: 'sip:agent@127.0.0.1', allowed_addresses }],
        ['POST', '/v1/numbers', { phone_number: '+14155550100', allowed_addresses }],
      ] as const) {
        const answer = await ask(method, path, body)
        assert.equal([answer.status, answer.body.errors?.[0]?.field], [400, 'allowed_addresses[1]'], `${path} ${wide}`)
      }
    }
  },
)

Unsafe.run()
