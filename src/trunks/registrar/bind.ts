import { parseUri, sameUri } from '../../engine/index.js'
import type { Binding, TrunkBindings } from '../../model/binding.js'
import type { Asked, AskedContact } from './register-request.js'

export interface ExpirySettings {
  readonly minExpiresS: number
  readonly defaultExpiresS: number
  readonly maxExpiresS: number
  /** Contacts of one trunk at the same time. */
  readonly maxContacts: number
}

/** Where a REGISTER came from, and who took it. */
export type BoundFrom = Pick<Binding, 'transport' | 'address' | 'port' | 'edge_id' | 'edge_life'>

/** Why a REGISTER changes nothing. */
export type BindFault =
  | { readonly status: 423; readonly why: string; readonly minExpiresS: number }
  | { readonly status: 403 | 500; readonly why: string }

/** What a REGISTER makes of the contacts of a trunk. */
export interface Bound {
  readonly bindings: readonly Binding[]
  readonly created: readonly Binding[]
  readonly removed: readonly Binding[]
  /** Those that had ended before. */
  readonly expired: readonly Binding[]
}

/** Below this a longer expiry may not be asked for (RFC 3261 10.3 step 7). */
const HOUR_S = 3_600

/** Why a REGISTER asks for too little, whatever is bound; undefined when it does not. */
export function tooBrief({ contacts }: Asked, { minExpiresS }: ExpirySettings): BindFault | undefined {
  if (contacts === 'all') return undefined
  const brief = contacts.some(
    ({ expiresS }) => expiresS !== undefined && expiresS > 0 && expiresS < HOUR_S && expiresS < minExpiresS,
  )
  return brief ? { status: 423, why: 'Interval Too Brief', minExpiresS } : undefined
}

/** The contacts that have not ended, and those that have. */
export function apart(
  bindings: readonly Binding[],
  nowMs: number,
): { readonly live: readonly Binding[]; readonly expired: readonly Binding[] } {
  const live = bindings.filter(({ expires_at }) => Date.parse(expires_at) > nowMs)
  const expired = live.length === bindings.length ? [] : bindings.filter((binding) => !live.includes(binding))
  return { live, expired }
}

/**
 * What becomes of a trunk's contacts by a REGISTER: all that it asks, or nothing (RFC 3261 10.3 steps 6 and 7). A contact is known again by
 * its instance and flow (RFC 5626 6), else by its URI (RFC 3261 19.1.4).
 */
export function bind(
  current: Pick<TrunkBindings, 'bindings'> | undefined,
  asked: Asked,
  from: BoundFrom,
  settings: ExpirySettings,
  nowMs: number,
): Bound | BindFault {
  const brief = tooBrief(asked, settings)
  if (brief !== undefined) return brief
  const { live, expired } = apart(current?.bindings ?? [], nowMs)
  const outOfOrder: BindFault = { status: 500, why: 'CSeq out of order' }
  const isLate = ({ call_id, cseq }: Binding): boolean => call_id === asked.callId && cseq >= asked.cseq
  if (asked.contacts === 'all') {
    if (live.some(isLate)) return outOfOrder
    return { bindings: [], created: [], removed: live, expired }
  }
  const bindings = [...live]
  const created: Binding[] = []
  const removed: Binding[] = []
  /** What this request has written: a contact that it names twice is one. */
  const written = new Set<Binding>()
  for (const contact of asked.contacts) {
    const same = bindings.filter((binding) => isSame(binding, contact))
    if (same.some((binding) => !written.has(binding) && isLate(binding))) return outOfOrder
    const [first] = same
    for (const binding of same) bindings.splice(bindings.indexOf(binding), 1)
    const expiresS = contact.expiresS ?? settings.defaultExpiresS
    if (expiresS === 0) {
      removed.push(...same.filter((binding) => !written.has(binding)))
      continue
    }
    const binding = bindingOf(contact, asked, from, Math.min(expiresS, settings.maxExpiresS), first, nowMs)
    written.add(binding)
    bindings.push(binding)
    if (first === undefined) created.push(binding)
  }
  if (bindings.length > settings.maxContacts)
    return { status: 403, why: `Too many contacts: ${settings.maxContacts} at most` }
  return { bindings, created: created.filter((binding) => bindings.includes(binding)), removed, expired }
}

function isSame(binding: Binding, { instance, regId, parsed }: AskedContact): boolean {
  if (instance !== null && regId !== null && binding.reg_id !== null)
    return binding.instance === instance && binding.reg_id === regId
  const uri = parseUri(binding.contact)
  return uri !== undefined && uri.scheme !== 'tel' && sameUri(uri, parsed)
}

function bindingOf(
  contact: AskedContact,
  asked: Asked,
  from: BoundFrom,
  expiresS: number,
  former: Binding | undefined,
  nowMs: number,
): Binding {
  return {
    contact: contact.uri,
    ...from,
    natted: asked.natted,
    q: contact.q,
    expires_at: new Date(nowMs + expiresS * 1000).toISOString(),
    since: former?.since ?? new Date(nowMs).toISOString(),
    user_agent: asked.userAgent,
    call_id: asked.callId,
    cseq: asked.cseq,
    instance: contact.instance,
    reg_id: contact.regId,
    path: [...asked.path],
  }
}

/** One value of the Contact header of a 200. */
export function contactValue({ contact, expires_at, q, instance, reg_id }: Binding, nowMs: number): string {
  const expiresS = Math.max(0, Math.ceil((Date.parse(expires_at) - nowMs) / 1000))
  const flow = instance === null ? '' : `;+sip.instance="${instance}"${reg_id === null ? '' : `;reg-id=${reg_id}`}`
  return `<${contact}>;expires=${expiresS}${q === 1 ? '' : `;q=${q}`}${flow}`
}
