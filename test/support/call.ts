import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { AGENT, CALLER, type TestEdge } from './edge.js'
import { eventually, wait } from './eventually.js'
import { freePort } from './free-port.js'
import type { TracedMessage } from './sip-trace.js'
import { Sipp, type Protocol, type SippResult } from './sipp.js'

export interface CallOptions {
  readonly edge: TestEdge
  /** Scenario of the caller, and of each address of the agent in the order they are tried. */
  readonly caller: string
  readonly agents: readonly string[]
  readonly legA: Protocol
  readonly legB: Protocol
  /** Milliseconds of the caller's and of the agent's pauses. */
  readonly holdMs?: number
  readonly noRepeats?: { readonly caller?: boolean; readonly agent?: boolean }
  /** Further fields of the agent and of the number. */
  readonly agent?: Record<string, unknown>
  readonly number?: Record<string, unknown>
  /** Agents that nobody calls are stopped when the caller has ended; names them by their place. */
  readonly uncalled?: readonly number[]
}

/** One call through the edge, as everybody saw it. */
export interface CallSeen {
  readonly number: string
  readonly agentId: string
  readonly legs: string
  readonly callerPort: number
  readonly caller: SippResult
  readonly agents: readonly SippResult[]
  /** Result of the agent's first, mostly only, address. */
  readonly agent: SippResult
  readonly cdr: Cdr
}

/** Every combination of transports on leg A and leg B. */
export const everyTransport: readonly (readonly [legA: Protocol, legB: Protocol])[] = [
  ['udp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'udp'],
  ['tcp', 'tcp'],
]

let numbers = 0

/** A number of its own for each call, so that its records are told from others'. */
export const freshNumber = (): string => `+1415555${String(1_000 + ++numbers)}`

/** Runs one call between SIPp processes through the edge. */
export async function runCall(options: CallOptions): Promise<CallSeen> {
  const { edge, legA, legB } = options
  const number = freshNumber()
  const agentId = `agent-${number.slice(1)}`
  const hold = options.holdMs === undefined ? {} : { holdMs: options.holdMs }
  const agents: Sipp[] = []
  for (const scenario of options.agents)
    agents.push(
      await Sipp.start({
        scenario,
        address: AGENT,
        protocol: legB,
        noRepeats: options.noRepeats?.agent ?? false,
        ...hold,
      }),
    )
  const transport = legB === 'tcp' ? ';transport=tcp' : ''
  const uris = agents.map(({ port }) => `sip:agent@${AGENT}:${port}${transport}`)
  // An address where nobody listens stands for an agent that is switched off.
  if (uris.length === 0) uris.push(`sip:agent@${AGENT}:${await freePort(AGENT)}${transport}`)
  await edge.addNumber(number, agentId, uris, {
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.number === undefined ? {} : { number: options.number }),
  })
  const callerSipp = await Sipp.start({
    scenario: options.caller,
    address: CALLER,
    protocol: legA,
    target: edge.sip,
    service: number,
    noRepeats: options.noRepeats?.caller ?? false,
    ...hold,
  })
  const caller = await callerSipp.finished
  const results = await Promise.all(
    agents.map((agent, i) => (options.uncalled?.includes(i) === true ? agent.stop() : agent.finished)),
  )
  const cdr = await onlyCdr(edge, number)
  const agent = results[0] ?? caller
  return {
    number,
    agentId,
    legs: `${legA} to ${legB}`,
    callerPort: callerSipp.port,
    caller,
    agents: results,
    agent,
    cdr,
  }
}

/** Runs the same call over every combination of transports, all at once, and hands each to `check`. */
export async function overEveryTransport(
  options: Omit<CallOptions, 'legA' | 'legB'>,
  check: (call: CallSeen) => void,
): Promise<void> {
  const calls = await Promise.all(everyTransport.map(([legA, legB]) => runCall({ ...options, legA, legB })))
  for (const call of calls) {
    assertPlayed(call, options.uncalled)
    assertHidden(call)
    assertRecorded(call)
    check(call)
  }
}

/** The one record of the calls to a number; waits for it, and then a moment for a second one that must not come. */
export async function onlyCdr(edge: TestEdge, number: string): Promise<Cdr> {
  await eventually(`record of the call to ${number}`, async () => (await edge.cdrs(number)).length > 0)
  await wait(150)
  const records = await edge.cdrs(number)
  assert.is(records.length, 1, `${number} has ${records.length} records`)
  return records[0] as Cdr
}

const describe = (result: SippResult): string =>
  `${result.errors}\n${result.trace.map((m) => `${m.sent ? '->' : '<-'} ${m.startLine} [${m.header('cseq') ?? ''}]`).join('\n')}`

/** Both ends saw what their scenarios say. */
export function assertPlayed(call: CallSeen, uncalled: readonly number[] = []): void {
  assert.is(call.caller.exitCode, 0, `caller, ${call.legs}: ${describe(call.caller)}`)
  call.agents.forEach((agent, i) => {
    if (uncalled.includes(i)) assert.is(agent.trace.length, 0, `agent ${i}, ${call.legs}: must not be called`)
    else assert.is(agent.exitCode, 0, `agent ${i}, ${call.legs}: ${describe(agent)}`)
  })
}

const received = (result: SippResult): TracedMessage[] => result.trace.filter(({ sent }) => !sent)

/** Neither end learns the other's address: no start line and no header names it, nor the other leg's Call-ID. */
export function assertHidden(call: CallSeen): void {
  const callerCallId = call.caller.trace.find(({ sent }) => sent)?.callId ?? ''
  for (const agent of call.agents)
    for (const message of received(agent)) {
      for (const secret of [CALLER, `:${call.callerPort}`, callerCallId])
        assert.not(message.head.includes(secret), `${call.legs}: "${secret}" reached the agent in\n${message.head}`)
      assert.is(message.all('via').length, message.status === 0 ? 1 : message.all('via').length)
      assert.is(message.header('record-route'), undefined, `${call.legs}: Record-Route reached the agent`)
    }
  const agentCallIds = call.agents.map((agent) => received(agent)[0]?.callId).filter((id) => id !== undefined)
  for (const message of received(call.caller))
    for (const secret of [AGENT, ...agentCallIds])
      assert.not(message.head.includes(secret), `${call.legs}: "${secret}" reached the caller in\n${message.head}`)
}

/** The record names the call, its legs, its trunk and its agent. */
export function assertRecorded({ cdr, ...call }: CallSeen): void {
  const legA = call.caller.trace.find(({ sent }) => sent)
  const legB = call.agents.flatMap(received).filter((m) => m.method === 'INVITE' && m.toTag === '')
  assert.is(cdr.direction, 'inbound')
  assert.is(cdr.phone_number, call.number)
  assert.is(cdr.agent_id, call.agentId)
  assert.type(cdr.trunk_id, 'string')
  assert.is(cdr.account_id, 'default')
  assert.is(cdr.source_address, CALLER)
  assert.is(cdr.from, '+13125550199')
  assert.is(cdr.to, call.number)
  assert.is(cdr.leg_a_call_id, legA?.callId ?? null)
  if (legB.length > 0) {
    assert.ok(
      legB.some(({ callId }) => callId === cdr.leg_b_call_id),
      `leg B is ${String(cdr.leg_b_call_id)}`,
    )
    for (const invite of legB) assert.is(invite.header('x-signalbox-call-id'), cdr.call_id)
  }
  const times = [cdr.started_at, cdr.ringing_at, cdr.answered_at, cdr.ended_at].filter((time) => time !== null)
  assert.equal(times, [...times].sort(), 'times rise')
}

/** Requests of a method a SIPp received, repeats left out. */
export function requestsTo(result: SippResult, method: string): TracedMessage[] {
  const seen = new Set<string>()
  return received(result).filter((message) => {
    if (message.status !== 0 || message.method !== method) return false
    const first = !seen.has(message.raw)
    seen.add(message.raw)
    return first
  })
}

/** Responses a SIPp received to a method, repeats included. */
export function responsesTo(result: SippResult, method: string): TracedMessage[] {
  return received(result).filter((message) => message.status !== 0 && message.method === method)
}

/** Messages a SIPp sent whose start line begins so. */
export function sentBy(result: SippResult, start: string): TracedMessage[] {
  return result.trace.filter((message) => message.sent && message.startLine.startsWith(start))
}
