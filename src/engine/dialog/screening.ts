import { parseNameAddr } from '../message/name-addr.js'
import type { SipRequest } from '../message/message.js'
import { parseUri } from '../message/uri.js'
import type { Flow } from '../transport/transport.js'

/** A set of IP literals that somebody else keeps, and may change at any time. IPv6 in its shortest form, in lower case. */
export interface AddressSet {
  has(address: string): boolean
}

/** What becomes of a spammer's request: `reject` answers 603, `discard` nothing at all. */
export type SpamAction = 'reject' | 'discard'

/** By what spammers are known. */
export interface Spammers {
  /**
   * Header names, and texts that a spammer's header of that name contains (case matters). Of From and To only the user part is looked
   * at, of any other header its whole value.
   */
  readonly headers: ReadonlyArray<{ readonly name: string; readonly values: readonly string[] }>
  /** For what came over UDP. */
  readonly action: SpamAction
  /** For what came over a stream. */
  readonly streamAction: SpamAction
}

/** Which requests outside dialogs never reach an application. Every part is off unless it is given. */
export interface ScreeningSettings {
  /** Sources whose requests are dropped without an answer, as long as they belong to nothing that is going on. */
  readonly blacklist?: AddressSet
  readonly spammers?: Spammers
  /** The User-Agent, letter by letter, whose OPTIONS are answered 200 here. */
  readonly optionsAutoRespond?: string
  /** A REGISTER to an IP address instead of a domain is answered 403. */
  readonly rejectRegisterWithoutRealm?: boolean
}

/** Requests that were kept from applications, since the start. */
export interface ScreeningCounts {
  readonly blacklisted: number
  readonly spammers: number
}

interface Mark {
  readonly name: string
  readonly userOnly: boolean
  readonly values: readonly string[]
}

/** Keeps requests outside dialogs from applications, by where they come from and what they say. */
export class Screening {
  readonly counts = { blacklisted: 0, spammers: 0 }
  private readonly marks: readonly Mark[]

  constructor(private readonly settings: ScreeningSettings) {
    this.marks = (settings.spammers?.headers ?? []).map(({ name, values }) => {
      const lower = name.toLowerCase()
      // An empty text is contained in everything.
      return { name: lower, userOnly: lower === 'from' || lower === 'to', values: values.filter((text) => text !== '') }
    })
  }

  isBlacklisted(address: string): boolean {
    return this.settings.blacklist?.has(address) === true
  }

  /** What to do about a spammer's request; undefined: it is none. */
  spam(request: SipRequest, flow: Flow): SpamAction | undefined {
    const { spammers } = this.settings
    if (spammers === undefined || !this.marks.some((mark) => carries(request, mark))) return undefined
    this.counts.spammers++
    return flow.reliable ? spammers.streamAction : spammers.action
  }

  /** The final answer that a request gets from us and not from an application; undefined: none. */
  answerTo(request: SipRequest): number | undefined {
    const { optionsAutoRespond, rejectRegisterWithoutRealm } = this.settings
    if (request.method === 'OPTIONS' && optionsAutoRespond !== undefined)
      return request.headers.get('user-agent') === optionsAutoRespond ? 200 : undefined
    if (request.method === 'REGISTER' && rejectRegisterWithoutRealm === true && isAddress(request.uri)) return 403
    return undefined
  }
}

function carries(request: SipRequest, { name, userOnly, values }: Mark): boolean {
  return request.headers.getAll(name).some((line) => {
    const text = userOnly ? userOf(line) : line
    return values.some((value) => text.includes(value))
  })
}

function userOf(value: string): string {
  const uri = parseUri(parseNameAddr(value)?.uri ?? '')
  return uri === undefined || uri.scheme === 'tel' ? '' : (uri.user ?? '')
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

function isAddress(requestUri: string): boolean {
  const uri = parseUri(requestUri)
  return uri !== undefined && uri.scheme !== 'tel' && (uri.host.startsWith('[') || IPV4.test(uri.host))
}

/** A REGISTER that no registrar can take: `Contact: *` beside another, or without `Expires: 0` (RFC 3261 10.3 step 6). */
export function isSenselessRegister(request: SipRequest): boolean {
  const contacts = request.headers.getAll('contact')
  if (!contacts.includes('*')) return false
  return contacts.length > 1 || !/^0+$/.test(request.headers.get('expires') ?? '')
}
