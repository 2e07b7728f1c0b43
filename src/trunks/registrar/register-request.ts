import { type NameAddr, parseNameAddr, parseUri, type SipUri, splitList, unescapeUser } from '../../engine/index.js'
import { MAX_PATH, uriText } from '../../model/binding.js'
import { safeText } from '../../model/text.js'

/** A REGISTER as it came. */
export interface RegisterRequest {
  readonly method: string
  /** Request-URI. */
  readonly uri: string
  readonly callId: string
  readonly body: string
  /** Where it came from: IP literal, port, and `udp`, `tcp` or `tls`. */
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly protocol: string
  /** The header's value, several lines joined by `,`; undefined when absent. */
  header(name: string): string | undefined
}

/** A contact that is to be bound, refreshed, or (0 seconds) removed. */
export interface AskedContact {
  /** Letter by letter as it came. */
  readonly uri: string
  readonly parsed: SipUri
  /** Undefined: it does not say. */
  readonly expiresS: number | undefined
  readonly q: number
  readonly instance: string | null
  readonly regId: number | null
}

/** What a REGISTER asks for. */
export interface Asked {
  readonly aor: SipUri
  /** `all`: to remove all; an empty list: to be told what there is. */
  readonly contacts: readonly AskedContact[] | 'all'
  readonly callId: string
  readonly cseq: number
  readonly userAgent: string | null
  readonly path: readonly string[]
  /** Whether the PBX takes its Path back (RFC 3327 5.2) and knows of flows (RFC 5626). */
  readonly supports: { readonly path: boolean; readonly outbound: boolean }
  /** It is not where it thinks it is. */
  readonly natted: boolean
}

export type ReadRegister = { readonly ok: true; readonly asked: Asked } | { readonly ok: false; readonly why: string }

/** Characters of Contact, Path and Via that are read, and contacts of one request. */
const MAX_HEADER = 8_192
const MAX_CONTACTS = 20
const MAX_SECONDS = 0xffff_ffff

class Malformed extends Error {}

/** Reads a REGISTER (RFC 3261 10.3), before anybody is looked up: what cannot be used is refused by the header's name. */
export function readRegister(request: RegisterRequest): ReadRegister {
  try {
    return { ok: true, asked: read(request) }
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, why: error.message }
    throw error
  }
}

function read(request: RegisterRequest): Asked {
  const { callId } = request
  const aor = addressOf(request.header('to'))
  if (aor === undefined) throw new Malformed('Malformed To header')
  const cseq = /^\s*([0-9]{1,10})\s+REGISTER\s*$/i.exec((request.header('cseq') ?? '').slice(0, 64))?.[1]
  if (cseq === undefined || Number(cseq) > MAX_SECONDS) throw new Malformed('Malformed CSeq header')
  if (callId === '' || !safeText(256).safeParse(callId).success) throw new Malformed('Malformed Call-ID header')
  const agent = request.header('user-agent')
  return {
    aor,
    contacts: contactsOf(request),
    callId,
    cseq: Number(cseq),
    userAgent: agent === undefined ? null : printableOf(agent),
    path: pathOf(request.header('path')),
    supports: {
      path: hasToken(request.header('supported'), 'path'),
      outbound: hasToken(request.header('supported'), 'outbound') || hasToken(request.header('require'), 'outbound'),
    },
    natted: isNatted(request),
  }
}

function contactsOf(request: RegisterRequest): readonly AskedContact[] | 'all' {
  const header = request.header('contact')
  if (header === undefined) return []
  if (header.length > MAX_HEADER) throw new Malformed('Contact header too long')
  const values = splitList(header)
  if (values.length > MAX_CONTACTS) throw new Malformed('Too many Contacts')
  if (values.some((value) => value.trim() === '*')) {
    // RFC 3261 10.3 step 6: nothing else may stand beside it.
    const expires = request.header('expires')?.trim()
    if (values.length > 1 || expires === undefined || !/^0{1,10}$/.test(expires))
      throw new Malformed('Contact: * needs Expires: 0 and no other Contact')
    return 'all'
  }
  const general = secondsOf(request.header('expires'))
  return values.map((value) => contactOf(value, general))
}

function contactOf(value: string, general: number | undefined): AskedContact {
  const address = parseNameAddr(value)
  const parsed = address && parseUri(address.uri)
  if (address === undefined || parsed === undefined || parsed.scheme === 'tel')
    throw new Malformed('Malformed Contact header')
  if (parsed.headers !== undefined) throw new Malformed('Contact must not carry headers after "?"')
  if (parsed.params.has('maddr')) throw new Malformed('Contact must not carry maddr')
  if (!uriText.safeParse(address.uri).success)
    throw new Malformed('Contact must be a SIP URI of at most 512 printable characters')
  const { params } = address
  return {
    uri: address.uri,
    parsed,
    expiresS: params.has('expires') ? secondsOf(params.get('expires')) : general,
    q: qOf(params.get('q')),
    ...flowOf(params),
  }
}

/** The instance, and the flow of it: one without the other names none (RFC 5626 6). */
function flowOf(params: NameAddr['params']): Pick<AskedContact, 'instance' | 'regId'> {
  const instance = params.get('+sip.instance')?.replace(/^"(.{0,256})"$/s, '$1')
  if (instance === undefined) return { instance: null, regId: null }
  if (!/^<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>$/.test(instance)) throw new Malformed('Malformed +sip.instance of Contact')
  const regId = params.get('reg-id')
  if (regId === undefined) return { instance, regId: null }
  if (!/^[1-9][0-9]{0,8}$/.test(regId)) throw new Malformed('Malformed reg-id of Contact')
  return { instance, regId: Number(regId) }
}

function pathOf(header: string | undefined): readonly string[] {
  if (header === undefined) return []
  const values = header.length > MAX_HEADER ? [] : splitList(header)
  if (values.length === 0 || values.length > MAX_PATH) throw new Malformed('Path too long')
  return values.map((value) => {
    const address = parseNameAddr(value)
    const uri = address && parseUri(address.uri)
    // The engine routes by them as they stand: what is no loose router would be another matter.
    const usable = uri !== undefined && uri.scheme !== 'tel' && uri.headers === undefined && uri.params.has('lr')
    if (!usable || !uriText.safeParse(address!.uri).success) throw new Malformed('Malformed Path header')
    return address!.uri
  })
}

/** Whether its address as it writes it (Via) is not the one it came from, as behind a NAT: the server has noted both (RFC 3581). */
function isNatted(request: RegisterRequest): boolean {
  const [via = ''] = splitList((request.header('via') ?? '').slice(0, MAX_HEADER))
  const [sent = '', ...params] = via.split(';').map((part) => part.trim())
  const uri = parseUri(`sip:${sent.split(/\s+/).at(-1) ?? ''}`)
  if (uri === undefined || uri.scheme === 'tel') return true
  const valueOf = (name: string): string | undefined =>
    params.find((param) => param.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1)
  const rport = valueOf('rport')
  const host = uri.host.replace(/^\[|\]$/g, '').toLowerCase()
  if (host !== request.sourceAddress.toLowerCase()) return true
  // A connection comes from any port.
  if (request.protocol !== 'udp') return false
  return rport !== undefined && rport !== '' && rport !== String(uri.port ?? 5060)
}

function addressOf(header: string | undefined): SipUri | undefined {
  const address = header === undefined || header.length > MAX_HEADER ? undefined : parseNameAddr(header)
  const uri = address && parseUri(address.uri)
  return uri === undefined || uri.scheme === 'tel' ? undefined : uri
}

/** The user of an AOR as text: escapes, which are UTF-8, read. */
export function userOf({ user = '' }: SipUri): string {
  return Buffer.from(unescapeUser(user), 'latin1').toString('utf8')
}

/** Delta-seconds; undefined when it is none: then it counts as not said (RFC 3261 10.3 step 6). */
function secondsOf(text: string | undefined): number | undefined {
  const digits = text === undefined ? undefined : /^\s{0,8}"?([0-9]{1,10})"?\s{0,8}$/.exec(text.slice(0, 64))?.[1]
  return digits === undefined ? undefined : Math.min(Number(digits), MAX_SECONDS)
}

/** RFC 3261 20.10: 1 when it is not said. */
function qOf(text: string | undefined): number {
  const value = text === undefined ? 1 : /^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : NaN
  if (Number.isNaN(value)) throw new Malformed('Malformed q of Contact')
  return value
}

const hasToken = (header: string | undefined, token: string): boolean =>
  header !== undefined &&
  header
    .slice(0, MAX_HEADER)
    .split(',')
    .some((each) => each.trim().toLowerCase() === token)

/** A User-Agent as it is kept: one line of printable characters. */
function printableOf(text: string): string | null {
  const kept = text
    .slice(0, 128)
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
  return kept === '' ? null : kept
}
