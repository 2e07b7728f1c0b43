import { hideContactTokens } from '../model/contact-token.js'
import { tidy } from './header-value.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** Of one header that crosses; a longer one does not, since half a value can mean something else. */
const MAX_VALUE = 4_096
/** Headers of one message that cross by a rule for many (`X-*`), and their characters together. */
const MAX_CROSSING = 64
const MAX_CROSSING_LENGTH = 16_384
const MAX_NAME = 64

const CONTENT_HEADERS = ['Content-Type', 'Content-Disposition', 'Content-Language', 'Content-ID', 'MIME-Version']

/** Headers that never cross, whoever asks: they route, identify or authenticate on their own leg, or are the server's to write. */
const ON_ITS_LEG = new Set(
  (
    'via record-route route path service-route contact from to call-id cseq max-forwards content-length content-encoding allow supported require ' +
    'proxy-require unsupported rseq rack session-expires min-se authorization proxy-authorization www-authenticate proxy-authenticate ' +
    'authentication-info p-asserted-identity p-preferred-identity remote-party-id p-called-party-id p-associated-uri p-charging-vector ' +
    'p-charging-function-addresses p-access-network-info p-visited-network-id diversion history-info target-dialog replaces join in-reply-to ' +
    'user-agent server warning identity identity-info security-client security-server security-verify v f t i m l c k r b x'
  ).split(' '),
)

/** Whether a header of that name is confined to its leg. Odd spellings of our own names count as ours. */
export function staysOnItsLeg(name: string): boolean {
  return !isPlainName(name) || ON_ITS_LEG.has(name.toLowerCase()) || isOurName(name)
}

const isExtension = (name: string): boolean => name.startsWith('X-') || name.startsWith('x-')

/** Letters, digits, `-`, `_` and `.` only, at most 64: other token characters are percent signs and quotes that someone behind us may undo. */
function isPlainName(name: string): boolean {
  return name.length <= MAX_NAME && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)
}

/** `X-Signalbox-*` however spelled: another case, `_` or `.` for `-`, or none. */
function isOurName(name: string): boolean {
  return name.toLowerCase().replace(/[._-]/g, '').startsWith('xsignalbox')
}

/** The headers of one message that is being made: each name once, the first to put it wins. */
export class Crossing {
  readonly map: HeaderMap = {}
  readonly #names = new Set<string>()
  #crossed = 0
  #length = 0

  put(name: string, value: string): void {
    const key = name.toLowerCase()
    if (this.#names.has(key)) return
    this.#names.add(key)
    this.map[name] = value
  }

  putAll(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.put(name, tidy(value, MAX_VALUE))
  }

  /** Those of the named headers that the message has. */
  copy(message: SipMessage, names: readonly string[]): void {
    for (const name of names) {
      const value = message.header(name)
      if (value !== undefined) this.cross(name, value)
    }
  }

  copyContent(message: SipMessage): void {
    if (message.header('content-type') === undefined && message.body.startsWith('v=0'))
      this.put('Content-Type', 'application/sdp')
    this.copy(message, CONTENT_HEADERS)
  }

  /** Of headers that somebody gives, those of these names; names in any case. */
  copyNamed(headers: Iterable<readonly [string, string]>, names: readonly string[]): void {
    const wanted = new Set(names.map((name) => name.toLowerCase()))
    for (const [name, value] of headers)
      if (wanted.has(name.toLowerCase()) && !staysOnItsLeg(name)) this.cross(name, value)
  }

  /** The sender's `X-*` headers; of these names, when some are given. */
  copyExtensions(message: SipMessage, names?: readonly string[]): void {
    if (names !== undefined) return this.copyNamed(message.headers(), names)
    for (const [name, value] of message.headers(isExtension))
      if (isExtension(name) && !staysOnItsLeg(name)) this.cross(name, value)
  }

  private cross(name: string, value: string): void {
    if (value.length > MAX_VALUE || this.#crossed >= MAX_CROSSING || this.#length > MAX_CROSSING_LENGTH) return
    this.#crossed += 1
    this.#length += name.length + value.length
    // The Contact that we registered is known to the sender; nobody else is to call by it.
    this.put(name, hideContactTokens(tidy(value, MAX_VALUE)))
  }
}

/** The text as user part of a SIP URI: all but unreserved characters and `+` escaped, byte by byte of its UTF-8. */
export function escapeUser(text: string): string {
  if (PLAIN_USER.test(text)) return text
  let user = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte)
    user += /[A-Za-z0-9+*._~!'()-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return user
}

const PLAIN_USER = /^[A-Za-z0-9+*._~!'()-]*$/
