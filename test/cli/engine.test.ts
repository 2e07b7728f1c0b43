import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addDrachtioFlags } from '../../src/cli/engine-flags.js'
import { engineOptions } from '../../src/cli/engine-options.js'
import { configSchema, loadDrachtio } from '../../src/config/index.js'
import type { EngineOptions } from '../../src/engine/index.js'
import { runCli } from '../support/cli-run.js'
import { connectApp } from '../support/srf-app.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const EngineCommand = suite('EngineCommand')
const config = configSchema.parse({})

/** What a command line comes to, without an environment and a file. */
function optionsOf(args: readonly string[], configured = config): EngineOptions {
  const command = new Command('engine').exitOverride()
  const read = addDrachtioFlags(command)
  command.parse([...args], { from: 'user' })
  return engineOptions(loadDrachtio(read(), { env: {}, usualFile: '/nowhere' }).settings, configured)
}

EngineCommand('without flags it is what the configuration says, on loopback, with the usual secret', () => {
  const options = optionsOf([])
  assert.equal(options.contacts, ['sip:127.0.0.1:5060;transport=udp,tcp'])
  assert.equal(options.control, { host: '127.0.0.1', port: 9022, secret: 'cymru' })
  assert.equal([options.screening, options.nat, options.externalIp], [undefined, undefined, undefined])
})

EngineCommand('flags stand over the configuration, short or long', () => {
  const configured = configSchema.parse({ sip: { t1_ms: 100, external_ip: '192.0.2.1' }, drachtio: { secret: 'kept' } })
  assert.is(optionsOf([], configured).control.secret, 'kept')
  assert.is(optionsOf([], configured).externalIp, '192.0.2.1')
  const line =
    '-x 192.0.2.2 -c sip:127.0.0.1:5070;transport=udp --contact=sip:127.0.0.1:5071;transport=tcp -p0 -E 0.0.0.0 -F mine' +
    ' --t1 50 --t1x64 1000 --t2 200 --t4 300 --tcp-keepalive-interval 10'
  const options = optionsOf(line.split(' '), configured)
  assert.equal(options.contacts, [
    { uri: 'sip:127.0.0.1:5070;transport=udp' },
    { uri: 'sip:127.0.0.1:5071;transport=tcp' },
  ])
  assert.equal(options.control, { host: '0.0.0.0', port: 0, secret: 'mine', keepAliveMs: 10_000 })
  assert.is(options.externalIp, '192.0.2.2')
  const { t1Ms, t1x64Ms, t2Ms, t4Ms } = options.timers ?? {}
  assert.equal({ t1Ms, t1x64Ms, t2Ms, t4Ms }, { t1Ms: 50, t1x64Ms: 1000, t2Ms: 200, t4Ms: 300 })
})

EngineCommand('external address, local net and names are those of the contact before them', () => {
  const line =
    '-c sip:10.0.0.5 -x 203.0.113.10 -n 10.0.0.0/8 --dns-name a.example --dns-name b.example' +
    ' -c sip:10.1.0.5;transport=tcp --external-ip 203.0.113.11'
  const { contacts, externalIp } = optionsOf(line.split(' '))
  assert.equal(contacts, [
    { uri: 'sip:10.0.0.5', externalIp: '203.0.113.10', localNet: '10.0.0.0/8', dnsNames: ['a.example', 'b.example'] },
    { uri: 'sip:10.1.0.5;transport=tcp', externalIp: '203.0.113.11' },
  ])
  assert.is(externalIp, undefined)
  assert.throws(() => optionsOf(['-n', '10.0.0.0/8']), /--local-net must follow the --contact it is for/)
})

EngineCommand(
  'certificates of the flags stand over those of the configuration; servers are not verified unless it says so',
  () => {
    const tls = { certificate_file: '/c.pem', key_file: '/c.key', ca_file: '/ca.pem', min_version: 'TLSv1.3' }
    const configured = configSchema.parse({
      sip: { tls: { ...tls, verify_servers: true }, max_consecutive_timeouts: 4 },
    })
    assert.equal(optionsOf([], configured).tls, {
      certificate: { file: '/c.pem' },
      key: { file: '/c.key' },
      ca: { file: '/ca.pem' },
      minVersion: 'TLSv1.3',
      clientCertificates: 'none',
      verifyServers: true,
    })
    const flags = '--cert-file /f.pem --key-file /f.key --chain-file /f.chain --min-tls-version 1.0'.split(' ')
    assert.equal(optionsOf(flags).tls, {
      certificate: { file: '/f.pem' },
      key: { file: '/f.key' },
      chain: { file: '/f.chain' },
      ca: { file: '/f.chain' },
      minVersion: 'TLSv1',
      clientCertificates: 'none',
      verifyServers: false,
    })
    assert.is(optionsOf([]).tls, undefined)
    const { pingIntervalMs, maxConsecutiveTimeouts } = optionsOf([]).transport ?? {}
    assert.equal(
      [pingIntervalMs, maxConsecutiveTimeouts],
      [0, 0],
      'as drachtio-server: dead connections are not looked for',
    )
    assert.is(optionsOf([], configured).transport?.maxConsecutiveTimeouts, 4)
  },
)

EngineCommand('what screens requests and tells peers behind NATs reaches the engine', () => {
  const line = '--reject-register-with-no-realm -T JsSIP -I --always-send-180 --local-address-inside'
  const options = optionsOf(line.split(' '))
  assert.equal(options.screening, { optionsAutoRespond: 'JsSIP', rejectRegisterWithoutRealm: true })
  assert.equal(options.nat, { detection: true, aggressive: true })
  assert.equal([options.alwaysRing, options.localInside], [true, true])
  assert.equal(optionsOf(['--disable-nat-detection']).nat, { detection: false, aggressive: false })
  const flags = { file: 'test/config/drachtio.conf.xml' }
  const fromFile = engineOptions(loadDrachtio(flags, { env: {} }).settings, config)
  assert.equal(fromFile.screening?.spammers, {
    headers: [
      { name: 'User-Agent', values: ['sip-cli', 'friendly-scanner'] },
      { name: 'To', values: ['sipvicious'] },
    ],
    action: 'reject',
    streamAction: 'discard',
  })
  assert.is(fromFile.outboundProxy, 'sip:192.0.2.70:5070;transport=tcp')
  assert.is(fromFile.transport?.udpBufferBytes, 1_048_576)
  assert.equal(fromFile.sessionTimers, { defaultRefresher: 'uac' })
})

EngineCommand('a secret everybody knows is refused on any address but loopback', () => {
  for (const secret of ['cymru', 'admin', undefined])
    for (const address of ['0.0.0.0', '::', '192.0.2.1', '127.evil.example', 'example.com'])
      assert.throws(
        () => optionsOf(['--address', address, ...(secret === undefined ? [] : ['--secret', secret])]),
        /is known to everybody/,
      )
  for (const address of ['127.0.0.1', '127.0.0.9', '::1', 'localhost'])
    assert.is(optionsOf(['--address', address]).control.secret, 'cymru')
  assert.is(optionsOf(['--address', '0.0.0.0', '--secret', 'own']).control.secret, 'own')
})

EngineCommand('bad values are named, all at once, with exit code 2', async () => {
  for (const [args, ...what] of [
    [['--port', '70000'], '--port: must be a whole number from 0 to 65535'],
    [['--t1', '0', '--t2=x'], '--t1: must be', '--t2: must be'],
    [['--secret='], '--secret: must be not empty'],
    [['--loglevel', 'loud'], '--loglevel: must be one of notice, error, warning, info, debug'],
    [['-c', 'nonsense', '-p', '0'], '--contact: contact "nonsense"'],
    [['-c', 'sip:127.0.0.1;transport=ws'], 'contact: none is left'],
    [['--address', '0.0.0.0'], 'is known to everybody'],
    [['--tls-port', '9023'], '--tls-port 9023 needs a certificate and its key: --cert-file and --key-file'],
    [['--blacklist-redis-address', '127.0.0.1'], 'needs the key of the set'],
  ] as const) {
    const { exitCode, err } = await runCli(['engine', ...args])
    assert.is(exitCode, 2, args.join(' '))
    for (const one of what) assert.match(err, one)
    assert.is(err.split('\n').length, what.length)
  }
})

EngineCommand(
  '--help lists what has an effect and what has none; --version names the version it stands in for',
  async () => {
    const { exitCode, out } = await runCli(['engine', '--help'])
    assert.is(exitCode, 0)
    const flags =
      'address aggressive-nat-detection always-send-180 blacklist-redis-address blacklist-redis-key blacklist-redis-master ' +
      'blacklist-redis-password blacklist-redis-port blacklist-redis-sentinels blacklist-refresh-secs cert-file chain-file contact ' +
      'daemon dh-param disable-nat-detection dns-name external-ip file globally-readable-logs homer homer-id http-handler ' +
      'http-method key-file local-net loglevel memory-debug min-tls-version mtu noconfig port prometheus-scrape-port ' +
      'reject-register-with-no-realm secret sofia-loglevel stdout tcp-keepalive-interval tls-cipherlist tls-port user ' +
      'user-agent-options-auto-respond version'
    for (const flag of flags.split(' ')) assert.match(out, new RegExp(`--${flag}\\b`))
    assert.match(out, /--mtu, DRACHTIO_UDP_MTU, <sip\/udp-mtu>, <sip\/mtu-size>: a large request/)
    assert.equal((await runCli(['engine', '-v'])).out, 'v0.9.10')
  },
)

EngineCommand('flags without effect and unknown ones are named once each and do not stop it', async () => {
  const stop = new AbortController()
  const line =
    '-c sip:127.0.0.1:0;transport=udp,ws -p 0 -l error --json --daemon -D 4096 --homer 127.0.0.1:9060 --homer-id 1 --frob=secret --bar 1 x'
  const running = runCli(['engine', ...line.split(' ')], { stop: stop.signal })
  stop.abort()
  const { exitCode, err, out } = await running
  assert.is(exitCode, 0, err)
  assert.match(out, /"sip":\["udp\/127/)
  assert.equal(err.split('\n').sort(), [
    'signalbox: --bar has no effect: it is not known',
    'signalbox: --contact sip:127.0.0.1:0;transport=udp,ws has no effect: transport ws is not supported',
    'signalbox: --daemon has no effect: the engine stays in the foreground: run it under a service manager',
    'signalbox: --frob has no effect: it is not known',
    'signalbox: --homer has no effect: copies of SIP messages are not sent to Homer',
    'signalbox: --homer-id has no effect: copies of SIP messages are not sent to Homer',
    'signalbox: --mtu has no effect: a large request leaves UDP for TCP by itself',
    'signalbox: x has no effect: it is not known',
  ])
})

EngineCommand(
  '[10.1/0] runs from an XML file until it is stopped; its applications know the secret of the environment',
  async () => {
    const [sipPort, port] = [await freePort(), await freePort()]
    const file = join(temporaryFolder(), 'drachtio.conf.xml')
    writeFileSync(
      file,
      `<drachtio><admin port="${port}" secret="of-the-file">127.0.0.1</admin><logging><loglevel>error</loglevel></logging>
     <sip><contacts><contact>sip:127.0.0.1:${sipPort};transport=udp</contact></contacts></sip></drachtio>`,
    )
    process.env.DRACHTIO_SECRET = 'of-the-environment'
    try {
      const stop = new AbortController()
      const running = runCli(['engine', '-f', file, '--json'], { stop: stop.signal })
      // The library tries again by itself until the port is open.
      const app = await connectApp({ host: '127.0.0.1', port }, 'of-the-environment')
      app.disconnect()
      stop.abort()
      const { exitCode, out } = await running
      assert.is(exitCode, 0)
      assert.equal(JSON.parse(out), { control: { host: '127.0.0.1', port }, sip: [`udp/127.0.0.1:${sipPort}`] })
    } finally {
      delete process.env.DRACHTIO_SECRET
    }
  },
)

EngineCommand('shows metrics where it is told to', async () => {
  const [sipPort, port] = [await freePort(), await freePort()]
  const stop = new AbortController()
  const line = `-c sip:127.0.0.1:${sipPort};transport=udp -p 0 -l error --prometheus-scrape-port 127.0.0.1:${port}`
  const running = runCli(['engine', ...line.split(' ')], { stop: stop.signal })
  const text = await eventually('the metrics', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    return answer?.text()
  })
  stop.abort()
  assert.match((await running).out, `http://127.0.0.1:${port}/metrics`)
  for (const name of ['drachtio_app_connections 0', 'signalbox_engine_dialogs 0', 'process_resident_memory_bytes'])
    assert.match(text, name)
})

EngineCommand.run()
