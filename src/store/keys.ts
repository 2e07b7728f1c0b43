import { isScopedId } from '../model/account.js'
import { e164, extension } from '../model/number.js'
import { identifier } from '../model/text.js'
import { StoreError } from './errors.js'

const PREFIX = 'signalbox:'

/** The prefixes under which the records stand that routing reads. */
export const recordPrefixes = [`${PREFIX}did:`, `${PREFIX}agent:`, `${PREFIX}trunk:`] as const

/** Whether the text can be a number's key: E.164 or a PBX extension. */
export function isPhoneNumber(text: string): boolean {
  return text.length <= 32 && (e164.safeParse(text).success || extension.safeParse(text).success)
}

export function isIdentifier(text: string): boolean {
  return text.length <= 64 && identifier.safeParse(text).success
}

function checkedNumber(text: string): string {
  if (isPhoneNumber(text)) return text
  throw new StoreError('INVALID', 'phone_number: must be E.164 or an extension')
}

/** An id of ours, or the id inside of an agent or a trunk of another account than `default`. */
function checkedId(text: string): string {
  if (isScopedId(text)) return text
  throw new StoreError('INVALID', 'id: must be 1 to 64 letters, digits, "_", "." or "-"')
}

/** Whether the text names one life of an edge: `<edge_id>#<incarnation>`. */
export function isEdge(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}#[a-z0-9]{8,16}$/.test(text)
}

function checkedEdge(text: string): string {
  if (isEdge(text)) return text
  throw new StoreError('INVALID', 'edge: must be <edge_id>#<incarnation>')
}

/**
 * Every key we use. Parts that come from outside are checked here, so that no braces, line breaks or colons get into a key.
 * Agents and trunks of another account than `default` have `<account_id>/<id>` for their id (`scopedId`), whose slash no id can have.
 * The keys that one script touches stand in one slot of a Redis Cluster: a single key, or those with one tag in braces.
 */
export const keys = {
  /** Hash: the number's fields. */
  number: (phoneNumber: string) => `${PREFIX}did:${checkedNumber(phoneNumber)}`,
  /** JSON. */
  agent: (id: string) => `${PREFIX}agent:${checkedId(id)}`,
  /** JSON. */
  trunk: (id: string) => `${PREFIX}trunk:${checkedId(id)}`,
  /** Sealed text: the trunk's password. */
  trunkSecret: (id: string) => `${PREFIX}trunk:${checkedId(id)}:secret`,
  /** Sealed text: the password of the trunk's `inbound_auth`. */
  trunkInboundSecret: (id: string) => `${PREFIX}trunk:${checkedId(id)}:inbound-secret`,
  /** Sealed text: the password of the agent's `auth`. */
  agentSecret: (id: string) => `${PREFIX}agent:${checkedId(id)}:secret`,

  /** Hash: a token of the API, with the digest of its secret. */
  apiToken: (id: string) => `${PREFIX}api-token:${checkedId(id)}`,
  /** Sorted set of `<account_id>:<id>`; `*` for tokens of all accounts. */
  apiTokenIndex: `${PREFIX}index:api-tokens`,
  /** Stream: `entry` is a change as JSON. */
  audit: `${PREFIX}audit`,

  /** Sorted sets, all scores 0, of `<account_id>:<id>`: what there is, in the order of lists. */
  numberIndex: `${PREFIX}index:numbers`,
  agentIndex: `${PREFIX}index:agents`,
  trunkIndex: `${PREFIX}index:trunks`,
  /** Sorted set of the numbers that name the agent. */
  numbersOfAgent: (id: string) => `${PREFIX}index:agent:${checkedId(id)}`,
  /** Sorted set of the numbers on the trunk. */
  numbersOfTrunk: (id: string) => `${PREFIX}index:trunk:${checkedId(id)}`,
  /** The id of the trunk whose fields have this digest. */
  trunkOfFields: (digest: string) => `${PREFIX}index:trunk-fields:${checkedId(digest)}`,
  /** Counts the changes of agents and trunks, for nodes that Redis cannot tell of them. */
  changes: `${PREFIX}index:changes`,
  /** Held by the node that goes through all keys to complete the indexes. */
  sweep: `${PREFIX}index:sweep`,
  /** Held by the node that seals all secrets anew. */
  secretRotation: `${PREFIX}index:secret-rotation`,

  /** Stream: `event` is the event as JSON. */
  events: `${PREFIX}events`,
  /** Sorted set of the calls that have a channel of the trunk; scores: the ends of their leases in ms. */
  trunkChannels: (id: string) => `{${PREFIX}limit:${checkedId(id)}}:channels`,
  /** List of the times, in microseconds, of the trunk's latest outbound calls; the newest first. */
  trunkCallStarts: (id: string) => `{${PREFIX}limit:${checkedId(id)}}:starts`,
  /** Hash: milliseconds that the trunk's calls of a day have had or have reserved, `<day>`, and those placed on it, `<day>:outbound`. */
  trunkMinutes: (id: string) => `{${PREFIX}limit:${checkedId(id)}}:minutes`,
  /** The same of an agent's calls. */
  agentChannels: (id: string) => `{${PREFIX}agent-limit:${checkedId(id)}}:channels`,
  agentCallStarts: (id: string) => `{${PREFIX}agent-limit:${checkedId(id)}}:starts`,
  agentMinutes: (id: string) => `{${PREFIX}agent-limit:${checkedId(id)}}:minutes`,
  /** Hash: who registers the trunk, under which fence, with which Call-ID and CSeq, and the registration as JSON. */
  registration: (trunkId: string) => `${PREFIX}registration:${checkedId(trunkId)}`,
  /** Sorted set of `<account_id>:<trunk_id>`: the trunks that have a registration. */
  registrationIndex: `${PREFIX}index:registrations`,
  /** Hash: what was asked for by hand, a trunk each. */
  registrationRequests: `${PREFIX}registration-requests`,
  /** JSON: the contacts that the trunk has registered with us; ends with the last of them. */
  bindings: (trunkId: string) => `${PREFIX}bindings:${checkedId(trunkId)}`,
  /** Sorted set of trunks, by the number of the latest change of their contacts; and the number of the latest change of all. */
  bindingChanges: `{${PREFIX}index:bindings}:changes`,
  bindingChangeCount: `{${PREFIX}index:bindings}:count`,
  /** There while the edge lives: `<edge_id>#<incarnation>`. */
  edge: (edge: string) => `${PREFIX}edge:${checkedEdge(edge)}`,
  /** Sorted set of edges; what has no sign of life is taken out after a while. */
  edgeIndex: `${PREFIX}index:edges`,

  /** Stream: `cdr` is the record as JSON. */
  cdrs: `${PREFIX}cdrs`,
  /** Which stream entry a call's record is: says that it was written. */
  cdrWritten: (callId: string) => `{${PREFIX}cdrs}:written:${checkedId(callId)}`,
  /** JSON. */
  cdr: (callId: string) => `${PREFIX}cdr:${checkedId(callId)}`,
  /** Sorted set, all scores 0, of `<end in ms, 15 digits>:<call_id>`. */
  cdrsOfNumber: (phoneNumber: string) => `${PREFIX}cdrs-of:${checkedNumber(phoneNumber)}`,
}

export type RecordKind = 'number' | 'agent' | 'trunk'

const kinds: readonly (readonly [string, RecordKind])[] = [
  [recordPrefixes[0], 'number'],
  [recordPrefixes[1], 'agent'],
  [recordPrefixes[2], 'trunk'],
]

/** Characters that the key of a record has at most. */
export const MAX_RECORD_KEY = 160

/** Which record a key holds; undefined when it is none of ours. */
export function parseKey(key: string): { kind: RecordKind; id: string } | undefined {
  if (key.length > MAX_RECORD_KEY) return undefined
  for (const [prefix, kind] of kinds) {
    if (!key.startsWith(prefix)) continue
    const id = key.slice(prefix.length)
    return (kind === 'number' ? isPhoneNumber(id) : isScopedId(id)) ? { kind, id } : undefined
  }
  return undefined
}

const secretEndings = [
  ['trunk', ':secret', 'trunk'],
  ['trunk', ':inbound-secret', 'trunkInbound'],
  ['agent', ':secret', 'agent'],
] as const

/** What a SCAN for secrets looks for; more than them may match. */
export const secretPattern = `${PREFIX}*secret`

/** Whose secret a key holds; undefined when it holds none. */
export function parseSecretKey(
  key: string,
): { kind: (typeof secretEndings)[number][2]; record: 'trunk' | 'agent'; id: string } | undefined {
  if (key.length > MAX_RECORD_KEY + 16) return undefined
  for (const [record, ending, kind] of secretEndings) {
    const prefix = `${PREFIX}${record}:`
    if (!key.startsWith(prefix) || !key.endsWith(ending)) continue
    const id = key.slice(prefix.length, -ending.length)
    if (isScopedId(id)) return { kind, record, id }
  }
  return undefined
}
