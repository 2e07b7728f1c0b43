import type { Agent } from '../model/agent.js'
import type { OutboundTrace } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import { printable } from '../model/printable.js'
import type { Directory } from '../store/directory.js'
import { matchNetworks } from '../trunks/identify.js'
import { Lookups } from './lookups.js'
import { lookUpPresented } from './presented.js'

/** What identification asks of the store. */
export type AgentTable = Pick<Directory, 'warmNumber' | 'numbers' | 'knownAgents'>

/** What says which agent calls. */
export interface AgentClaim {
  readonly sourceAddress: string
  /** The number to present, as written; '' for none. */
  readonly presented: string
  /** The address is a trunk's too: then only a number of ours, which the trunk would hardly show, speaks for an agent. */
  readonly fromTrunk?: boolean
  /** Nothing but what this account has is looked at: for its questions about calls. */
  readonly accountId?: string | undefined
}

type Tried = OutboundTrace['agents_tried']

/** Which agent calls, or what is needed to tell. */
export type Identified =
  /** Its address says so. */
  | { readonly by: 'address'; readonly agent: Agent; readonly tried: Tried }
  /** It has to show the credentials of one of these, or of whoever has the user name that is shown. */
  | { readonly by: 'digest'; readonly agents: readonly Agent[]; readonly tried: Tried }
  /** No agent's address, and a number that no agent with credentials presents. */
  | { readonly by: 'nobody'; readonly tried: Tried; readonly nearestMiss: string }

const MAX_TRIED = 16
/** Agents whose passwords one request is held against. */
export const MAX_HELD_AGAINST = 4

/** Says which agent a call comes from: by its source address or, where that tells nothing, by who may present its number. */
export class AgentIdentifier {
  constructor(private readonly directory: AgentTable) {}

  /** Never rejects, and never waits longer than Redis's command deadline allows. */
  async identify({ sourceAddress, presented, fromTrunk = false, accountId }: AgentClaim): Promise<Identified> {
    const { numbers: all, trouble, value } = await lookUpPresented(presented, new Lookups(this.directory))
    const numbers = within(accountId, all)
    const atAddress = within(accountId, this.directory.knownAgents.atAddress(sourceAddress))
    const lists = (agent: Agent): boolean =>
      numbers.some((number) => number.account_id === agent.account_id && number.outbound_agent_ids.includes(agent.id))
    const tried: Tried = atAddress.slice(0, MAX_TRIED).map((agent) => ({
      agent_id: agent.id,
      ...matchNetworks(agent.allowed_addresses, sourceAddress),
    }))
    const listed = atAddress.find(lists)
    if (listed !== undefined) return { by: 'address', agent: listed, tried: marking(tried, listed) }

    const ids = new Set(numbers.flatMap((number) => number.outbound_agent_ids))
    const others = [...ids].flatMap((id) => this.directory.knownAgents.get(id) ?? []).filter(lists)
    const agents = others.filter(({ auth }) => auth !== null)
    if (agents.length > 0) return { by: 'digest', agents, tried }
    // The number lists none of them: which is what the call is then refused for.
    const refused = whoIsRefused(atAddress, numbers)
    if (refused !== undefined && !(fromTrunk && numbers.length === 0)) return { by: 'address', agent: refused, tried }

    for (const agent of others.slice(0, MAX_TRIED))
      tried.push({ agent_id: agent.id, ...matchNetworks(agent.allowed_addresses, sourceAddress) })
    const source = printable(sourceAddress, 64)
    const number = numbers[0]?.phone_number
    const nearestMiss =
      number !== undefined
        ? `${number} lists ${describe(others)}; the call came from ${source}, without credentials`
        : (trouble?.why ??
          `${source} is ${atAddress.length > 0 ? "a trunk's address too" : "no agent's address"}, and ${value === null ? 'no number is presented' : `there is no number ${value}`}`)
    return { by: 'nobody', tried, nearestMiss }
  }

  /** Who may be behind a digest user name: those of the agents that a number lists, else anyone of that name. */
  behind(username: string, listed: readonly Agent[]): readonly Agent[] {
    const named = listed.filter(({ auth }) => auth?.username === username)
    return (named.length > 0 ? named : this.directory.knownAgents.ofUser(username)).slice(0, MAX_HELD_AGAINST)
  }
}

/** Those of them that are of the account; all of them when none is named. */
function within<T extends { readonly account_id: string }>(
  accountId: string | undefined,
  records: readonly T[],
): readonly T[] {
  return accountId === undefined ? records : records.filter(({ account_id }) => account_id === accountId)
}

/** Of the agents at an address, the one whose call it is that none of them may place; undefined when that may be of several accounts. */
function whoIsRefused(atAddress: readonly Agent[], numbers: readonly PhoneNumber[]): Agent | undefined {
  const [first] = atAddress
  const ofNumber = atAddress.find((agent) => numbers.some(({ account_id }) => account_id === agent.account_id))
  return ofNumber ?? (atAddress.every(({ account_id }) => account_id === first?.account_id) ? first : undefined)
}

/** Of several agents at one address, the one that the number lists is it. */
const marking = (tried: Tried, agent: Agent): Tried =>
  tried.map((one) =>
    one.agent_id === agent.id || !one.matched
      ? one
      : { ...one, matched: false, why: `${one.why}, but the number is for ${agent.id} to present` },
  )

function describe(agents: readonly Agent[]): string {
  if (agents.length === 0) return 'no agent'
  return agents
    .slice(0, 4)
    .map(({ id }) => id)
    .join(', ')
}
