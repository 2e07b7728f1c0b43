import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponse, serialise } from '../../../src/engine/message/message.js'
import { parseVia } from '../../../src/engine/message/via.js'
import type { Flow, TransportError } from '../../../src/engine/transport/transport.js'
import type { Transports, TransportsOptions } from '../../../src/engine/transport/transports.js'
import { eventually } from '../../support/eventually.js'
import { hasIpv6, optionsText, TransportBench } from '../../support/transport-bench.js'
import type { Arrival, TcpPeer } from '../../support/transport-bench.js'

const via = 'SIP/2.0/TCP 127.0.0.1:5090;branch=z9hG4bKx'

let bench: TransportBench

const Tcp = suite('Tcp')

Tcp.before.each(() => {
  bench = new TransportBench()
})

Tcp.after.each(() => bench.close())

async function start(options: Partial<TransportsOptions> = {}): Promise<{ transports: Transports; port: number }> {
  const transports = await bench.start('sip:127.0.0.1:0;transport=tcp', options)
  return { transports, port: transports.bindings[0]?.port ?? 0 }
}

/** Answers every request that arrives, at once. */
function answerAll(): void {
  bench.onArrival = ({ parsed, flow }) => {
    if (!parsed.ok && parsed.request !== undefined) flow.send(serialise(createResponse(parsed.request, parsed.status)))
    if (parsed.ok && parsed.message.kind === 'request') flow.send(serialise(createResponse(parsed.message, 200)))
  }
}

const cseqs = (): number[] => bench.arrivals.map(({ parsed }) => (parsed.ok ? parsed.message.cseq.number : -1))

const to = (port: number) => ({ protocol: 'tcp', address: '127.0.0.1', port }) as const

/** What `failed` is told of a message sent on a flow. */
function failureOf(flow: Flow | undefined, text = optionsText(1, via)): Promise<TransportError> {
  let returned = false
  return new Promise((resolve, reject) => {
    flow?.send(text, (error) =>
      returned ? resolve(error as TransportError) : reject(new Error('told before send returned')),
    )
    returned = true
  })
}

function requestOf({ parsed }: Arrival) {
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error('no request')
  return parsed.message
}

/** Listens on a port and accepts nothing, its backlog full: whoever connects waits. */
class DeafServer {
  private constructor(
    readonly port: number,
    private readonly thread: Worker,
    private readonly waiting: readonly Socket[],
  ) {}

  static async start(): Promise<DeafServer> {
    const code = `
      const { parentPort } = require('node:worker_threads')
      const server = require('node:net').createServer()
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        parentPort.postMessage(server.address().port)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      })`
    const thread = new Worker(code, { eval: true })
    const port = await new Promise<number>((resolve) => thread.once('message', resolve))
    const waiting = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
    await eventually('the backlog to be full', () => waiting.some((socket) => !socket.connecting))
    return new DeafServer(port, thread, waiting)
  }

  async stop(): Promise<void> {
    for (const socket of this.waiting) socket.destroy()
    await this.thread.terminate()
  }
}

// Framing

Tcp('finds a message wherever its bytes are cut', async () => {
  const { port } = await start()
  const text = optionsText(1, via, 'body')
  const peer = await bench.tcpPeer(port)
  let expected = 0
  for (let at = 1; at < text.length; at++) {
    peer.send(text.slice(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    peer.send(text.slice(at))
    await bench.arrived(++expected)
  }
  assert.is(bench.arrivals.length, text.length - 1)
  assert.ok(bench.arrivals.every(({ parsed }) => parsed.ok && parsed.message.body === 'body'))
})

Tcp('finds a message that comes byte by byte', async () => {
  const { port } = await start()
  const peer = await bench.tcpPeer(port)
  for (const byte of optionsText(1, via)) {
    peer.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await bench.arrived(1)
})

Tcp('finds ten messages in one segment, in order, with keep-alives between', async () => {
  const { port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.send(
    Array.from({ length: 10 }, (_, i) => optionsText(i + 1, via, 'x'.repeat(i)) + (i % 2 ? '\r\n\r\n' : '')).join(''),
  )
  await bench.arrived(10)
  assert.equal(cseqs(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

Tcp('answers a double CRLF with a CRLF, and a single one not at all (RFC 5626 4.4.1)', async () => {
  const { port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.send('\r\n\r\n')
  await eventually('the pong', () => peer.received === '\r\n')
  answerAll()
  peer.send(`\r\n${optionsText(1, via)}`)
  await eventually('the answer', () => peer.received.length > 2)
  assert.ok(peer.received.startsWith('\r\nSIP/2.0 200 OK\r\n'))
})

for (const value of ['4294967328', '9223372036854775808', '-1', '5, 13', '0x10', '+5', '']) {
  Tcp(`ends the connection after Content-Length: ${value}, and reads no second message from it`, async () => {
    const { transports, port } = await start()
    answerAll()
    const peer = await bench.tcpPeer(port)
    peer.send(optionsText(1, via).replace('Content-Length: 0', `Content-Length: ${value}`) + optionsText(2, via))
    await eventually('the end', () => peer.ended)
    peer.send(optionsText(3, via))
    assert.match(peer.received, /^SIP\/2\.0 4\d\d /)
    assert.is(peer.received.split('SIP/2.0 ').length, 2, 'one answer')
    assert.ok(bench.arrivals.every(({ parsed }) => !parsed.ok))
    peer.socket.destroy()
    await eventually('the connection to be gone', () => transports.connections === 0)
  })
}

Tcp('closes without a word on what is no SIP: HTTP, a TLS hello, noise', async () => {
  const { transports, port } = await start()
  for (const text of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00', '\0'.repeat(100)]) {
    const peer = await bench.tcpPeer(port)
    peer.send(text)
    await eventually('the end', () => peer.ended)
    assert.is(peer.received, '')
    peer.socket.end()
  }
  await eventually('the connections to be gone', () => transports.connections === 0)
  assert.is(bench.arrivals.length, 0)
})

// Ends

Tcp('forgets a connection whose peer resets it, with a request unanswered', async () => {
  const { transports, port } = await start()
  for (let i = 0; i < 50; i++) {
    const peer = await bench.tcpPeer(port)
    peer.send(optionsText(i + 1, via))
    await bench.arrived(i + 1)
    peer.socket.resetAndDestroy()
  }
  await eventually('the connections to be gone', () => transports.connections === 0)
  assert.is(bench.closedFlows.length, 50)
  assert.is(bench.clock.pending, 0, 'no timer outlives the last connection')
  assert.ok(bench.arrivals.every(({ flow }) => !flow.open))
})

Tcp('tells who sends on a closed connection that it is closed', async () => {
  const { transports, port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, via))
  const { flow } = await bench.arrived(1)
  peer.socket.resetAndDestroy()
  await eventually('the connection to be gone', () => transports.connections === 0)
  const error = await failureOf(flow)
  assert.is(error.code, 'CLOSED')
  assert.match(error.message, `tcp 127.0.0.1:${flow.remotePort}: `)
})

Tcp('closes at once when a peer that is owed nothing ends its side', async () => {
  const { transports, port } = await start()
  answerAll()
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, via))
  await eventually('the answer', () => peer.received !== '')
  peer.socket.end()
  await eventually('the end', () => peer.closed && transports.connections === 0)
})

Tcp('still answers a peer that ended its side after its request, and sends it nothing else', async () => {
  const { transports, port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.socket.end(optionsText(1, via), 'latin1')
  const arrival = await bench.arrived(1)
  const { flow } = arrival
  await eventually('the end to be seen', () => !flow.open)
  assert.is(transports.connections, 1)
  const request = requestOf(arrival)
  assert.is(transports.flowForResponse(request.topVia, flow), flow)
  flow.send(serialise(createResponse(request, 180)))
  flow.send(serialise(createResponse(request, 200)))
  await eventually('the end', () => peer.ended && transports.connections === 0)
  assert.match(peer.received, /^SIP\/2\.0 180 [^]*SIP\/2\.0 200 /)
})

Tcp('still answers what came before noise that ends the framing, reads nothing more, and closes then', async () => {
  const { port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.send(`${optionsText(1, via)}no SIP at all\r\n\r\n`)
  await eventually('the request', () => bench.arrivals.length > 0)
  peer.send(optionsText(2, via))
  const [arrival] = bench.arrivals
  assert.ok(arrival)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(peer.ended, false)
  arrival.flow.send(serialise(createResponse(requestOf(arrival), 200)))
  await eventually('the end', () => peer.ended)
  assert.match(peer.received, /^SIP\/2\.0 200 OK/)
  assert.is(cseqs().filter((cseq) => cseq > 0).length, 1)
})

Tcp('waits 64*T1 at most for the answers that are owed', async () => {
  const { transports, port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.socket.end(optionsText(1, via), 'latin1')
  const { flow } = await bench.arrived(1)
  await eventually('the end to be seen', () => !flow.open)
  bench.clock.advance(30_000)
  assert.is(transports.connections, 1)
  bench.clock.advance(10_000)
  await eventually('the connection to be gone', () => transports.connections === 0)
})

Tcp('opens a connection to the sent-by port when the one a request came on has gone (18.2.2)', async () => {
  const { transports, port } = await start()
  const home = await bench.tcpServer()
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, `SIP/2.0/TCP pbx.example.com:${home.port};branch=z9hG4bKx`))
  const arrival = await bench.arrived(1)
  peer.socket.resetAndDestroy()
  await eventually('the connection to be gone', () => transports.connections === 0)
  const request = requestOf(arrival)
  transports.flowForResponse(request.topVia, arrival.flow)?.send(serialise(createResponse(request, 200)))
  await eventually('the answer', () => home.peers[0]?.received.startsWith('SIP/2.0 200'))
})

// Our own connections

Tcp('keeps what is sent while it connects, in order, and uses one connection for all', async () => {
  const { transports } = await start()
  const server = await bench.tcpServer()
  for (let i = 1; i <= 5; i++) {
    const flow = transports.flowTo(to(server.port))
    assert.ok(flow?.open)
    flow?.send(optionsText(i, via))
  }
  await eventually('five messages', () => server.peers[0]?.received.split('OPTIONS sip:').length === 6)
  assert.is(server.peers.length, 1)
  assert.is(transports.connections, 1)
  const order = [...(server.peers[0]?.received ?? '').matchAll(/CSeq: (\d)/g)].map(([, number]) => Number(number))
  assert.equal(order, [1, 2, 3, 4, 5])
})

Tcp('sends a request on the connection that its peer opened, when it goes to that address and port', async () => {
  const { transports, port } = await start()
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, via))
  const { flow } = await bench.arrived(1)
  assert.is(transports.flowTo(to(peer.port)), flow)
})

Tcp('hands up what comes on a connection of ours like on any other', async () => {
  const { transports } = await start()
  const server = await bench.tcpServer()
  const flow = transports.flowTo(to(server.port))
  flow?.send(optionsText(1, via))
  const peer = await eventually('the connection', () => server.peers[0])
  peer.send(optionsText(7, via))
  const arrival = await bench.arrived(1)
  assert.is(arrival.flow, flow)
  assert.equal(cseqs(), [7])
})

Tcp('opens a new connection when the peer has closed the old one', async () => {
  const { transports } = await start()
  const server = await bench.tcpServer()
  transports.flowTo(to(server.port))?.send(optionsText(1, via))
  const first = await eventually('the connection', () => server.peers[0])
  first.socket.end()
  await eventually('the connection to be gone', () => transports.connections === 0)
  transports.flowTo(to(server.port))?.send(optionsText(2, via))
  await eventually('another connection', () => server.peers[1]?.received.includes('CSeq: 2 '))
})

Tcp('tells every sender when a connection is refused, and leaves nothing behind', async () => {
  const { transports } = await start()
  const server = await bench.tcpServer()
  const closedPort = server.port
  await server.close()
  const flow = transports.flowTo(to(closedPort))
  const errors = await Promise.all([failureOf(flow), failureOf(flow)])
  for (const error of errors) {
    assert.is(error.code, 'CONNECT_FAILED')
    assert.match(error.message, 'ECONNREFUSED')
  }
  assert.not(flow?.open)
  assert.is(transports.connections, 0)
  assert.is(bench.clock.pending, 0)
  assert.is(transports.counters.sendFailures, 2)
  assert.is(bench.closedFlows.length, 0, 'what never was up does not close')
})

Tcp('gives up connecting after its time', async () => {
  const { transports } = await start({ connectTimeoutMs: 4_000 })
  const deaf = await DeafServer.start()
  try {
    const flow = transports.flowTo(to(deaf.port))
    const failing = failureOf(flow)
    bench.clock.advance(3_999)
    assert.ok(flow?.open)
    bench.clock.advance(1)
    const error = await failing
    assert.is(error.code, 'CONNECT_TIMEOUT')
    assert.match(error.message, 'no connection within 4000 ms')
    assert.is(bench.clock.pending, 0)
  } finally {
    await deaf.stop()
  }
})

// Bounds

Tcp('closes a connection on which nothing has passed for the idle time', async () => {
  const { transports, port } = await start({ idleTimeoutMs: 60_000 })
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, via))
  await bench.arrived(1)
  bench.clock.advance(50_000)
  peer.send(optionsText(2, via))
  await bench.arrived(2)
  bench.clock.advance(55_000)
  assert.is(transports.connections, 1)
  bench.clock.advance(10_000)
  await eventually('the end', () => peer.ended)
  assert.is(transports.counters.idleCloses, 1)
  peer.socket.end()
  await eventually('the connection to be gone', () => transports.connections === 0)
  assert.is(bench.clock.pending, 0)
})

Tcp('takes a ping for a sign of life', async () => {
  const { transports, port } = await start({ idleTimeoutMs: 60_000 })
  const peer = await bench.tcpPeer(port)
  for (let i = 1; i <= 4; i++) {
    if (i > 1) bench.clock.advance(40_000)
    peer.send('\r\n\r\n')
    await eventually('the pong', () => peer.received === '\r\n'.repeat(i))
  }
  assert.is(transports.connections, 1)
})

Tcp('closes a peer that takes too long over one message, however busily it sends', async () => {
  const { transports, port } = await start({ readDeadlineMs: 10_000 })
  const peer = await bench.tcpPeer(port)
  peer.send(optionsText(1, via))
  await bench.arrived(1)
  peer.send('OPTIONS sip:edge@127.0.0.1 SIP/2.0\r\nX-Slow: ')
  for (let s = 0; s < 20 && !peer.ended; s++) {
    peer.send('x')
    await new Promise((resolve) => setImmediate(resolve))
    bench.clock.advance(1_000)
  }
  await eventually('the end', () => peer.ended)
  assert.is(transports.counters.readDeadlines, 1)
})

Tcp('closes a peer that connects and says nothing', async () => {
  const { transports, port } = await start({ readDeadlineMs: 10_000 })
  const peer = await bench.tcpPeer(port)
  await eventually('the connection', () => transports.connections === 1)
  bench.clock.advance(9_000)
  assert.not(peer.ended)
  bench.clock.advance(5_000)
  await eventually('the end', () => peer.ended)
})

Tcp('cuts off a peer that does not end after we did', async () => {
  const { transports, port } = await start({ readDeadlineMs: 10_000 })
  await bench.tcpPeer(port)
  await eventually('the connection', () => transports.connections === 1)
  bench.clock.advance(20_000)
  await eventually('the connection to be gone', () => transports.connections === 0)
})

Tcp('accepts a bounded number of connections from one address, and others still', async () => {
  const { transports, port } = await start({ maxConnectionsPerAddress: 3 })
  const peers: TcpPeer[] = []
  for (let i = 0; i < 5; i++) peers.push(await bench.tcpPeer(port))
  await eventually('two to be refused', () => transports.counters.refusedConnections === 2)
  await eventually('both to be closed', () => peers.filter((peer) => peer.closed || peer.ended).length === 2)
  assert.is(transports.connections, 3)
  peers.find((peer) => !peer.ended)?.socket.destroy()
  await eventually('room again', () => transports.connections === 2)
  const next = await bench.tcpPeer(port)
  next.send(optionsText(1, via))
  await bench.arrived(1)
})

Tcp('holds a bounded number of connections in all, its own too', async () => {
  const { transports, port } = await start({ maxConnections: 1 })
  await bench.tcpPeer(port)
  await eventually('the connection', () => transports.connections === 1)
  const refused = await bench.tcpPeer(port)
  await eventually('it to be refused', () => refused.ended || refused.closed)
  const server = await bench.tcpServer()
  const flow = transports.flowTo(to(server.port))
  assert.not(flow?.open)
  assert.is((await failureOf(flow)).code, 'TOO_MANY_CONNECTIONS')
})

Tcp('gives up a peer that does not read, and tells who sent what it never got', async () => {
  const { transports } = await start({ maxQueuedBytes: 200_000 })
  const server = await bench.tcpServer()
  const flow = transports.flowTo(to(server.port))
  flow?.send(optionsText(1, via))
  const peer = await eventually('the connection', () => server.peers[0])
  peer.socket.pause()
  const text = optionsText(2, via, 'x'.repeat(50_000))
  let failed = 0
  let sent = 0
  while (flow?.open && sent < 2_000) {
    flow.send(text, () => failed++)
    sent++
    if (sent % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(sent < 2_000)
  await eventually('the failures', () => failed > 0 && transports.connections === 0)
})

Tcp('bounds what waits for a connection that does not come up', async () => {
  const { transports } = await start({ maxQueuedBytes: 2_000 })
  const server = await bench.tcpServer()
  const flow = transports.flowTo(to(server.port))
  const small = optionsText(1, via)
  flow?.send(small)
  const error = await failureOf(flow, optionsText(2, via, 'x'.repeat(2_000)))
  assert.is(error.code, 'QUEUE_FULL')
  await eventually('the small one', () => server.peers[0]?.received === small)
})

Tcp('sends what waits before it stops', async () => {
  const { transports } = await start()
  const server = await bench.tcpServer()
  const flow = transports.flowTo(to(server.port))
  flow?.send(optionsText(1, via))
  await eventually('the connection', () => server.peers[0]?.received)
  const text = optionsText(2, via, 'x'.repeat(60_000))
  flow?.send(text)
  await transports.stop()
  await eventually('all of it', () => server.peers[0]?.received.endsWith(text) && server.peers[0].ended)
  assert.is(transports.connections, 0)
  assert.is(bench.clock.pending, 0)
})

const withIpv6 = hasIpv6 ? Tcp : Tcp.skip

withIpv6('has no way back when the source of a request is of a family it cannot reach', async () => {
  const { transports } = await start()
  const topVia = parseVia(via)
  if (topVia === undefined) throw new Error('no Via')
  const other = await bench.start('sip:[::1]:0;transport=tcp')
  const peer = await bench.tcpPeer(other.bindings[0]?.port ?? 0, '::1')
  peer.send(optionsText(1, via))
  const { flow } = await bench.arrived(1)
  peer.socket.resetAndDestroy()
  await eventually('the connection to be gone', () => other.connections === 0)
  assert.is(transports.flowForResponse(topVia, flow), undefined)
})

Tcp.run()
