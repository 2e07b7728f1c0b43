import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { defaultLimits } from '../../../src/engine/message/limits.js'
import { createResponse, serialise } from '../../../src/engine/message/message.js'
import type { SipRequest } from '../../../src/engine/message/message.js'
import { formatVia } from '../../../src/engine/message/via.js'
import { parseContact, parseContacts } from '../../../src/engine/transport/contact.js'
import { TransportError } from '../../../src/engine/transport/transport.js'
import type { Flow, MessageKind, Protocol, TransportObserver } from '../../../src/engine/transport/transport.js'
import { Transports } from '../../../src/engine/transport/transports.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'
import { hasIpv6, optionsText, TransportBench } from '../../support/transport-bench.js'
import type { Arrival } from '../../support/transport-bench.js'

let bench: TransportBench

async function startError(transports: Transports): Promise<TransportError> {
  const outcome = await transports.start().then(
    () => 'it started',
    (error: unknown) => error,
  )
  if (outcome instanceof TransportError) return outcome
  throw new Error(`no TransportError but ${String(outcome)}`)
}

function make(contacts: string, externalIp?: string): Transports {
  return new Transports({
    contacts: parseContacts(contacts),
    clock: new ManualClock(),
    limits: defaultLimits,
    sink: bench,
    ...(externalIp === undefined ? {} : { externalIp }),
  })
}

function requestOf({ parsed }: Arrival): SipRequest {
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error('no request')
  return parsed.message
}

const portOf = (transports: Transports, protocol: Protocol = 'udp'): number =>
  transports.bindings.find((binding) => binding.protocol === protocol)?.port ?? 0

const Suite = suite('Transports')

Suite.before.each(() => {
  bench = new TransportBench()
})

Suite.after.each(() => bench.close())

Suite('gives all transports of a contact on port 0 the same free port', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=udp,tcp')
  assert.is(transports.bindings.length, 2)
  assert.is(portOf(transports, 'udp'), portOf(transports, 'tcp'))
  assert.ok(portOf(transports) > 0)
})

for (const protocol of ['udp', 'tcp'] as const) {
  Suite(`started twice on the same ${protocol} port, says which address is in use`, async () => {
    const first = await bench.start(`sip:127.0.0.1:0;transport=${protocol}`)
    const contact = `sip:127.0.0.1:${portOf(first, protocol)};transport=${protocol}`
    const error = await startError(make(contact))
    assert.is(error.code, 'ADDRESS_IN_USE')
    assert.is(error.message, `${protocol} 127.0.0.1:${portOf(first, protocol)} is in use already (contact ${contact})`)
  })
}

Suite('each contact shows its own external address, and is meant by its own names', async () => {
  const contacts = [
    ...parseContact('sip:127.0.0.1:0;transport=udp', { externalIp: '192.0.2.1', dnsNames: ['PBX.example.com'] }),
    ...parseContact('sip:127.0.0.2:0;transport=udp', { dnsNames: ['other.example.com'] }),
  ]
  const transports = await bench.start(undefined, { contacts })
  const [first, second] = transports.bindings
  assert.equal([first?.advertisedHost, second?.advertisedHost], ['192.0.2.1', '127.0.0.2'])
  const own = (host: string, port?: number) => transports.isOwn(host, port)
  assert.ok(own('pbx.EXAMPLE.com') && own('pbx.example.com', first?.port) && own('192.0.2.1', first?.port))
  assert.not(own('pbx.example.com', second?.port))
  assert.not(own('192.0.2.1', second?.port) || own('www.example.com'))
})

Suite('listens on nothing when one contact cannot be listened on', async () => {
  const taken = await bench.start('sip:127.0.0.1:0;transport=tcp')
  const spare = await bench.start('sip:127.0.0.1:0;transport=udp')
  const free = portOf(spare)
  await spare.stop()
  const failing = make(`sip:127.0.0.1:${free};transport=udp,sip:127.0.0.1:${portOf(taken, 'tcp')};transport=tcp`)
  await startError(failing)
  assert.equal(failing.bindings, [])
  const again = await bench.start(`sip:127.0.0.1:${free};transport=udp`)
  assert.is(portOf(again), free)
})

Suite('refuses a TLS contact without a certificate, and an external address that is none', async () => {
  const error = await startError(make('sips:127.0.0.1:0'))
  assert.is(error.code, 'BAD_TLS')
  assert.is(error.message, 'contact sips:127.0.0.1:0 needs a certificate and its key')
  assert.throws(() => make('sip:127.0.0.1', 'edge.example.com'), /external-ip "edge.example.com" is no IP address/)
})

Suite('names an address of another machine when it cannot be listened on', async () => {
  const error = await startError(make('sip:192.0.2.1:5060;transport=udp'))
  assert.is(error.code, 'CANNOT_LISTEN')
  assert.match(error.message, 'udp 192.0.2.1:5060 cannot be listened on: ')
})

Suite('listens on each address of the machine for a contact with *', async () => {
  const transports = await bench.start('sip:0.0.0.0:0;transport=udp', { externalIp: '192.0.2.1' })
  const loopback = transports.bindings.find((binding) => binding.address === '127.0.0.1')
  assert.is(loopback?.advertisedHost, '127.0.0.1')
  assert.ok(transports.bindings.every((binding) => binding.family === 4 && binding.address !== '0.0.0.0'))
})

Suite('resolves a host name in a contact', async () => {
  const transports = await bench.start('sip:localhost:0;transport=udp')
  assert.ok(['127.0.0.1', '::1'].includes(transports.bindings[0]?.address ?? ''))
})

Suite('knows itself by address, external address, localhost and further names', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=udp', {
    externalIp: '192.0.2.1',
    names: ['Edge.Example.com'],
  })
  const port = portOf(transports)
  assert.ok(transports.isOwn('127.0.0.1', port))
  assert.ok(transports.isOwn('192.0.2.1', port))
  assert.ok(transports.isOwn('LOCALHOST', port))
  assert.ok(transports.isOwn('edge.example.com', port) && transports.isOwn('EDGE.example.com', undefined))
  assert.not(transports.isOwn('127.0.0.1', port + 1))
  assert.not(transports.isOwn('127.0.0.1', undefined), 'without a port 5060 is meant')
  assert.not(transports.isOwn('127.0.0.2', port) || transports.isOwn('pbx.example.com', port))
})

Suite('has a way only to what its contacts can reach and may be sent to', async () => {
  const transports = await bench.start('sip:127.0.0.1:0;transport=udp')
  assert.ok(transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: 5060 }))
  assert.is(transports.flowTo({ protocol: 'tcp', address: '127.0.0.1', port: 5060 }), undefined)
  assert.is(transports.flowTo({ protocol: 'udp', address: '::1', port: 5060 }), undefined)
  for (const address of ['255.255.255.255', '224.0.1.75', '0.0.0.0', 'pbx.example.com']) {
    assert.is(transports.flowTo({ protocol: 'udp', address, port: 5060 }), undefined, address)
  }
  for (const port of [0, -1, 65_536, 1.5, NaN]) {
    assert.is(transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port }), undefined)
  }
  assert.ok(transports.supports('udp', 4))
  assert.not(transports.supports('udp', 6) || transports.supports('tcp', 4))
})

Suite('sends from the binding it is told, or its sibling when a request moves to TCP (18.1.1)', async () => {
  const contacts = [
    ...parseContact('sip:127.0.0.1:0;transport=udp,tcp'),
    ...parseContact('sip:127.0.0.2:0;transport=udp,tcp'),
  ]
  const transports = await bench.start('sip:127.0.0.1:0', { contacts })
  const second = transports.bindings[2]
  assert.equal([second?.address, second?.protocol], ['127.0.0.2', 'udp'])
  const udp = transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: 9 }, second)
  assert.is(udp?.binding, second)
  const peer = await bench.tcpServer()
  const tcp = transports.flowTo({ protocol: 'tcp', address: '127.0.0.1', port: peer.port }, second)
  assert.is(tcp?.binding, transports.bindings[3])
  tcp?.send(optionsText())
  const arrived = await eventually('a connection', () => peer.peers[0])
  assert.is(arrived.socket.remoteAddress, '127.0.0.2')
})

Suite('has no way anywhere once it has stopped', async () => {
  const transports = await bench.start()
  const peer = await bench.udpPeer()
  const flow = transports.flowTo({ protocol: 'udp', address: '127.0.0.1', port: peer.port })
  await transports.stop()
  await transports.stop()
  assert.not(flow?.open)
  const error = await new Promise<Error>((resolve) => flow?.send(optionsText(), resolve))
  assert.is((error as TransportError).code, 'CLOSED')
  assert.is(transports.flowTo({ protocol: 'tcp', address: '127.0.0.1', port: peer.port }), undefined)
})

Suite('can be started again after it has stopped', async () => {
  const transports = await bench.start()
  await transports.stop()
  await transports.start()
  assert.is(transports.bindings.length, 2)
})

// What every transport does alike.
for (const protocol of ['udp', 'tcp'] as const) {
  for (const [family, address, host] of [
    [4, '127.0.0.1', '127.0.0.1'],
    [6, '::1', '[::1]'],
  ] as const) {
    const test = family === 4 || hasIpv6 ? Suite : Suite.skip
    const contact = `sip:${host}:0;transport=${protocol}`
    const sentBy = `SIP/2.0/${protocol.toUpperCase()} pbx.example.com:5090;branch=z9hG4bKx`

    const send = async (transports: Transports, text: string): Promise<{ port: number; answers: () => string }> => {
      const port = portOf(transports, protocol)
      if (protocol === 'udp') {
        const peer = await bench.udpPeer(address)
        peer.send(text, port)
        return { port: peer.port, answers: () => peer.received.join('') }
      }
      const peer = await bench.tcpPeer(port, address)
      peer.send(text)
      return { port: peer.port, answers: () => peer.received }
    }

    test(`${protocol} over IPv${family}: hands up a request with its source in the top Via, and answers it there`, async () => {
      const transports = await bench.start(contact)
      const peer = await send(transports, optionsText(1, sentBy))
      const arrival = await bench.arrived(1)
      const request = requestOf(arrival)
      assert.is(formatVia(request.topVia), `${sentBy};rport=${peer.port};received=${address}`)
      assert.is(arrival.bytes, optionsText(1, sentBy).length)
      const { flow } = arrival
      assert.equal([flow.remoteAddress, flow.remotePort, flow.protocol], [address, peer.port, protocol])
      assert.equal([flow.localAddress, flow.localPort, flow.open], [address, portOf(transports, protocol), true])
      assert.is(flow.reliable, protocol === 'tcp')
      assert.is(flow.binding, transports.bindings[0])

      const back = transports.flowForResponse(request.topVia, flow)
      assert.is(back, flow)
      back?.send(serialise(createResponse(request, 200)))
      await eventually('the answer', () => peer.answers().startsWith('SIP/2.0 200 OK\r\n'))
    })

    test(`${protocol} over IPv${family}: carries bytes as they are, whatever they are`, async () => {
      const transports = await bench.start(contact)
      const body = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
      const text = optionsText(1, sentBy, body)
      await send(transports, text)
      assert.is(requestOf(await bench.arrived(1)).body, body)
    })

    test(`${protocol} over IPv${family}: hands up what is wrong with a message, source noted, to be answered`, async () => {
      const transports = await bench.start(contact)
      const peer = await send(transports, optionsText(1, sentBy).replace('1 OPTIONS', '1 INVITE'))
      const { parsed, flow } = await bench.arrived(1)
      if (parsed.ok || parsed.request === undefined) throw new Error('no refusal')
      assert.is(parsed.status, 400)
      assert.is(parsed.request.topVia.params.get('received'), address)
      transports.flowForResponse(parsed.request.topVia, flow)?.send(serialise(createResponse(parsed.request, 400)))
      await eventually('the answer', () => peer.answers().startsWith('SIP/2.0 400'))
    })

    test(`${protocol} over IPv${family}: shows the observer each message with its kind and size`, async () => {
      const seen: [direction: string, kind: MessageKind | undefined, bytes: number, text: string][] = []
      const observer: TransportObserver = {
        message: (direction, text, _flow: Flow, bytes, kind) => seen.push([direction, kind, bytes, text()]),
      }
      const transports = await bench.start(contact, { observer })
      bench.onArrival = ({ parsed, flow }) => {
        if (parsed.ok && parsed.message.kind === 'request') flow.send(serialise(createResponse(parsed.message, 404)))
      }
      const text = optionsText(1, sentBy)
      await send(transports, text)
      await eventually('both messages', () => seen.length === 2)
      assert.equal(seen[0], ['in', { method: 'OPTIONS' }, text.length, text])
      assert.equal(seen[1]?.slice(0, 2), ['out', { status: 404, method: 'OPTIONS' }])
      assert.is(seen[1]?.[2], seen[1]?.[3].length)
      const later: string[] = []
      transports.observe({ message: (direction) => later.push(direction) })
      await send(transports, optionsText(2, sentBy))
      await eventually('both messages at the new observer', () => later.length === 2)
      assert.is(seen.length, 2)
    })
  }
}

Suite.run()
