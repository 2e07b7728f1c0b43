import { readFileSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, configSchema, loadConfig, type Config, type LoadOptions } from '../../src/config/index.js'
import { variables } from '../../src/config/environment.js'
import { keysAt, kindAt } from '../../src/config/schema.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const folder = temporaryFolder()
let files = 0

function yaml(text: string): string {
  const file = join(folder, `${++files}.yaml`)
  writeFileSync(file, text)
  return file
}

const load = (env: Record<string, string>, options: LoadOptions = {}): Config => loadConfig({ env, ...options })

/** The problems of a configuration that must be refused, one line each. */
function problemsOf(env: Record<string, string>, options: LoadOptions = {}): string[] {
  try {
    load(env, options)
  } catch (error) {
    assert.instance(error, ConfigError)
    const { problems } = error as ConfigError
    return problems.map(
      ({ path, message, source }) => `${path}${source === undefined ? '' : ` <${source}>`}: ${message}`,
    )
  }
  return []
}

/** Every key of the configuration, sections left out. */
function leaves(path: string[] = []): string[][] {
  return keysAt(path).flatMap((key) =>
    kindAt([...path, key]) === 'section' ? leaves([...path, key]) : [[...path, key]],
  )
}

const at = (config: Config, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], config)

const Defaults = suite('Defaults')

Defaults('config/default.yaml and the schema say the same', () => {
  const { data, ...rest } = load({})
  const { data: schemaData, ...schemaRest } = configSchema.parse({})
  assert.equal(rest, schemaRest)
  assert.is(data.dir.endsWith(schemaData.dir), true)
})

Defaults('config/default.yaml has every key, each with a line on it that names its unit', () => {
  const lines = readFileSync('config/default.yaml', 'utf8').split('\n')
  const units: [RegExp, RegExp][] = [
    [/_ms$/, /\bmilliseconds\b/i],
    [/_s$/, /\bseconds\b/i],
    [/_bytes$/, /\bbytes\b/i],
    [/^(max_(?!.*_bytes)|queue_max|stream_max)/, /\ba number\b/],
  ]
  for (const path of leaves()) {
    const key = path.at(-1) ?? ''
    const row = lines.findIndex(
      (line, i) => line.trimStart().startsWith(`${key}:`) && sectionOf(lines, i) === path.slice(0, -1).join('.'),
    )
    assert.ok(row > 0, `${path.join('.')} is missing`)
    const comment = commentAbove(lines, row)
    assert.ok(comment.length > 20, `${path.join('.')} has no line on it`)
    for (const [name, unit] of units)
      if (name.test(key)) assert.match(comment, unit, `${path.join('.')} does not name its unit`)
    for (const [variable, named] of Object.entries(variables))
      if (named.join('.') === path.join('.')) assert.ok(comment.includes(`[${variable}`), `${variable} is not named`)
  }
})

/** The sections a line stands in, joined by dots: the keys above it that are indented less and less. */
function sectionOf(lines: string[], row: number): string {
  const depth = (line: string): number => line.search(/\S/)
  const sections: string[] = []
  let at = depth(lines[row] ?? '')
  for (const line of lines.slice(0, row).reverse()) {
    if (!/^ *[a-z_]+:/.test(line) || depth(line) >= at) continue
    at = depth(line)
    sections.unshift(line.trim().replace(/:.*/, ''))
  }
  return sections.join('.')
}

function commentAbove(lines: string[], row: number): string {
  let first = row
  while (/^\s*#/.test(lines[first - 1] ?? '')) first -= 1
  return lines.slice(first, row).join(' ')
}

Defaults('the data folder of the defaults is the same wherever the command runs', () => {
  const before = process.cwd()
  const { dir } = load({}).data
  try {
    process.chdir(folder)
    assert.is(load({}).data.dir, dir)
    assert.is(load({ SIGNALBOX_DATA_DIR: 'mine' }).data.dir, join(process.cwd(), 'mine'))
  } finally {
    process.chdir(before)
  }
  assert.ok(isAbsolute(dir))
})

Defaults.run()

const Layers = suite('Layers')

Layers('a file goes over the defaults key by key, the environment over both', () => {
  const file = yaml('sip:\n  t1_ms: 250\n  ring_timeout_s: 20\nlog:\n  level: warn\n')
  const config = load({ SIGNALBOX_CONFIG: file, SIGNALBOX__SIP__RING_TIMEOUT_S: '10' })
  assert.is(config.sip.t1_ms, 250)
  assert.is(config.sip.ring_timeout_s, 10)
  assert.is(config.sip.t2_ms, 4_000)
  assert.is(config.log.level, 'warn')
})

Layers('an empty file and an empty section change nothing', () => {
  assert.equal(load({ SIGNALBOX_CONFIG: yaml('') }), load({}))
  assert.equal(load({ SIGNALBOX_CONFIG: yaml('sip:\n  # t1_ms: 3\nhttp:\n') }), load({}))
})

Layers('the variables with a name of their own set their keys', () => {
  const config = load({
    SIP_CONTACTS: 'sip:127.0.0.1:5060;transport=udp,tcp, sip:[::1]:5070;transport=udp',
    SIP_EXTERNAL_IP: '203.0.113.10',
    HTTP_LISTEN: '[::1]:9000',
    REDIS_URL: 'redis://user:pass@redis.example.com:6380/2',
    DRACHTIO_HOST: 'sip.example.com',
    DRACHTIO_PORT: '9023',
    DRACHTIO_SECRET: '12345',
    SIGNALBOX_DATA_DIR: '/srv/signalbox',
    SIGNALBOX_ADMIN_TOKEN: 'let-me-in',
    SIGNALBOX_SECRET_KEY: 'ab'.repeat(32),
    LOG_LEVEL: 'DEBUG',
  })
  assert.equal(config.sip.contacts, ['sip:127.0.0.1:5060;transport=udp,tcp', 'sip:[::1]:5070;transport=udp'])
  assert.is(config.sip.external_ip, '203.0.113.10')
  assert.is(config.http.listen, '[::1]:9000')
  assert.is(config.redis.url, 'redis://user:pass@redis.example.com:6380/2')
  assert.equal(config.drachtio, { host: 'sip.example.com', port: 9_023, secret: '12345' })
  assert.is(config.data.dir, '/srv/signalbox')
  assert.is(config.admin_token, 'let-me-in')
  assert.is(config.secret_key, 'ab'.repeat(32))
  assert.is(config.log.level, 'debug')
})

Layers('every key can be set by SIGNALBOX__<SECTION>__<KEY>', () => {
  const config = load({})
  for (const path of leaves()) {
    const value = at(config, path.join('.'))
    const text = value === null ? 'null' : typeof value === 'object' ? JSON.stringify(value) : String(value)
    const again = load({ [`SIGNALBOX__${path.join('__').toUpperCase()}`]: text })
    assert.equal(at(again, path.join('.')), value, path.join('.'))
  }
})

Layers('lists are comma separated or JSON', () => {
  assert.equal(load({ SIGNALBOX__DNS__SERVERS: '192.0.2.53, [2001:db8::53]:53' }).dns.servers, [
    '192.0.2.53',
    '[2001:db8::53]:53',
  ])
  assert.equal(load({ SIGNALBOX__DNS__SERVERS: '["192.0.2.53"]' }).dns.servers, ['192.0.2.53'])
  assert.equal(load({ SIGNALBOX__SIP__FORWARD_HEADERS: 'Geolocation,History-Info' }).sip.forward_headers, [
    'Geolocation',
    'History-Info',
  ])
})

Layers('an empty variable sets nothing, "null" clears', () => {
  assert.is(load({ REDIS_URL: '', SIGNALBOX__SIP__T1_MS: ' ' }).redis.url, null)
  assert.is(load({ SIGNALBOX__SIP__USER_AGENT: 'null' }).sip.user_agent, null)
})

Layers.run()

const Refusals = suite('Refusals')

Refusals(
  'unknown keys, bad values and bad types are all reported at once, with their paths and where they stand',
  () => {
    const file = yaml('sip:\n  t1_ms: soon\n  ringTimeoutS: 3\n  contacts: [sip:127.0.0.1, 7]\nlogs: {}\nhttp: 80\n')
    const env = {
      SIGNALBOX_CONFIG: file,
      SIGNALBOX__SIP__T2_MS: '1.5',
      SIGNALBOX__SIP__NOPE: '1',
      SIGNALBOX__CACHE: '1',
      HTTP_LISTEN: 'nowhere',
      LOG_LEVEL: 'loud',
    }
    assert.equal(problemsOf(env).sort(), [
      'cache <SIGNALBOX__CACHE>: names a section: add a key, SIGNALBOX__CACHE__<KEY>',
      `http <${file}>: must be a section with keys`,
      'http.listen <HTTP_LISTEN>: must be an address and port such as 127.0.0.1:8080 or [::1]:8080',
      'log.level <LOG_LEVEL>: must be one of trace, debug, info, warn, error, fatal, silent',
      `logs <${file}>: unknown key; did you mean log?`,
      `sip.contacts[1] <${file}>: must be text`,
      'sip.nope <SIGNALBOX__SIP__NOPE>: unknown key',
      `sip.ringTimeoutS <${file}>: unknown key; did you mean sip.ring_timeout_s?`,
      `sip.t1_ms <${file}>: must be a number`,
      'sip.t2_ms <SIGNALBOX__SIP__T2_MS>: must be a whole number',
    ])
  },
)

Refusals('an unknown key comes with the one that was probably meant', () => {
  const meant = (variable: string): string => problemsOf({ [variable]: '1' })[0]?.split('did you mean ')[1] ?? ''
  assert.is(meant('SIGNALBOX__SIP__T1'), 'sip.t1_ms?')
  assert.is(meant('SIGNALBOX__CDR__QUEUE_MXA'), 'cdr.queue_max?')
  assert.is(meant('SIGNALBOX__LIMIT__MAX_CALLS'), '')
  assert.is(meant('SIGNALBOX__LIMITS__MAX_CALL'), 'limits.max_calls?')
  assert.is(meant('SIGNALBOX__LIMITS__ROWS'), '')
})

Refusals('each problem is a line of the error, which names key and place', () => {
  try {
    load({ SIGNALBOX__SIP__T1_MS: '3', SIGNALBOX_CONFIG: join(folder, 'none.yaml') })
    assert.unreachable()
  } catch (error) {
    assert.is(
      (error as Error).message,
      `${join(folder, 'none.yaml')}: cannot be read (ENOENT)\nsip.t1_ms (SIGNALBOX__SIP__T1_MS): must be 10 or more`,
    )
  }
})

Refusals('a file that is too large, is no YAML, or has a key twice', () => {
  const problem = (text: string): string =>
    problemsOf({ SIGNALBOX_CONFIG: yaml(text) })
      .join('|')
      .replace(/^\S*\/(\d+)/, 'N')
  assert.match(problem(`# ${'x'.repeat(300_000)}`), /^N\.yaml: is 300002 bytes long, more than 262144$/)
  assert.match(problem('sip: {\n'), /^N\.yaml: line \d is not YAML/)
  assert.match(problem('log: {}\nlog: {}\n'), /^N\.yaml: line 2 is not YAML \(DUPLICATE_KEY\)$/)
  assert.match(problem('- a\n'), /: must be a section with keys$/)
  assert.match(problem(`a: &a [x]\nb: ${'['.repeat(5_000)}`), /is not YAML/)
  assert.match(problem('__proto__:\n  x: 1\nconstructor: 2\n'), /__proto__.*: unknown key\|constructor.*: unknown key$/)
})

Refusals('keys that contradict each other are reported together with the rest', () => {
  assert.equal(
    problemsOf({ SIGNALBOX__SIP__T1_MS: '5000', DRACHTIO_HOST: '192.0.2.1', SIGNALBOX__LIMITS__MAX_CALLS: 'many' }).map(
      (line) => line.replace(/<.*default\.yaml>/, '<default>'),
    ),
    [
      'limits.max_calls <SIGNALBOX__LIMITS__MAX_CALLS>: must be a number',
      'sip.t2_ms <default>: must not be less than sip.t1_ms',
      'drachtio.secret <default>: is needed with drachtio.host: set DRACHTIO_SECRET to the secret of that server',
    ],
  )
})

Refusals('a certificate needs its key, and client certificates somebody who vouches for them', () => {
  const lines = problemsOf({
    SIGNALBOX__SIP__TLS__CERTIFICATE_FILE: '/etc/edge.pem',
    SIGNALBOX__SIP__TLS__CLIENT_CERTIFICATES: 'require',
  })
  assert.equal(
    lines.map((line) => line.replace(/ <.*>/, '')),
    [
      'sip.tls.key_file: is needed with sip.tls.certificate_file: the key of the certificate',
      'sip.tls.ca_file: is needed with sip.tls.client_certificates: who vouches for clients',
    ],
  )
})

Refusals('values that are no contact, address, URL, header or key', () => {
  const bad: [string, string[]][] = [
    ['SIP_CONTACTS', ['127.0.0.1:5060', 'sip:127.0.0.1:70000', 'sip:127.0.0.1;transport=ws', 'sip:a b', '[]', '[1]']],
    [
      'SIP_EXTERNAL_IP',
      ['host.example.com', '0.0.0.0', '224.0.0.1', '::', 'ff02::1', '203.0.113.10:5060', 'fe80::1%eth0'],
    ],
    [
      'HTTP_LISTEN',
      ['8080', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:8080', '[127.0.0.1]:80', '1.2.3.999:80', '*:80'],
    ],
    ['REDIS_URL', ['127.0.0.1:6379', 'http://127.0.0.1', 'redis://', 'redis://h/x', 'unix://host/', 'not a url']],
    ['DRACHTIO_HOST', ['sip:h', 'h:9022', '-h', '1.2.3']],
    ['DRACHTIO_PORT', ['65536', '-1', '9022x', '9022.5', '{a: 1}']],
    ['SIGNALBOX_ADMIN_TOKEN', ['two words', 'ünicode', 'x'.repeat(257), 'line\nbreak']],
    ['SIGNALBOX_SECRET_KEY', ['abc', 'zz'.repeat(32), 'ab'.repeat(31)]],
    ['SIGNALBOX__SIP__FORWARD_HEADERS', ['Via', 'v', 'Contact', 'X-Signalbox-Call-Id', 'Bad Name', 'A:B']],
    ['SIGNALBOX__SIP__USER_AGENT', ['a\r\nX-Evil: 1']],
    ['SIGNALBOX__HTTP__READY_WITHOUT_REDIS', ['yes', '1']],
    ['SIGNALBOX__DNS__SERVERS', ['ns.example.com', '192.0.2.53:99999']],
  ]
  for (const [variable, values] of bad)
    for (const value of values) {
      const about = problemsOf({ [variable]: value, DRACHTIO_SECRET: 's' }).filter((line) =>
        line.includes(`<${variable}>`),
      )
      assert.ok(about.length > 0, `${variable}=${value} was accepted`)
    }
})

Refusals('the forms of a Redis address that are taken', () => {
  for (const url of [
    'redis://localhost',
    'redis://:pw@127.0.0.1:6379/0',
    'rediss://r.example.com:6380',
    'unix:///run/redis.sock',
    '/run/redis.sock',
  ])
    assert.is(load({ REDIS_URL: url }).redis.url, url)
})

Refusals('a password or token is in no message', () => {
  const secrets = {
    REDIS_URL: 'http://user:hunter2@127.0.0.1',
    SIGNALBOX_ADMIN_TOKEN: 'hunter2 hunter2',
    DRACHTIO_SECRET: 'hunter2 hunter2',
    SIGNALBOX_SECRET_KEY: 'hunter2',
    SIGNALBOX_CONFIG: yaml('admin_token: [hunter2\nsecret_key: hunter2: hunter2\n'),
  }
  const problems = problemsOf(secrets).join('\n')
  assert.is(problems.split('\n').length >= 5, true)
  assert.not.match(problems, /hunter2/)
})

Refusals.run()
