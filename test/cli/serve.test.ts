import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explain, CliError } from '../../src/cli/errors.js'
import { banner } from '../../src/cli/serve.js'
import { ConfigError, configSchema } from '../../src/config/index.js'

const Serve = suite('Serve')

const running = {
  sip: ['udp/127.0.0.1:5060', 'tcp/127.0.0.1:5060'],
  origination: { origination_uris: [], signalling_addresses: [], transports: [] },
  httpUrl: 'http://127.0.0.1:8080',
  redisUrl: 'redis://user:hush-hush@127.0.0.1:6379',
  ownRedis: false,
  ownEngine: true,
  allowedNetworks: ['127.0.0.0/8', '::1/128'],
}

const config = configSchema.parse({ data: { dir: '/srv/signalbox' } })

Serve('says in a few lines where SIP, HTTP and Redis are, where the token is kept, and what to try', () => {
  const text = banner(running, config, true)
  assert.ok(text.split('\n').length <= 7)
  for (const part of [
    'udp/127.0.0.1:5060',
    'tcp/127.0.0.1:5060',
    'http://127.0.0.1:8080',
    '/srv/signalbox/admin-token',
    'signalbox demo',
  ])
    assert.ok(text.includes(part), part)
  assert.match(text, 'redis://user:***@127.0.0.1:6379')
  assert.not.match(text, 'hush-hush')
})

Serve('a configured token is not printed', () => {
  const configured = configSchema.parse({ data: { dir: '/srv/signalbox' }, admin_token: 'hush-hush-0123456789' })
  const text = banner(running, configured, true)
  assert.not.match(text, 'hush-hush')
  assert.match(text, 'SIGNALBOX_ADMIN_TOKEN')
})

const Failures = suite('Failures of commands')

Failures('every problem of the configuration is told, with exit code 2', () => {
  const problems = [
    { path: 'sip.t1_ms', message: 'must be a whole number' },
    { path: 'no.such', message: 'unknown key', source: 'SIGNALBOX__NO__SUCH' },
  ]
  assert.equal(explain(new ConfigError(problems)), {
    lines: ['sip.t1_ms: must be a whole number', 'no.such (SIGNALBOX__NO__SUCH): unknown key'],
    exitCode: 2,
  })
})

Failures('a taken address is named, with what may have it', () => {
  const taken = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE', address: '127.0.0.1', port: 9022 })
  assert.equal(explain(taken), { lines: ['127.0.0.1:9022 is in use: is another Signalbox running?'], exitCode: 1 })
})

Failures('anything else is one printable line without a stack', () => {
  assert.equal(explain(new Error('two\nlines')), { lines: ['two?lines'], exitCode: 1 })
  assert.equal(explain('text'), { lines: ['text'], exitCode: 1 })
  assert.equal(explain(new CliError('wrong', 2)), { lines: ['wrong'], exitCode: 2 })
})

Serve.run()
Failures.run()
