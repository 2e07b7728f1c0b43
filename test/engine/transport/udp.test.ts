import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TransportError } from '../../../src/engine/transport/transport.js'
import type { Transports } from '../../../src/engine/transport/transports.js'
import { eventually } from '../../support/eventually.js'
import { optionsText, TransportBench } from '../../support/transport-bench.js'

let bench: TransportBench
let transports: Transports
let port: number

const Udp = suite('Udp')

Udp.before.each(async () => {
  bench = new TransportBench()
  transports = await bench.start('sip:127.0.0.1:0;transport=udp')
  port = transports.bindings[0]?.port ?? 0
})

Udp.after.each(() => bench.close())

Udp('drops what is no SIP in silence and counts it: keep-alives, STUN, TLS, noise', async () => {
  const peer = await bench.udpPeer()
  const noise = [
    '',
    '\r\n\r\n',
    '\0\0\0\0',
    '\x00\x01\x00\x00\x21\x12\xa4\x42',
    '\x16\x03\x01\x02\x00',
    '\xff'.repeat(1_500),
  ]
  for (const text of noise) peer.send(text, port)
  peer.send(optionsText(), port)
  await bench.arrived(1)
  assert.is(bench.arrivals.length, 1)
  assert.is(transports.counters.ignoredDatagrams, noise.length)
  assert.equal(peer.received, [])
})

Udp('tells who sends a datagram that is too big that it did not leave, after send has returned', async () => {
  const flow = transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: 9 })
  let told: Error | undefined
  flow?.send(optionsText(1, undefined, 'x'.repeat(70_000)), (error) => (told = error))
  assert.is(told, undefined)
  const error = await eventually('the failure', () => told)
  assert.instance(error, TransportError)
  assert.is((error as TransportError).code, 'SEND_FAILED')
  assert.match(error.message, 'udp 127.0.0.1:9: ')
  assert.match(error.message, 'EMSGSIZE')
  assert.is(transports.counters.sendFailures, 1)
})

Udp('counts a failure that nobody asked to be told of', async () => {
  const flow = transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: 9 })
  flow?.send(optionsText(1, undefined, 'x'.repeat(70_000)))
  await eventually('the count', () => transports.counters.sendFailures === 1)
})

Udp('a source keeps its flow from message to message, and each of its ports has its own', async () => {
  const [one, other] = [await bench.udpPeer(), await bench.udpPeer()]
  for (const peer of [one, one, other, one]) {
    peer.send(optionsText(), port)
    await bench.arrived(bench.arrivals.length + 1)
  }
  const flows = bench.arrivals.map(({ flow }) => flow)
  assert.equal(
    flows.map(({ remotePort }) => remotePort),
    [one.port, one.port, other.port, one.port],
  )
  assert.is(flows[0], flows[1])
  assert.is(transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: one.port }), flows[3])
})

Udp('goes on when a port it sent to is closed (ICMP port unreachable)', async () => {
  const gone = await bench.udpPeer()
  const closedPort = gone.port
  await gone.close()
  for (let i = 0; i < 20; i++)
    transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: closedPort })?.send(optionsText())
  const peer = await bench.udpPeer()
  await eventually('an arrival', () => {
    peer.send(optionsText(), port)
    return bench.arrivals.length > 0
  })
})

Udp('sends in order from the port it listens on', async () => {
  const peer = await bench.udpPeer()
  const flow = transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: peer.port })
  for (let i = 1; i <= 100; i++) flow?.send(optionsText(i))
  await eventually('100 datagrams', () => peer.received.length === 100)
  assert.equal(
    peer.received.map((text) => Number(/CSeq: (\d+)/.exec(text)?.[1])),
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
})

Udp('hands up a message that is cut short, to be answered with 400', async () => {
  const peer = await bench.udpPeer()
  peer.send(optionsText().replace('Content-Length: 0', 'Content-Length: 10'), port)
  const { parsed } = await bench.arrived(1)
  assert.is(parsed.ok ? 200 : parsed.status, 400)
})

Udp.run()
