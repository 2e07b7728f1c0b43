import { formatNameAddr, type NameAddr, parseNameAddrList, parseUri } from '../engine/index.js'
import { escapeUser } from './crossing.js'
import { MAX_ADDRESS_BYTES } from './guard.js'
import { fromBytes, tidy, toBytes } from './header-value.js'
import { type Caller, MAX_CALLER, numberOf } from './headers.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** Entries of one header that are read. */
const MAX_ENTRIES = 5
/** Where a trunk says who calls, the surest first: RFC 3325, then the draft that carriers still send. */
const IDENTITIES = ['P-Asserted-Identity', 'Remote-Party-ID'] as const
/** Of a diversion, what tells why and how often (RFC 5806). */
const DIVERSION_PARAMS = ['reason', 'counter', 'limit', 'privacy', 'screen', 'extension']
const NONE: ReadonlyMap<string, string> = new Map()

/** What a trusted trunk asserts of a call. */
export interface Asserted {
  /** Who calls. */
  readonly caller: Caller
  /** What the agent is told of it, without the trunk's addresses. */
  readonly headers: HeaderMap
}

/**
 * The caller that a trunk asserts, and who diverted the call, for a trunk that is believed (`trust_identity`). Of a caller that hides
 * (RFC 3323) nothing is told.
 * @param caller who it is by From and Privacy
 */
export function readAsserted(message: SipMessage, caller: Caller): Asserted {
  if (caller.number === 'anonymous') return { caller, headers: {} }
  const [identity] = IDENTITIES.flatMap((name) => entriesOf(message.header(name)))
  const headers: HeaderMap = {}
  if (identity !== undefined) headers['P-Asserted-Identity'] = shown(identity, NONE)
  const diversions = entriesOf(message.header('diversion')).map((entry) => shown(entry, kept(entry.params)))
  if (diversions.length > 0) headers['Diversion'] = diversions.join(', ')
  if (identity === undefined) return { caller, headers }
  const name = tidy(fromBytes(identity.displayName ?? ''), MAX_CALLER)
  return { caller: { number: numberIn(identity), name: name === '' ? caller.name : name }, headers }
}

/** The entries of a header value that have somebody in them; none when it cannot be read. */
function entriesOf(value: string | undefined): NameAddr[] {
  if (value === undefined) return []
  const bytes = toBytes(value)
  const entries = bytes.length > MAX_ADDRESS_BYTES ? undefined : parseNameAddrList(bytes)
  return (entries ?? []).slice(0, MAX_ENTRIES).filter((entry) => numberIn(entry) !== '')
}

const numberIn = ({ uri }: NameAddr): string => numberOf(fromBytes(uri))

/** One entry as the agent sees it: the host is the trunk's, and nobody is to call there. */
function shown(entry: NameAddr, params: ReadonlyMap<string, string>): string {
  const number = numberIn(entry)
  const isTel = parseUri(entry.uri)?.scheme === 'tel' && number.startsWith('+')
  const uri = isTel ? `tel:${number}` : `sip:${escapeUser(number)}@anonymous.invalid`
  const name = tidy(fromBytes(entry.displayName ?? ''), MAX_CALLER)
  return fromBytes(formatNameAddr({ ...(name === '' ? {} : { displayName: toBytes(name) }), uri, params }))
}

const kept = (params: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...params].filter(([name, value]) => DIVERSION_PARAMS.includes(name.toLowerCase()) && TOKEN.test(value)))

/** A parameter's value that needs no reading: a token, perhaps in quotes. */
const TOKEN = /^"?[A-Za-z0-9._-]{1,64}"?$/
