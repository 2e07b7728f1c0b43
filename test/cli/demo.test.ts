import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chooseDestination } from '../../src/cli/demo-stations.js'
import { FakeServices, refusedDecision, sampleCdr } from '../support/api-fakes.js'
import { startCliEdge } from '../support/cli-run.js'
import { startStation, type SrfDialog, type SrfMessage, type SrfReply, type Station } from '../support/srf-app.js'

const Destination = suite('Destination')

Destination('is the first URI on loopback or on an address of this machine', () => {
  const own = new Set(['192.0.2.7', '2001:db8::7'])
  const choose = (...uris: string[]) => chooseDestination(uris, own)
  assert.equal(choose('sip:127.0.0.1:5060;transport=udp', 'sip:127.0.0.1:5060;transport=tcp'), {
    hostPort: '127.0.0.1:5060',
    transport: 'udp',
    localAddress: '127.0.0.1',
  })
  assert.is(choose('sip:198.51.100.1:5060;transport=udp', 'sip:192.0.2.7:5070;transport=tcp').localAddress, '192.0.2.7')
  assert.is(choose('sip:[2001:db8::7]:5070').hostPort, '[2001:db8::7]:5070')
  assert.is(choose('sips:127.0.0.1', 'sip:127.0.0.1;transport=tls', 'sip:127.0.0.1').transport, 'udp')
  assert.throws(() => choose('sip:198.51.100.1:5060'), /none of which is on this machine/)
  assert.throws(() => choose(), /no address/)
})

/** An edge small enough for this test: the real API over fakes, and a B2BUA that asks them. */
async function startSmallEdge(answer?: (req: SrfMessage, res: SrfReply) => void) {
  const services = new FakeServices()
  const station: Station = await startStation()
  Object.assign(services, {
    origination: () => ({
      origination_uris: [station.uri('x').replace('x@', '')],
      signalling_addresses: ['127.0.0.1'],
      transports: ['udp'],
    }),
    router: {
      decide: async (request: { requestUri: string; sourceAddress: string }) => {
        const number = services.numberRecords.get(numberIn(request.requestUri))
        const agent_id = number?.inbound_agent_id ?? null
        const base = refusedDecision(request.sourceAddress)
        return { decision: agent_id === null ? base : { ...base, outcome: 'agent' as const, code: null, agent_id } }
      },
    },
  })
  station.app.invite(answer ?? ((req, res) => void connectCall(station, services, req, res)))
  const edge = await startCliEdge(services)
  const stop = async (): Promise<void> => {
    await edge.close()
    await station.stop()
  }
  return { edge, services, station, stop }
}

const numberIn = (uri: string): string => /^sip:([^@]*)@/.exec(uri)?.[1] ?? ''

async function connectCall(station: Station, services: FakeServices, req: SrfMessage, res: SrfReply): Promise<void> {
  const phone_number = numberIn(req.uri)
  const number = services.numberRecords.get(phone_number)
  const agent = services.agentRecords.get(number?.inbound_agent_id ?? '')
  const headers = { 'X-Signalbox-Call-Id': 'call-1' }
  const { uas, uac } = await station.app.createB2BUA(req, res, agent?.sip_uri ?? '', { localSdpB: req.body, headers })
  const ended = (one: SrfDialog, other: SrfDialog): void =>
    one.on('destroy', () => {
      void other.destroy()
      services.cdrRecords.set('call-1', sampleCdr('call-1', { phone_number, ended_at: new Date().toISOString() }))
    })
  ended(uas, uac)
  ended(uac, uas)
}

const leftIn = (services: FakeServices): number =>
  services.agentRecords.size + services.numberRecords.size + services.trunkRecords.size

const Demo = suite('Demo')

Demo('places a call, draws both legs, shows the record and leaves nothing behind', async () => {
  const { edge, services, stop } = await startSmallEdge()
  try {
    const { exitCode, out, err } = await edge.run(['demo'])
    assert.is(exitCode, 0, err)
    const steps = [
      /\|-- INVITE \+ SDP -+>\| +\|$/m,
      /\| +\|-- INVITE \+ SDP -+>\|$/m,
      /\| +\|<- 180 Ringing -+\|$/m,
      /\| +\|<- 200 OK \+ SDP -+\|$/m,
      /\|<- 200 OK \+ SDP -+\| +\|$/m,
      /\|-- ACK -+>\| +\|$/m,
      /\|-- BYE -+>\| +\|$/m,
      /\| +\|<- 200 OK \(BYE\) -+\|$/m,
    ]
    for (const step of steps) assert.match(out, step)
    assert.match(out, /^Call completed: \+13125550199 to \+141555501\d\d, answered by agent demo-/m)
    assert.match(out, /call id +call-1/)
    assert.match(out, /ENDED +CALL +FROM/)
    assert.is(err, '')
    assert.is(leftIn(services), 0)
  } finally {
    await stop()
  }
})

Demo('--json prints the events in order, the call and its record', async () => {
  const { edge, stop } = await startSmallEdge()
  try {
    const { exitCode, out } = await edge.run(['demo', '--json'])
    assert.is(exitCode, 0)
    const result = JSON.parse(out) as {
      outcome: string
      cdr: { call_id: string }
      events: { at_ms: number; from: string; to: string; message: string }[]
    }
    assert.is(result.outcome, 'completed')
    assert.is(result.cdr.call_id, 'call-1')
    assert.equal(result.events[0], {
      at_ms: 0,
      from: 'caller',
      to: 'edge',
      message: 'INVITE',
      sdp: true,
      repeated: false,
    })
    assert.ok(result.events.every(({ at_ms }, at) => at === 0 || at_ms >= (result.events[at - 1]?.at_ms ?? 0)))
  } finally {
    await stop()
  }
})

Demo('a refused call ends with exit code 1, the reason, what to check, and nothing left behind', async () => {
  const { edge, services, stop } = await startSmallEdge((_req, res) => res.send(403))
  services.ready = false
  try {
    const { exitCode, out, err } = await edge.run(['demo'])
    assert.is(exitCode, 1)
    assert.match(out, /\|<- 403 Forbidden -+\|/)
    assert.match(err, 'check: redis: does not answer')
    assert.match(err, /signalbox: the edge answered 403 Forbidden$/)
    assert.is(leftIn(services), 0)
  } finally {
    await stop()
  }
})

Demo('an edge that does not route the number is told so, with its reason', async () => {
  const { edge, services, stop } = await startSmallEdge()
  const nearest_miss = 'the cache is stale'
  const decision = refusedDecision('127.0.0.1')
  Object.assign(services.router, {
    decide: async () => ({ decision: { ...decision, trace: { ...decision.trace, nearest_miss } } }),
  })
  try {
    const { exitCode, err } = await edge.run(['demo', '--json'])
    assert.is(exitCode, 1)
    assert.match(err, /does not route the sample number within 3 s: the cache is stale/)
    assert.is(leftIn(services), 0)
  } finally {
    await stop()
  }
})

Demo('stopped while it rings, it takes the call back and cleans up', async () => {
  const stopping = new AbortController()
  let cancelled = false
  const { edge, services, stop } = await startSmallEdge((req, res) => {
    req.on('cancel', () => (cancelled = true))
    res.send(180)
    stopping.abort()
  })
  try {
    const { exitCode, err } = await edge.run(['demo'], { stop: stopping.signal })
    assert.is(exitCode, 1)
    assert.match(err, 'stopped')
    assert.ok(cancelled, 'CANCEL was sent')
    assert.is(leftIn(services), 0)
  } finally {
    await stop()
  }
})

Demo('stopped while they talk, it hangs up and cleans up', async () => {
  const stopping = new AbortController()
  let hungUp = false
  const { edge, services, station, stop } = await startSmallEdge((req, res) => {
    void station.app.createUAS(req, res, { localSdp: 'v=0\r\n' }).then((dialog) => {
      dialog.on('destroy', () => (hungUp = true))
      dialog.on('ack', () => setTimeout(() => stopping.abort(), 50))
    })
  })
  try {
    const { exitCode } = await edge.run(['demo'], { stop: stopping.signal })
    assert.is(exitCode, 1)
    assert.ok(hungUp, 'BYE was sent')
    assert.is(leftIn(services), 0)
  } finally {
    await stop()
  }
})

Demo('what cannot be removed is named', async () => {
  const { edge, services, stop } = await startSmallEdge()
  Object.assign(services.agents, {
    remove: async () => {
      throw new Error('no')
    },
  })
  try {
    const { exitCode, err } = await edge.run(['demo'])
    assert.is(exitCode, 0)
    assert.match(err, /signalbox: agent demo-[0-9a-f]+ is left: /)
  } finally {
    await stop()
  }
})

Destination.run()
Demo.run()
