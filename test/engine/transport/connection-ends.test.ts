import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponse, serialise } from '../../../src/engine/message/message.js'
import { eventually } from '../../support/eventually.js'
import { optionsText, TransportBench } from '../../support/transport-bench.js'

const via = 'SIP/2.0/TCP 127.0.0.1:5090;branch=z9hG4bKx'

let bench: TransportBench

const Ends = suite('Connections that end')

Ends.before.each(() => {
  bench = new TransportBench()
})

Ends.after.each(() => bench.close())

Ends('a stream is told once, when its peer ends its side, though it is still owed an answer', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=tcp')
  const peer = await bench.tcpPeer(transports.bindings[0]?.port ?? 0)
  peer.socket.end(optionsText(1, via), 'latin1')
  const { parsed, flow } = await bench.arrived(1)
  await eventually('the end to be told', () => bench.closedFlows.length === 1)
  assert.equal([flow.open, transports.connections], [false, 1])
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error('no request')
  flow.send(serialise(createResponse(parsed.message, 200)))
  await eventually('the connection to be gone', () => transports.connections === 0)
  assert.equal(bench.closedFlows, [flow])
})

Ends('an idle stream, and one whose peer does not read, are told', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=tcp', {
    idleTimeoutMs: 60_000,
    maxQueuedBytes: 200_000,
  })
  const server = await bench.tcpServer()
  const flow = transports.flowTo({ protocol: 'tcp', address: '127.0.0.1', port: server.port })
  flow?.send(optionsText(1, via))
  await eventually('the connection', () => server.peers[0]?.received)
  bench.clock.advance(70_000)
  await eventually('the idle one to be told', () => bench.closedFlows.length === 1)
  assert.is(bench.closedFlows[0], flow)

  const second = transports.flowTo({ protocol: 'tcp', address: '127.0.0.1', port: server.port })
  second?.send(optionsText(2, via))
  const peer = await eventually('another connection', () => server.peers[1])
  peer.socket.pause()
  while (second?.open) {
    second.send(optionsText(3, via, 'x'.repeat(150_000)))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually('it to be told', () => bench.closedFlows[1] === second)
})

Ends('whoever is told may open another stream at once, and a fault of theirs is reported', async () => {
  const errors: unknown[] = []
  const transports = await bench.start('sip:127.0.0.1:0;transport=tcp', { onError: (error) => errors.push(error) })
  const server = await bench.tcpServer()
  const target = { protocol: 'tcp', address: '127.0.0.1', port: server.port } as const
  bench.onClosed = () => {
    transports.flowTo(target)?.send(optionsText(2, via))
    throw new Error('a fault')
  }
  transports.flowTo(target)?.send(optionsText(1, via))
  const peer = await eventually('the connection', () => server.peers[0])
  peer.socket.resetAndDestroy()
  await eventually('another connection', () => server.peers[1]?.received.includes('CSeq: 2 '))
  assert.is(errors.length, 1)
})

Ends.run()
