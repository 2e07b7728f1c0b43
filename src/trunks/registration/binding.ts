import { formatUri, parseUri } from '../../engine/index.js'
import { StoreError } from '../../store/errors.js'
import type { RegistrationRecord } from '../../store/registrations.js'
import type { Credentials } from '../digest/exchange.js'
import { sameTarget, type Target } from '../target.js'
import type { NotBound } from './attempt.js'
import { sameContact, type ReadSettings, type RegistrationSettings } from './settings.js'

/** A binding that a registrar has of us. */
export interface Binding {
  readonly settings: RegistrationSettings
  readonly credentials: Credentials | undefined
  /** The server that accepted it; undefined: not known, any of the trunk's will do. */
  readonly target: Target | undefined
  /** As the registrar shows it. */
  readonly contact: string
}

/** A binding of our own making. */
export interface OwnedBinding extends Binding {
  readonly target: Target
  readonly serviceRoute: readonly string[]
  /** Since when it stands on that server, and until when: on the clock of durations. */
  readonly sinceMs: number
  readonly endsMs: number
}

/** Where a binding stands, as the next owner is to know it. */
export interface BindingPlace {
  readonly contact: string
  readonly aor: string
}

/** Longer ones than this are not kept: the binding ends by itself. */
const MAX_CONTACT = 1_024

export function placeOfBinding({ contact, settings }: Binding): BindingPlace | undefined {
  return contact.length > MAX_CONTACT ? undefined : { contact, aor: settings.aor }
}

/** What a former owner left at a registrar. */
export function inheritedPlace({
  contact,
  aor,
}: Pick<RegistrationRecord, 'contact' | 'aor'>): BindingPlace | undefined {
  if (contact === null || aor === null) return undefined
  // What stands in Redis is not believed: it would end in a request.
  const uri = parseUri(contact)
  return uri === undefined || uri.scheme === 'tel' ? undefined : { contact: formatUri(uri), aor }
}

/** A binding to take away: with its own Contact, or that of a former owner; and whether to register again after it. */
export interface LeftBehind {
  readonly binding: Binding
  readonly contact?: string
  readonly again: boolean
}

/** What of before is to be taken away now that `binding` stands: at another registrar, of another AOR, or of a former owner. */
export function leftBehind(
  binding: OwnedBinding,
  former: OwnedBinding | undefined,
  inherited: BindingPlace | undefined,
): LeftBehind | undefined {
  const { aor, digest } = binding.settings
  if (former !== undefined && former.settings.digest !== digest) {
    const sameAor = former.settings.aor === aor
    if (sameAor && sameTarget(former.target, binding.target)) return undefined
    // Two ways may lead to one registrar: then what is taken away is the new binding.
    return { binding: former, again: sameAor }
  }
  if (inherited?.aor !== aor || sameContact(inherited.contact, binding.contact)) return undefined
  return { binding, contact: inherited.contact, again: false }
}

/** Whether both ask the same registrar for the same AOR: what it taught us of one is true of the other. */
export function sameRegistrar(a: ReadSettings, b: ReadSettings): boolean {
  if (!a.ok || !b.ok) return false
  const [one, other] = [a.settings, b.settings]
  return one.aor === other.aor && one.trunk.outbound_proxy === other.trunk.outbound_proxy
}

/** Whether both say the same REGISTER, or why there is none. */
export function sameSettings(a: ReadSettings, b: ReadSettings): boolean {
  if (a.ok && b.ok) return a.settings.digest === b.settings.digest
  return !a.ok && !b.ok && a.why === b.why
}

/** The trunk cannot be registered as it is. */
export const notUsable = (why: string): NotBound => ({
  kind: 'refused',
  result: 'not_usable',
  why,
  code: null,
  phrase: null,
  minExpiresS: null,
})

/** The credentials cannot be read: to be tried again soon, or after a pause when it is not for Redis to come back. */
export const unread = (error: unknown): NotBound => {
  const broken = error instanceof StoreError && error.code === 'INVALID'
  return {
    ...notUsable(error instanceof Error ? error.message : String(error)),
    ...(broken ? { kind: 'failed' } : { kind: 'held', result: 'held' }),
  }
}
