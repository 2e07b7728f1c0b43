import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, type Commands } from '../../../src/engine/control/control.js'
import { frame } from '../../../src/engine/control/frames.js'
import { checkSecret, ControlError } from '../../../src/engine/control/secret.js'
import { type App, refused } from '../../../src/engine/dialog/app.js'
import { createEngine } from '../../../src/engine/index.js'
import { SipRequest } from '../../../src/engine/message/message.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'

const ControlPort = suite('Control port')

const WELCOME = { advertised: ['udp/192.0.2.1:5060'], local: ['udp/10.0.0.1:5060'] }
const RESPONSE = 'SIP/2.0 200 OK\r\n\r\n'

/** A control port on loopback whose core writes down what it is told, and clients to it. */
class Bench {
  readonly clock = new ManualClock()
  readonly errors: unknown[] = []
  readonly responded: string[] = []
  readonly gone: App[] = []
  readonly control: Control
  private readonly sockets: Socket[] = []
  private port = 0

  constructor(secret = 'right') {
    this.control = new Control({ host: '127.0.0.1', port: 0, secret, keepAliveMs: 0 }, this.clock, (error) =>
      this.errors.push(error),
    )
  }

  async start(commands: Partial<Commands> = {}): Promise<this> {
    const { port } = await this.control.start(
      {
        respond: (txnId) => {
          this.responded.push(txnId)
          return refused('as the test wants')
        },
        request: () => refused('no'),
        requestInDialog: () => refused('no'),
        cancel: () => refused('no'),
        proxy: () => 'no',
        appGone: (app) => this.gone.push(app),
        ...commands,
      },
      WELCOME,
    )
    this.port = port
    return this
  }

  /** A client that sends these payloads in one write; what it hears. */
  client(...payloads: string[]): { socket: Socket; text: () => string; ended: () => boolean } {
    let text = ''
    let ended = false
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.write(payloads.map(frame).join(''), 'latin1'),
    )
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.on('end', () => (ended = true))
    socket.on('close', () => (ended = true))
    socket.on('error', () => (ended = true))
    this.sockets.push(socket)
    return { socket, text: () => text, ended: () => ended }
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await this.control.stop()
  }
}

let bench: Bench
ControlPort.before.each(() => void (bench = new Bench()))
ControlPort.after.each(() => bench.stop())

ControlPort('greets with the addresses and a version; answers ping, route and remove_route', async () => {
  await bench.start()
  const client = bench.client('a|authenticate|right|blue', 'b|route|invite', 'c|route|invite', 'd|ping')
  await eventually('the answers', () => client.text().includes('|response|d|'))
  assert.match(client.text(), /\|response\|a\|OK\|udp\/192\.0\.2\.1:5060\|v\d+\.\d+\.\d+\|udp\/10\.0\.0\.1:5060/)
  assert.match(client.text(), /\|response\|b\|OK/)
  assert.match(client.text(), /\|response\|d\|OK\|pong/)
  const app = bench.control.apps.choose('INVITE')
  assert.ok(app)
  client.socket.write(frame('e|route|options') + frame('f|remove_route|invite'))
  await eventually('the route is gone', () => client.text().includes('|response|f|OK'))
  assert.is(bench.control.apps.choose('INVITE'), undefined)
  assert.is(bench.control.apps.choose('OPTIONS'), app, 'only the named one')
})

ControlPort('takes one guess a connection: nothing after a wrong secret is looked at', async () => {
  await bench.start()
  const client = bench.client(
    'a|authenticate|wrong|',
    'b|authenticate|right|',
    'c|route|invite',
    `d|sip|t|\r\n${RESPONSE}`,
  )
  await eventually('the connection ends', () => client.ended())
  assert.match(client.text(), /\|response\|a\|NO\|incorrect secret$/)
  assert.is(bench.control.apps.count, 0)
  assert.equal(bench.responded, [])
})

ControlPort('does nothing for a client that has not authenticated', async () => {
  await bench.start()
  for (const command of [
    'route|invite',
    'ping',
    'remove_route|invite',
    `sip|t|\r\n${RESPONSE}`,
    'proxy|t',
    'nonsense',
  ]) {
    const client = bench.client(`a|${command}`)
    await eventually('the connection ends', () => client.ended())
    assert.match(client.text(), /\|response\|a\|NO\|not authenticated$/)
  }
  assert.equal(bench.responded, [])
})

ControlPort('cuts off a client that was refused and does not end, and one that never authenticates', async () => {
  await bench.start()
  const refusedOne = bench.client('a|ping')
  const silent = bench.client()
  await eventually('the refusal', () => refusedOne.text() !== '')
  await eventually('both are connected', () => bench.clock.pending >= 3)
  bench.clock.advance(1_000)
  bench.clock.advance(9_000)
  await eventually('the silent one is closed', () => silent.ended())
  await eventually('no timer is left', () => bench.clock.pending === 0)
})

ControlPort('holds frames to 4 kB before the secret, to a megabyte after', async () => {
  await bench.start()
  const early = bench.client(`a|authenticate|${'x'.repeat(5_000)}|`)
  await eventually('it is closed', () => early.ended())
  assert.is(early.text(), '')
  const late = bench.client('a|authenticate|right|', `b|sip|t1|\r\n${RESPONSE}${'x'.repeat(900_000)}`)
  await eventually('the large frame is taken', () => bench.responded.length === 1)
  late.socket.write('1000001#')
  await eventually('the larger one is not', () => late.ended())
})

ControlPort('an error in the engine costs the command a NOK, not the application its connection', async () => {
  await bench.start({
    respond: () => {
      throw new RangeError('first|line\r\nsecond')
    },
    request: () => Promise.reject(new Error('later')),
  })
  const client = bench.client(
    'a|authenticate|right|',
    `b|sip|t|\r\n${RESPONSE}`,
    'c|sip||\r\nOPTIONS sip:a@192.0.2.9 SIP/2.0\r\n\r\n',
    'd|ping',
  )
  await eventually('all is answered', () => /\|response\|d\|/.test(client.text()) && /\|c\|NOK/.test(client.text()))
  assert.match(client.text(), /\|response\|b\|NOK\|Server error: first line {2}second/)
  assert.match(client.text(), /\|response\|c\|NOK\|Server error: later/)
  assert.is(bench.errors.length, 2)
})

ControlPort('gives up an application that does not read, and tells the core once', async () => {
  await bench.start()
  const client = bench.client('a|authenticate|right|', 'b|route|invite')
  await eventually('it is known', () => client.text().includes('|response|b|OK'))
  client.socket.pause()
  const app = bench.control.apps.choose('INVITE')!
  const message = new SipRequest('MESSAGE', 'sip:a@192.0.2.9')
  message.body = 'x'.repeat(60_000)
  const origin = { source: 'network', protocol: 'udp', address: '192.0.2.9', port: 5060 } as const
  let sent = 0
  while (app.open && sent < 2_000) {
    app.deliver(message, origin, 't', '')
    sent += 1
  }
  assert.ok(sent < 2_000, 'it was given up')
  assert.ok(sent > 100, 'after a good while')
  assert.equal(bench.gone, [app])
  assert.is(bench.control.apps.choose('INVITE'), undefined)
})

ControlPort('a broken frame ends the connection; others go on', async () => {
  await bench.start()
  const good = bench.client('a|authenticate|right|')
  const bad = bench.client('a|authenticate|right|')
  await eventually('both are in', () => bench.control.apps.count === 2)
  bad.socket.write('12x#abc')
  await eventually('the bad one is closed', () => bad.ended())
  assert.is(bench.gone.length, 1)
  good.socket.write(frame('b|ping'))
  await eventually('the good one is answered', () => good.text().includes('|OK|pong'))
})

ControlPort('compares secrets byte by byte, whatever letters they are made of', async () => {
  bench = new Bench('schlüssel€')
  await bench.start()
  const client = bench.client(`a|authenticate|${Buffer.from('schlüssel€').toString('latin1')}|`)
  await eventually('it is let in', () => client.text().includes('|response|a|OK'))
})

ControlPort('connections that come and go leave nothing', async () => {
  await bench.start()
  for (let i = 0; i < 30; i++) {
    const client = bench.client(...(i % 2 === 0 ? ['a|authenticate|right|', 'b|route|invite'] : []))
    if (i % 3 === 0) client.socket.on('connect', () => client.socket.resetAndDestroy())
    else client.socket.on('connect', () => client.socket.end())
  }
  await eventually('all are gone', () => bench.control.apps.count === 0 && bench.clock.pending === 0)
  assert.is(bench.control.apps.choose('INVITE'), undefined)
})

ControlPort('an error while an application leaves is reported, and the next one is served', async () => {
  const lost = new Error('as the test wants')
  await bench.start({
    appGone: () => {
      throw lost
    },
  })
  const client = bench.client('a|authenticate|right|')
  await eventually('it is connected', () => bench.control.apps.count === 1)
  client.socket.destroy()
  await eventually('it is gone', () => bench.control.apps.count === 0)
  assert.equal(bench.errors, [lost])
  const next = bench.client('a|authenticate|right|', 'b|ping')
  await eventually('the next one is served', () => next.text().includes('|response|b|OK'))
})

ControlPort('a secret everybody knows is refused on any address but loopback, an empty one everywhere', () => {
  for (const host of ['127.0.0.1', '::1', 'localhost', '127.8.9.1']) checkSecret(host, 'cymru')
  for (const [host, secret] of [
    ['0.0.0.0', 'cymru'],
    ['::', 'admin'],
    ['192.0.2.1', 'cymru'],
    ['127.0.0.1.example.com', 'cymru'],
    ['127.0.0.1', ''],
  ] as const)
    assert.throws(
      () => checkSecret(host, secret),
      (error: unknown) => error instanceof ControlError && error.code === 'WEAK_SECRET',
      host,
    )
  checkSecret('0.0.0.0', 'a better one')
  assert.throws(
    () =>
      createEngine({
        contacts: ['sip:127.0.0.1:0;transport=udp'],
        control: { host: '0.0.0.0', port: 0, secret: 'cymru' },
      }),
    /known to everybody/,
  )
})

ControlPort.run()
