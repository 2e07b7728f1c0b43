import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Transports, TransportsOptions } from '../../../src/engine/transport/transports.js'
import { eventually } from '../../support/eventually.js'
import { optionsText, TransportBench } from '../../support/transport-bench.js'
import type { TcpPeer } from '../../support/transport-bench.js'

const KeepAlive = suite('Keeping streams alive')

const PING = '\r\n\r\n'
const via = 'SIP/2.0/TCP 127.0.0.1:5090;branch=z9hG4bKx'

let bench: TransportBench

KeepAlive.before.each(() => {
  bench = new TransportBench()
})

KeepAlive.after.each(() => bench.close())

const start = (options: Partial<TransportsOptions> = {}): Promise<Transports> =>
  bench.start('sip:127.0.0.1:0;transport=tcp', { pingIntervalMs: 100_000, ...options })

/** A connection of ours, with the far end of it. */
async function connected(transports: Transports) {
  const server = await bench.tcpServer()
  const to = { protocol: 'tcp', address: '127.0.0.1', port: server.port } as const
  const flow = transports.flowTo(to)
  flow?.send(optionsText(1, via))
  const peer = await eventually('the request', () => server.peers.find(({ received }) => received !== ''))
  peer.received = ''
  if (flow === undefined) throw new Error('no flow')
  return { flow, peer, to, server }
}

/** Moves the clock as far as a ping may be away, in the steps of the sweep. */
async function pinged(peer: TcpPeer, times = 1): Promise<void> {
  const before = peer.received
  for (let step = 0; step < 25; step++) bench.clock.advance(5_000)
  await eventually('a ping', () => peer.received.length >= before.length + PING.length * times)
}

/** The peer says something, and we have heard it. */
async function said(peer: TcpPeer, text: string): Promise<void> {
  peer.send(text)
  await new Promise((resolve) => setTimeout(resolve, 20))
}

KeepAlive('a stream of ours is pinged with a double CRLF, and closed when answers to it cease', async () => {
  const transports = await start()
  const { flow, peer, to, server } = await connected(transports)
  await pinged(peer)
  assert.is(peer.received, PING)
  await said(peer, '\r\n')
  await pinged(peer)
  assert.ok(peer.received.startsWith(PING + PING))
  await eventually('the end', () => peer.ended)
  assert.not(flow.open)
  assert.is(transports.counters.deadPeers, 1)
  assert.equal(bench.closedFlows, [flow])
  const next = transports.flowTo(to)
  assert.is.not(next, flow)
  next?.send(optionsText(2, via))
  await eventually('a request on another stream', () => server.peers[1]?.received.startsWith('OPTIONS'))
})

KeepAlive('one whose peer never answered a ping stays open', async () => {
  const transports = await start({ idleTimeoutMs: 10_000_000 })
  const { flow, peer } = await connected(transports)
  await pinged(peer)
  await pinged(peer)
  await pinged(peer)
  assert.ok(flow.open)
  assert.is(transports.counters.deadPeers, 0)
})

KeepAlive('pings and their answers do not keep a stream that nothing else passes on', async () => {
  const transports = await start({ idleTimeoutMs: 200_000 })
  const { peer } = await connected(transports)
  await pinged(peer)
  await said(peer, '\r\n')
  for (let step = 0; step < 20; step++) bench.clock.advance(5_000)
  await eventually('the end', () => peer.ended)
  assert.is(transports.counters.deadPeers, 0)
  assert.is(transports.counters.idleCloses, 1)
})

KeepAlive('one that a peer opened is pinged only when it asked for that', async () => {
  const transports = await start()
  const peer = await bench.tcpPeer(transports.bindings[0]?.port ?? 0)
  peer.send(optionsText(1, via))
  const { flow } = await bench.arrived(1)
  for (let step = 0; step < 25; step++) bench.clock.advance(5_000)
  await said(peer, '')
  assert.is(peer.received, '')
  flow.keepAlive?.()
  await pinged(peer)
})

KeepAlive('without an interval nothing is sent', async () => {
  const transports = await start({ pingIntervalMs: 0 })
  const { peer } = await connected(transports)
  for (let step = 0; step < 100; step++) bench.clock.advance(5_000)
  await said(peer, '')
  assert.is(peer.received, '')
})

KeepAlive('a ping of the peer gets a single CRLF', async () => {
  const transports = await start()
  const { peer } = await connected(transports)
  await said(peer, PING)
  await eventually('the answer', () => peer.received === '\r\n')
})

KeepAlive(
  'so many requests in a row without an answer end a stream, and any message before that begins anew',
  async () => {
    const transports = await start({ pingIntervalMs: 0, maxConsecutiveTimeouts: 2 })
    const { flow, peer } = await connected(transports)
    flow.requestTimedOut?.()
    peer.send(
      'SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n',
    )
    await bench.arrived(1)
    flow.requestTimedOut?.()
    assert.ok(flow.open)
    flow.requestTimedOut?.()
    assert.not(flow.open)
    await eventually('the end', () => peer.ended)
    assert.is(transports.counters.deadPeers, 1)
  },
)

KeepAlive.run()
