import type { Registration } from '../../src/model/registration.js'
import { Carrier } from './carrier.js'
import { AGENT, type TestEdge } from './edge.js'
import { eventually } from './eventually.js'
import type { FarCall } from './far-call.js'

/** What `GET /v1/registrations` says of a trunk; undefined when it is not listed. */
export async function registrationOf(edge: TestEdge, trunkId: string): Promise<Registration | undefined> {
  const { items } = await edge.must<{ items: Registration[] }>('GET', '/v1/registrations?limit=100')
  return items.find((registration) => registration.trunk_id === trunkId)
}

/** The registration of a trunk once it is in a state. */
export function registrationIn(
  edge: TestEdge,
  trunkId: string,
  states: readonly Registration['state'][],
  timeoutMs = 10_000,
): Promise<Registration> {
  let last: Registration | undefined
  return eventually(
    `the registration of ${trunkId} is ${states.join(' or ')}`,
    async () => {
      last = await registrationOf(edge, trunkId)
      return last !== undefined && states.includes(last.state) ? last : undefined
    },
    timeoutMs,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}; it is ${JSON.stringify(last)}`)
  })
}

/** An agent that is called at a far end of its own, and calls from that address. */
export async function agentOn(edge: TestEdge, id: string, fields: Record<string, unknown> = {}): Promise<Carrier> {
  const far = await Carrier.open({ address: AGENT })
  far.calls.recordRoute = null
  await edge.must('PUT', `/v1/agents/${id}`, {
    name: id,
    sip_uri: `sip:agent@${AGENT}:${far.port}`,
    allowed_addresses: [`${AGENT}/32`],
    ...fields,
  })
  return far
}

/** Places a call from an agent's far end and waits for its final answer, which is acknowledged. */
export async function callOut(
  agent: Carrier,
  edge: TestEdge,
  call: { readonly from: string; readonly to: string; readonly headers?: readonly string[]; readonly body?: string },
  timeoutMs = 5_000,
): Promise<FarCall> {
  const { from, to, headers = [], ...body } = call
  const placed = agent.place(
    `sip:${to}@${edge.sip.address}:${edge.sip.port}`,
    { protocol: 'udp', remote: edge.sip, connection: 0 },
    {
      from: `agent@${agent.address}`,
      to: `${to}@${edge.sip.address}`,
      headers: [`X-Signalbox-Number: ${from}`, ...headers],
      ...body,
    },
  )
  await placed.final('INVITE', timeoutMs)
  return placed
}

/** Waits for the call that reached a far end besides those in `before`. */
export function nextCall(far: Carrier, before: ReadonlySet<string>, timeoutMs = 5_000): Promise<FarCall> {
  return eventually('a call', () => [...far.dialogs.values()].find(({ callId }) => !before.has(callId)), timeoutMs)
}

/** Call-IDs of the calls a far end has had. */
export const callsOf = (far: Carrier): Set<string> => new Set(far.dialogs.keys())
