import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { FarCall, sdp } from '../support/far-call.js'
import { FarEnd, type FarProtocol } from '../support/far-end.js'

const Originated = suite('A call placed over the API')

const NUMBER = '+14155550100'
const DESTINATION = '+13125550199'
/** T1 of this edge: an agent's offer is answered after 40 of it. */
const T1_MS = 50

/** A far end that takes calls: the agent, or the trunk with the destination behind it. */
class Party {
  readonly calls: FarCall[] = []
  #met = 0
  /** What it does with a call when it comes; nothing by itself. */
  onCall: (call: FarCall) => void = () => {}

  private constructor(readonly end: FarEnd) {
    end.onRequest = (heard) => {
      const { message } = heard
      const known = this.calls.find(({ callId }) => callId === message.callId)
      if (known !== undefined && message.method !== 'INVITE') return known.request(heard)
      if (known !== undefined && message.toTag !== '') return known.request(heard)
      if (message.method !== 'INVITE') return end.answer(heard, 481, 'No Such Call')
      const { address, port } = end.local
      const contact = `<sip:far@${address}:${port};transport=${heard.protocol}>`
      const call = FarCall.answering(end, heard, { contact })
      this.calls.push(call)
      this.onCall(call)
    }
    end.onResponse = (heard) => this.calls.find(({ callId }) => callId === heard.message.callId)?.response(heard)
  }

  static async open(address: string): Promise<Party> {
    return new Party(await FarEnd.open({ address }))
  }

  get port(): number {
    return this.end.local.port
  }

  /** The next call that comes, or has come. */
  async call(): Promise<FarCall> {
    const at = this.#met
    this.#met += 1
    return eventually(`a call at ${this.end.local.address}`, () => this.calls[at])
  }

  forget(): void {
    for (const call of this.calls.splice(0)) call.forget()
    this.#met = 0
    this.onCall = () => {}
  }

  async close(): Promise<void> {
    this.forget()
    await this.end.close()
  }
}

let edge: TestEdge
let agent: Party
let trunk: Party

Originated.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: String(T1_MS) } })
  agent = await Party.open('127.0.0.21')
  trunk = await Party.open('127.0.0.22')
  await over('udp')
  await edge.must('POST', '/v1/numbers', {
    phone_number: NUMBER,
    sip_domain: 'carrier.example.com',
    outbound_proxy: `sip:127.0.0.22:${trunk.port};transport=udp`,
    outbound_agent_ids: ['front'],
  })
})

Originated.after.each(() => {
  agent.forget()
  trunk.forget()
})

Originated.after(async () => {
  await edge.stop()
  await agent.close()
  await trunk.close()
})

/** Has the agent called over that transport. */
function over(protocol: FarProtocol): Promise<unknown> {
  return edge.must('PUT', '/v1/agents/front', { sip_uri: `sip:agent@127.0.0.21:${agent.port};transport=${protocol}` })
}

async function place(more: object = {}): Promise<string> {
  const body = { agent_id: 'front', from: NUMBER, to: DESTINATION, ...more }
  const placed = await edge.must<{ call_id: string; state: string }>('POST', '/v1/calls', body)
  assert.is(placed.state, 'trying')
  return placed.call_id
}

const show = async (id: string): Promise<Cdr & { state: string }> =>
  (await edge.api<Cdr & { state: string }>('GET', `/v1/calls/${id}`)).body

/** The record of a call, when it has ended. */
const recordOf = (id: string): Promise<Cdr> =>
  eventually(`record of ${id}`, async () => {
    const call = await show(id)
    return call.state === 'ended' && call
  })

const agentOffer = (): string => sdp('127.0.0.21', ['a=x-agent:1'])
const destinationAnswer = (): string => sdp('127.0.0.22', ['a=x-destination:1'])

/** A call whose agent has answered; both ends of it. */
async function dialled(more: object = {}): Promise<{ id: string; a: FarCall; b: FarCall }> {
  const id = await place(more)
  const a = await agent.call()
  a.provisional(180)
  a.accept(agentOffer())
  return { id, a, b: await trunk.call() }
}

/** A call that both ends have answered. */
async function connected(): Promise<{ id: string; a: FarCall; b: FarCall }> {
  const { id, a, b } = await dialled()
  b.provisional(180)
  b.accept(destinationAnswer())
  await a.heard('ACK')
  await b.heard('ACK')
  return { id, a, b }
}

const ackOf = async (call: FarCall): Promise<string> => (await call.heard('ACK')).message.body

for (const protocol of ['udp', 'tcp'] as const)
  Originated(`joins agent and destination, each given the other’s SDP untouched, over ${protocol}`, async () => {
    await over(protocol)
    const { id, a, b } = await dialled({ headers: { 'X-Lead': '17' } })
    assert.is(a.invite.body, '')
    assert.is(a.invite.header('x-signalbox-destination'), DESTINATION)
    assert.is(a.invite.header('x-signalbox-number'), NUMBER)
    assert.is(a.invite.header('x-signalbox-call-id'), id)
    assert.is(a.invite.header('x-lead'), '17')
    assert.is(b.invite.requestUri, `sip:${DESTINATION}@carrier.example.com`)
    assert.is(b.invite.body, agentOffer())
    assert.is((await show(id)).state, 'trying')
    b.provisional(180)
    await eventually('it rings', async () => (await show(id)).state === 'ringing')
    b.accept(destinationAnswer())
    assert.is(await ackOf(a), destinationAnswer())
    await b.heard('ACK')
    assert.is((await show(id)).state, 'answered')
    // A re-INVITE passes like in any other call.
    a.send('INVITE', sdp('127.0.0.21', ['a=sendonly']))
    const hold = await b.heard('INVITE')
    assert.match(hold.message.body, 'a=sendonly')
    await a.final('INVITE')
    a.send('BYE')
    await b.heard('BYE')
    const cdr = await recordOf(id)
    assert.equal([cdr.result, cdr.ended_by, cdr.direction], ['answered', 'leg_a', 'outbound'])
    assert.equal([cdr.leg_a_status, cdr.leg_b_status], [200, 200])
    assert.equal([cdr.leg_a_call_id, cdr.leg_b_call_id], [a.callId, b.callId])
    assert.is(cdr.trunk_id !== null && cdr.agent_id, 'front')
    await over('udp')
  })

Originated('lets the agent hear early media, and tells it by re-INVITE when the answer is another', async () => {
  const { id, a, b } = await dialled()
  b.provisional(183)
  assert.match(await ackOf(a), 'a=x-early:1')
  assert.is((await show(id)).state, 'ringing')
  b.accept(destinationAnswer())
  const again = await a.heard('INVITE')
  assert.is(again.message.body, destinationAnswer())
  await eventually(
    'it is acknowledged',
    () => a.received.filter(({ message }) => message.method === 'ACK').length === 2,
  )
  b.send('BYE')
  await a.heard('BYE')
  assert.is((await recordOf(id)).ended_by, 'leg_b')
})

Originated('gives the agent an answer on which nothing flows when the destination takes long', async () => {
  const { id, a, b } = await dialled()
  b.provisional(180)
  const interim = await ackOf(a)
  assert.match(interim, 'a=inactive')
  await wait(64 * T1_MS)
  assert.is((await show(id)).state, 'ringing')
  b.accept(destinationAnswer())
  const again = await a.heard('INVITE')
  assert.is(again.message.body, destinationAnswer())
  // The agent answers the re-INVITE without what its offer had: from the same place, so the destination need not know.
  await wait(200)
  assert.is(b.received.filter(({ message }) => message.method === 'INVITE').length, 0)
  a.send('BYE')
  await b.heard('BYE')
  assert.is((await recordOf(id)).result, 'answered')
})

Originated('calls an agent that wants an offer again, and asks for its own then', async () => {
  agent.onCall = (call) => {
    if (call.invite.body === '') call.refuse(488, 'Not Acceptable Here')
    else call.accept(sdp('127.0.0.21', ['a=inactive']))
  }
  const id = await place()
  const b = await trunk.call()
  assert.is(agent.calls.length, 2)
  assert.is(b.invite.body, sdp('127.0.0.21'))
  b.accept(destinationAnswer())
  await b.heard('ACK')
  const a = agent.calls[1]!
  const acks = await eventually('both ACKs', () => {
    const found = a.received.filter(({ message }) => message.method === 'ACK')
    return found.length === 2 && found
  })
  assert.is(acks[1]?.message.body, destinationAnswer())
  b.send('BYE')
  await a.heard('BYE')
  const cdr = await recordOf(id)
  assert.is(cdr.result, 'answered')
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [488, 200, 200],
  )
})

Originated('ends the agent’s leg when the destination is busy, and says why', async () => {
  const { id, a, b } = await dialled()
  b.refuse(486, 'Busy Here')
  const bye = await a.heard('BYE')
  assert.is(bye.message.header('reason'), 'SIP;cause=486;text="DESTINATION_BUSY"')
  assert.ok(a.acknowledged)
  const cdr = await recordOf(id)
  assert.equal([cdr.result, cdr.ended_by], ['destination_busy', 'leg_b'])
  assert.equal([cdr.leg_a_status, cdr.leg_b_status], [200, 486])
})

Originated('never calls the destination when the agent is busy or does not answer', async () => {
  agent.onCall = (call) => call.refuse(486, 'Busy Here')
  const busy = await recordOf(await place())
  assert.equal([busy.result, busy.leg_a_status, busy.leg_b_status], ['agent_busy', 486, null])
  agent.onCall = (call) => call.provisional(180)
  const silent = await recordOf(await place({ ring_timeout_s: 1 }))
  assert.equal([silent.result, silent.leg_a_status, silent.leg_b_status], ['agent_no_answer', 487, null])
  assert.is(trunk.calls.length, 0)
})

Originated('ends with whoever hangs up, in every phase', async () => {
  // The agent, before its offer has an answer: it should not, some do.
  const before = await dialled()
  before.b.provisional(180)
  before.a.send('BYE')
  await before.b.heard('CANCEL')
  assert.is((await before.a.final('BYE')).message.status, 200)
  const record = await recordOf(before.id)
  assert.equal([record.result, record.ended_by, record.leg_b_status], ['caller_cancelled', 'leg_a', 487])

  // The agent, while it hears early media.
  const early = await dialled()
  early.b.provisional(183)
  await early.a.heard('ACK')
  early.a.send('BYE')
  await early.b.heard('CANCEL')
  assert.is((await recordOf(early.id)).result, 'caller_cancelled')

  for (const side of ['a', 'b'] as const) {
    const call = await connected()
    call[side].send('BYE')
    await call[side === 'a' ? 'b' : 'a'].heard('BYE')
    const cdr = await recordOf(call.id)
    assert.equal([cdr.result, cdr.ended_by], ['answered', `leg_${side}`])
  }
})

Originated('is ended by DELETE in every phase', async () => {
  const end = async (id: string, result: string): Promise<void> => {
    assert.is((await edge.api('DELETE', `/v1/calls/${id}`)).status, 204)
    const cdr = await recordOf(id)
    assert.equal([cdr.result, cdr.ended_by], [result, 'edge'])
  }
  const ringing = await place()
  const a = await agent.call()
  a.provisional(180)
  await wait(50)
  await end(ringing, 'operator_hung_up')
  await a.heard('CANCEL')

  const dialling = await dialled()
  dialling.b.provisional(180)
  await wait(50)
  await end(dialling.id, 'operator_hung_up')
  await dialling.b.heard('CANCEL')
  await dialling.a.heard('BYE')

  const early = await dialled()
  early.b.provisional(183)
  await early.a.heard('ACK')
  await end(early.id, 'operator_hung_up')
  await early.b.heard('CANCEL')
  await early.a.heard('BYE')

  const call = await connected()
  await end(call.id, 'answered')
  await call.a.heard('BYE')
  await call.b.heard('BYE')
  assert.is((await edge.api('DELETE', `/v1/calls/${call.id}`)).status, 404)
})

Originated('that may not be placed is refused before anybody is called', async () => {
  const refused = async (more: object): Promise<unknown[]> => {
    const { status, body } = await edge.api('POST', '/v1/calls', {
      agent_id: 'front',
      from: NUMBER,
      to: DESTINATION,
      ...more,
    })
    return [status, body.code]
  }
  await edge.must('PUT', '/v1/agents/other', { sip_uri: 'sip:other@127.0.0.21:9' })
  assert.equal(await refused({ agent_id: 'nobody' }), [400, 'AGENT_UNKNOWN'])
  assert.equal(await refused({ agent_id: 'other' }), [403, 'CALLER_ID_NOT_ALLOWED'])
  assert.equal(await refused({ to: '12' }), [403, 'DESTINATION_NOT_ALLOWED'])
  assert.equal(await refused({ to: '+1' }), [400, 'DESTINATION_IMPOSSIBLE'])
  assert.is(agent.calls.length, 0)
})

Originated('answers the challenges of its trunk, on the INVITE and on our BYE, over TCP', async () => {
  const carrier = await Carrier.open({
    address: '127.0.0.23',
    auth: { realm: 'carrier', users: { 'digest-user': 'hush' }, nonces: 'once' },
  })
  carrier.calls.challengeInDialog = ['BYE']
  try {
    await edge.must('POST', '/v1/numbers', {
      phone_number: '+14155550101',
      sip_domain: 'carrier.example.com',
      username: 'account',
      password: 'hush',
      auth_username: 'digest-user',
      outbound_proxy: `sip:127.0.0.23:${carrier.port};transport=tcp`,
      outbound_agent_ids: ['front'],
    })
    const id = await place({ from: '+14155550101' })
    const a = await agent.call()
    a.accept(agentOffer())
    const ack = await a.heard('ACK')
    assert.is(ack.message.body, sdp('127.0.0.23'))
    assert.is(carrier.requests('INVITE').length, 2)
    assert.is(carrier.withCredentials('INVITE')[0]?.message.body, agentOffer())
    a.send('BYE')
    const cdr = await recordOf(id)
    assert.equal([cdr.result, cdr.leg_b_status], ['answered', 200])
    await eventually('the BYE with credentials', () => carrier.withCredentials('BYE').length === 1)
    assert.equal(carrier.complaints, [])
    assert.not.match(JSON.stringify(cdr), 'hush')
  } finally {
    await carrier.close()
  }
})

Originated('is told of on the event stream, in order', async () => {
  const stop = new AbortController()
  const response = await fetch(`${edge.url}/v1/events?types=call.started,call.ringing,call.answered,call.ended`, {
    headers: { authorization: `Bearer ${edge.token}` },
    signal: stop.signal,
  })
  let text = ''
  const reading = (async () => {
    for await (const piece of response.body!) text += Buffer.from(piece as Uint8Array).toString()
  })().catch(() => undefined)
  await wait(100)
  const { id, a } = await connected()
  a.send('BYE')
  await recordOf(id)
  await eventually('the end of the call', () => text.includes('call.ended'))
  assert.equal(
    [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type),
    ['call.started', 'call.ringing', 'call.answered', 'call.ended'],
  )
  assert.is([...text.matchAll(new RegExp(id, 'g'))].length, 4)
  stop.abort()
  await reading
  // One that has seen the first of them goes on from there.
  const [, first = ''] = /^id: (.*)$/m.exec(text) ?? []
  const again = new AbortController()
  const resumed = await fetch(`${edge.url}/v1/events`, {
    headers: { authorization: `Bearer ${edge.token}`, 'last-event-id': first },
    signal: again.signal,
  })
  let rest = ''
  for await (const piece of resumed.body!) {
    rest += Buffer.from(piece as Uint8Array).toString()
    if (rest.includes('call.ended')) break
  }
  again.abort()
  assert.equal(
    [...rest.matchAll(/^event: (.*)$/gm)].map(([, type]) => type),
    ['call.ringing', 'call.answered', 'call.ended'],
  )
})

Originated('leaves nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
})

Originated.run()
