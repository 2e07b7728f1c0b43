import type { FarEnd, Heard, Way } from './far-end.js'
import type { SipText } from './sip-text.js'

/** How a far end treats REGISTER. Everything may be changed while it runs. */
export interface RegistrarPlay {
  /** `accept`, silence, closing the connection, or this final status in place of 200. Judged after the credentials. */
  outcome: 'accept' | 'silent' | 'close' | number
  /** The same, before any credentials are looked at. */
  first: 'accept' | 'silent' | 'close' | number
  /** 423 for less than this. */
  minExpires: number
  /** Seconds granted at most. */
  maxExpires: number
  /** Contacts of others that stand in every 200, `<sip:desk@192.0.2.9>;expires=30`. */
  otherContacts: readonly string[]
  /** Header lines of every 200: Service-Route, Path and the like. */
  headers: readonly string[]
  /** Header lines of a refusal: Retry-After. */
  refusalHeaders: readonly string[]
  /** Milliseconds before each final answer. */
  delayMs: number
}

export const acceptAll: Readonly<RegistrarPlay> = {
  outcome: 'accept',
  first: 'accept',
  minExpires: 0,
  maxExpires: 3_600,
  otherContacts: [],
  headers: [],
  refusalHeaders: [],
  delayMs: 0,
}

/** One Contact that is registered, and the way it came. */
export interface FarBinding {
  readonly aor: string
  /** The Contact's URI, as it was sent. */
  readonly uri: string
  readonly callId: string
  readonly cseq: number
  /** Milliseconds of `performance.now()`. */
  readonly expiresAtMs: number
  readonly way: Way
}

/** One 200 that was given, for what the registrar saw over time. */
export interface Grant {
  readonly aor: string
  readonly atMs: number
  readonly uri: string
  /** Seconds; 0 took the Contact away. */
  readonly expires: number
  /** Contacts of the address-of-record after it. */
  readonly contacts: readonly string[]
}

const reasons: Record<number, string> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  423: 'Interval Too Brief',
  500: 'Server Internal Error',
  503: 'Service Unavailable',
}

export const reasonOf = (status: number): string => reasons[status] ?? 'As The Test Wants'

/** `sip:x` of `<sip:x>;expires=30` or `"A" <sip:x>`. */
export const uriOf = (value: string): string => /<([^>]*)>/.exec(value)?.[1] ?? value.split(';')[0]?.trim() ?? ''

/** The Contacts of a REGISTER, each with the seconds it asks for. */
function contactsOf(message: SipText, overall: number): { uri: string; expires: number }[] {
  return message
    .all('contact')
    .flatMap((line) => line.split(/,(?=\s*(?:"[^"]*"\s*)?<)/))
    .map((value) => ({ uri: uriOf(value), expires: Number(/;\s*expires=(\d+)/i.exec(value)?.[1] ?? overall) }))
}

/** The bindings of a registrar that keeps to RFC 3261 section 10.3. */
export class FarRegistrar {
  readonly play: RegistrarPlay = { ...acceptAll }
  readonly grants: Grant[] = []
  /** REGISTERs without a final answer, now and at most. */
  underWay = 0
  mostUnderWay = 0
  readonly #bindings = new Map<string, Map<string, FarBinding>>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(private readonly end: FarEnd) {}

  /** What is registered for an address-of-record (`sip:user@domain`), newest last; of all when none is given. */
  bindings(aor?: string): FarBinding[] {
    const now = performance.now()
    const all = aor === undefined ? [...this.#bindings.values()] : [this.#bindings.get(aor) ?? new Map()]
    return all.flatMap((contacts: Map<string, FarBinding>) => [...contacts.values()]).filter((b) => b.expiresAtMs > now)
  }

  /** Counts a REGISTER from its coming to its answer, and waits the time an answer takes. */
  take(treat: () => void): void {
    this.underWay++
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    const now = (): void => {
      this.underWay--
      treat()
    }
    if (this.play.delayMs === 0) return now()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      now()
    }, this.play.delayMs)
    this.#timers.add(timer)
  }

  /** Does what an outcome says unless it is to accept; true when that is all. */
  turnedAway(heard: Heard, outcome: RegistrarPlay['outcome']): boolean {
    if (outcome === 'accept') return false
    if (outcome === 'close') this.end.hangUp(heard.connection)
    else if (outcome !== 'silent')
      this.end.answer(heard, outcome, reasonOf(outcome), { headers: this.play.refusalHeaders })
    return true
  }

  /** Treats a REGISTER whose credentials are in order. */
  accept(heard: Heard): void {
    const { play, end } = this
    if (this.turnedAway(heard, play.outcome)) return
    const { message } = heard
    const contact = message.header('contact')
    const overall = Number(message.header('expires') ?? '3600')
    const wanted = contact === undefined || contact === '*' ? [] : contactsOf(message, overall)
    if (wanted.some(({ expires }) => expires !== 0 && expires < play.minExpires)) {
      end.answer(heard, 423, reasonOf(423), { headers: [`Min-Expires: ${play.minExpires}`] })
      return
    }
    const aor = uriOf(message.header('to') ?? '')
    const contacts = this.#bindings.get(aor) ?? new Map<string, FarBinding>()
    this.#bindings.set(aor, contacts)
    const now = performance.now()
    for (const [uri, binding] of contacts) if (binding.expiresAtMs <= now) contacts.delete(uri)
    if (contact === '*') contacts.clear()
    for (const { uri, expires } of wanted) this.#bind(heard, contacts, aor, uri, expires)
    end.answer(heard, 200, 'OK', {
      headers: [
        ...play.otherContacts.map((other) => `Contact: ${other}`),
        ...[...contacts.values()].map(
          ({ uri, expiresAtMs }) => `Contact: <${uri}>;expires=${Math.round((expiresAtMs - now) / 1_000)}`,
        ),
        ...play.headers,
      ],
    })
  }

  #bind(heard: Heard, contacts: Map<string, FarBinding>, aor: string, uri: string, asked: number): void {
    const { protocol, remote, connection, message } = heard
    const expires = Math.min(asked, this.play.maxExpires)
    contacts.delete(uri)
    if (expires > 0)
      contacts.set(uri, {
        aor,
        uri,
        callId: message.callId,
        cseq: Number.parseInt(message.header('cseq') ?? '0', 10),
        expiresAtMs: performance.now() + expires * 1_000,
        way: { protocol, remote, connection },
      })
    this.grants.push({ aor, atMs: performance.now(), uri, expires, contacts: [...contacts.keys()] })
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
