import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../../support/eventually.js'
import { optionsText, TransportBench } from '../../support/transport-bench.js'

const SlowPeers = suite('Peers that take their time')

let bench: TransportBench
let sockets: Socket[]

SlowPeers.before.each(() => {
  bench = new TransportBench()
  sockets = []
})

SlowPeers.after.each(async () => {
  for (const socket of sockets) socket.destroy()
  await bench.close()
})

/** Connects from an address; resolves when it is up, though it may be closed at once. */
function connectFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  sockets.push(socket)
  socket.on('error', () => undefined)
  return new Promise((resolve) => socket.once('connect', () => resolve(socket)))
}

SlowPeers(
  '[A13] 500 connections with a byte every 5 s are closed by the read deadline, and new peers are served meanwhile',
  async () => {
    const transports = await bench.start('sip:127.0.0.1:0;transport=tcp')
    const { port } = transports.bindings[0]!
    const slow = await Promise.all(Array.from({ length: 500 }, (_, n) => connectFrom(`127.0.7.${1 + (n % 5)}`, port)))
    await eventually('500 connections', () => transports.connections === 500)
    const text = optionsText(1, 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx')
    for (let byte = 0; byte < 2; byte++) {
      for (const socket of slow) socket.write(text[byte]!)
      const peer = await bench.tcpPeer(port)
      peer.send(text)
      await bench.arrived(byte + 1)
      bench.clock.advance(4_900)
      assert.is(transports.counters.readDeadlines, 0)
    }
    // The two that were served stay; no byte has won any of the others more time.
    bench.clock.advance(2_700)
    await eventually('the slow ones to be gone', () => transports.connections === 2)
    assert.is(transports.counters.readDeadlines, 500)
    await eventually('them to notice', () => slow.every(({ closed }) => closed))
  },
)

SlowPeers('[A13] an address has its share of connections, a smaller one when nobody is known to be there', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=tcp', {
    maxConnectionsPerAddress: 20,
    maxConnectionsPerStranger: 5,
    isKnown: (address) => address === '127.0.7.1',
  })
  const { port } = transports.bindings[0]!
  for (const [address, share] of [
    ['127.0.7.1', 20],
    ['127.0.7.2', 5],
    ['127.0.7.3', 5],
  ] as const) {
    const before = transports.counters.refusedConnections
    const all = await Promise.all(Array.from({ length: 25 }, () => connectFrom(address, port)))
    await eventually('those too many to be closed', () => all.filter(({ closed }) => closed).length === 25 - share)
    assert.is(transports.counters.refusedConnections - before, 25 - share)
    all.find(({ closed }) => !closed)?.destroy()
    await eventually('a place to be free', () => transports.connections % 5 === 4)
    await connectFrom(address, port)
    await eventually('it to be taken', () => transports.connections % 5 === 0)
  }
  assert.is(transports.connections, 30)
})

SlowPeers.run()
