import { parseNameAddr, parseUri, splitList, unescapeUser } from '../engine/index.js'
import { isContactToken, TOKEN_PARAM } from '../model/contact-token.js'
import { printable } from '../model/printable.js'
import type { DidSource } from '../model/trunk.js'
import { isPhoneNumber } from '../store/keys.js'
import type { CallFlow } from '../trunks/known-sources.js'
import { normaliseNumber } from './normalise.js'

/** What routing needs to see of a request. */
export interface InboundRequest {
  readonly requestUri: string
  /** The value of the header, by any spelling of its name; several lines are joined by ','. */
  header(name: string): string | undefined
  /** The address the request came from: IPv4 or IPv6, without brackets or port. */
  readonly sourceAddress: string
  /** The port it came from, and over what; absent where only an address is asked about. */
  readonly flow?: CallFlow
  /** The trunk whose `inbound_auth` the caller has proved to know. */
  readonly provenTrunkId?: string
  /** Set when an account asks what would become of a call: nothing of other accounts counts then, or is told. */
  readonly accountId?: string
}

/** What a source says: the user or number that stands there, before any interpretation. */
export interface RawDid {
  readonly text: string
  /** RFC 3966: the prefix a local number stands under. */
  readonly phoneContext: string | undefined
}

/** One source that was read: what stands there, and the forms it is looked up under, the likeliest first. */
export interface DidReading {
  readonly source: DidSource
  /** For the record: printable, at most 128 characters; null when the source is absent or cannot be read. */
  readonly value: string | null
  readonly candidates: readonly string[]
}

/** Longer header values, several lines joined, are not read. */
const MAX_HEADER = 16_384
const MAX_VALUE = 128
const MAX_WRITTEN = 2_048

const headerOf: Partial<Record<string, string>> = {
  to: 'to',
  'p-called-party-id': 'p-called-party-id',
  diversion: 'diversion',
  'history-info': 'history-info',
}

/** Reads DIDs out of one request; each source is parsed once, and each number normalised once a country, however many trunks read it. */
export class DidParser {
  private readonly raws = new Map<DidSource, RawDid | undefined>()
  private readonly readings = new Map<string, DidReading>()

  constructor(private readonly request: InboundRequest) {}

  /** @param country the trunk's: national numbers are of it */
  read(source: DidSource, country: string | null): DidReading {
    const name = `${country ?? ''} ${source}`
    const reading = this.readings.get(name) ?? this.interpret(source, country)
    this.readings.set(name, reading)
    return reading
  }

  private interpret(source: DidSource, country: string | null): DidReading {
    if (!this.raws.has(source)) this.raws.set(source, readSource(this.request, source))
    const raw = this.raws.get(source)
    if (raw === undefined) return { source, value: null, candidates: [] }
    return { source, value: printable(raw.text, MAX_VALUE), candidates: candidatesOf(raw, country) }
  }
}

/** The host of the Request-URI in lower case, without brackets; undefined when it has none. */
export function requestHost(request: InboundRequest): string | undefined {
  const uri = request.requestUri.length <= MAX_HEADER ? parseUri(request.requestUri) : undefined
  return uri === undefined || uri.scheme === 'tel' ? undefined : uri.host.toLowerCase()
}

/** Texts of the Request-URI that may be the token of a Contact we registered: its user, and its `sbt` parameter. */
export function contactTokensIn(request: InboundRequest): string[] {
  const uri = request.requestUri.length <= MAX_HEADER ? parseUri(request.requestUri) : undefined
  if (uri === undefined || uri.scheme === 'tel') return []
  return [unescapeUser(uri.user ?? ''), uri.params.get(TOKEN_PARAM) ?? ''].filter(isContactToken)
}

function readSource(request: InboundRequest, source: DidSource): RawDid | undefined {
  if (source === 'request-uri') return request.requestUri.length > MAX_HEADER ? undefined : readUri(request.requestUri)
  const name = headerOf[source] ?? source.slice('header:'.length)
  const value = request.header(name)
  if (value === undefined || value.length > MAX_HEADER) return undefined
  // The first entry: the latest diversion (RFC 5806), the target dialled first (RFC 7044).
  const [entry] = splitList(value)
  if (entry === undefined) return undefined
  const address = parseNameAddr(entry)
  return address === undefined ? readBare(entry) : readUri(address.uri)
}

function readUri(text: string): RawDid | undefined {
  const uri = parseUri(text)
  if (uri === undefined) return undefined
  if (uri.scheme === 'tel') return { text: uri.number, phoneContext: uri.params.get('phone-context') }
  return uri.user === undefined ? undefined : readUser(unescapeUser(uri.user))
}

/** A number as a person or a program writes it: alone, or as a `sip:` or `tel:` URI. */
export function readWritten(text: string): RawDid | undefined {
  if (text.length > MAX_WRITTEN) return undefined
  const written = text.trim()
  return /^(?:sips?|tel):/i.test(written) ? readUri(written) : readUser(written)
}

/** A number alone, as some carriers put it in a header of theirs. */
function readBare(text: string): RawDid | undefined {
  if (text.includes('<') || text.includes(':') || text.includes('"')) return undefined
  return readUser(text)
}

/** Splits `+14155550100;phone-context=+1` and the like: the number and its parameters (RFC 3261 19.1.6). */
function readUser(text: string): RawDid | undefined {
  const [number = '', ...params] = text.slice(0, MAX_HEADER).split(';')
  // A Contact token is no number, wherever it stands.
  if (number === '' || isContactToken(number)) return undefined
  const context = params.find((param) => param.slice(0, 14).toLowerCase() === 'phone-context=')
  return { text: number, phoneContext: context?.slice(14) }
}

/** Numbers whose forms are remembered: a trunk's calls are for few. The oldest goes first. */
const MAX_REMEMBERED = 4_096
const remembered = new Map<string, readonly string[]>()

/** The forms a number is looked up under: as it stands, and what it is as E.164. */
export function candidatesOf({ text, phoneContext }: RawDid, country: string | null): readonly string[] {
  if (text.length > MAX_VALUE) return []
  // With a context, which may be of any length, it is seldom that of the call before.
  if (phoneContext !== undefined) return formsOf(text, phoneContext, country)
  const key = `${country ?? ''} ${text}`
  const known = remembered.get(key)
  if (known !== undefined) return known
  const forms = formsOf(text, phoneContext, country)
  if (remembered.size >= MAX_REMEMBERED) for (const oldest of remembered.keys()) if (remembered.delete(oldest)) break
  // Both in memory of their own: a slice of the message would keep that.
  remembered.set(
    Buffer.from(key, 'utf8').toString('utf8'),
    forms.map((form) => Buffer.from(form, 'utf8').toString('utf8')),
  )
  return forms
}

function formsOf(text: string, phoneContext: string | undefined, country: string | null): string[] {
  const candidates = new Set<string>()
  if (isPhoneNumber(text)) candidates.add(text)
  const normalised = normaliseNumber(text, { country, phoneContext })
  if (normalised.ok) candidates.add(normalised.e164)
  // Carriers that send E.164 without the plus.
  const international = text.startsWith('+') ? normalised : normaliseNumber(`+${text}`)
  if (international.ok) candidates.add(international.e164)
  return [...candidates]
}
