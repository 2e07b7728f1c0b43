import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { engineOptions } from '../../src/cli/engine.js'
import { configSchema } from '../../src/config/index.js'
import { runCli } from '../support/cli-run.js'
import { connectApp } from '../support/srf-app.js'
import { freePort } from '../support/free-port.js'

const EngineCommand = suite('EngineCommand')
const config = configSchema.parse({})
const quiet = { loglevel: 'error', address: '127.0.0.1' } as const

EngineCommand('without flags it is what the configuration says, on loopback, with the usual secret', () => {
  const options = engineOptions(quiet, config)
  assert.equal(options.contacts, ['sip:127.0.0.1:5060;transport=udp,tcp'])
  assert.equal(options.control, { host: '127.0.0.1', port: 9022, secret: 'cymru' })
  assert.is(options.observer, undefined)
})

EngineCommand('flags stand over the configuration', () => {
  const configured = configSchema.parse({ sip: { t1_ms: 100, external_ip: '192.0.2.1' }, drachtio: { secret: 'kept' } })
  assert.is(engineOptions(quiet, configured).control.secret, 'kept')
  assert.is(engineOptions(quiet, configured).externalIp, '192.0.2.1')
  const options = engineOptions(
    {
      ...quiet,
      contact: ['sip:127.0.0.1:5070;transport=udp', 'sip:127.0.0.1:5071;transport=tcp'],
      port: '0',
      address: '0.0.0.0',
      secret: 'mine',
      externalIp: '192.0.2.2',
      t1: '50',
      t1x64: '1000',
      t2: '200',
      t4: '300',
      tcpKeepaliveInterval: '10',
    },
    configured,
  )
  assert.equal(options.contacts, ['sip:127.0.0.1:5070;transport=udp', 'sip:127.0.0.1:5071;transport=tcp'])
  assert.equal(options.control, { host: '0.0.0.0', port: 0, secret: 'mine', keepAliveMs: 10_000 })
  assert.is(options.externalIp, '192.0.2.2')
  const { t1Ms, t1x64Ms, t2Ms, t4Ms } = options.timers ?? {}
  assert.equal({ t1Ms, t1x64Ms, t2Ms, t4Ms }, { t1Ms: 50, t1x64Ms: 1000, t2Ms: 200, t4Ms: 300 })
})

EngineCommand('a secret everybody knows is refused on any address but loopback', () => {
  for (const secret of ['cymru', 'admin', undefined])
    for (const address of ['0.0.0.0', '::', '192.0.2.1', '127.evil.example', 'example.com'])
      assert.throws(
        () => engineOptions({ ...quiet, address, ...(secret === undefined ? {} : { secret }) }, config),
        /is known to everybody/,
      )
  for (const address of ['127.0.0.1', '127.0.0.9', '::1', 'localhost'])
    assert.is(engineOptions({ ...quiet, address }, config).control.secret, 'cymru')
  assert.is(engineOptions({ ...quiet, address: '0.0.0.0', secret: 'own' }, config).control.secret, 'own')
})

EngineCommand('bad values and unknown flags are named, with exit code 2', async () => {
  for (const [args, what] of [
    [['--port', '70000'], '--port 70000 is not a whole number from 0 to 65535'],
    [['--t1', '0'], '--t1 0 is not'],
    [['--secret='], '--secret must not be empty'],
    [['--homer', '127.0.0.1'], "unknown option '--homer'"],
    [['--loglevel', 'loud'], 'Allowed choices are notice, error, warning, info, debug'],
    [['-c', 'nonsense', '-p', '0'], 'contact "nonsense"'],
    [['--address', '0.0.0.0'], 'is known to everybody'],
  ] as const) {
    const { exitCode, err } = await runCli(['engine', ...args])
    assert.is(exitCode, 2, args.join(' '))
    assert.match(err, what)
    assert.is(err.split('\n').length, 1)
  }
})

EngineCommand('runs until it is stopped, and takes applications meanwhile', async () => {
  const sipPort = await freePort()
  const port = await freePort()
  const stop = new AbortController()
  const args = ['engine', '-c', `sip:127.0.0.1:${sipPort};transport=udp`, '-p', String(port), '-l', 'error', '--json']
  const running = runCli(args, { stop: stop.signal })
  const app = await connectSoon(port)
  app.disconnect()
  stop.abort()
  const { exitCode, out } = await running
  assert.is(exitCode, 0)
  assert.equal(JSON.parse(out), { control: { host: '127.0.0.1', port }, sip: [`udp/127.0.0.1:${sipPort}`] })
})

/** The library tries again by itself until the port is open. */
const connectSoon = (port: number) => connectApp({ host: '127.0.0.1', port }, 'cymru')

EngineCommand.run()
