import { DIGIT, quote, skip } from '../message/chars.js'
import { formatNameAddr, parseNameAddr, parseNameAddrList } from '../message/name-addr.js'
import { parseUri } from '../message/uri.js'
import type { Binding } from '../transport/transport.js'
import { newTag } from './tokens.js'

/** How `withOwnAddress` reads a value. */
export interface OwnAddressOptions {
  /** Also where no user stands before `localhost`. */
  readonly anyLocalhost?: boolean
  /** It is a Contact: the peer has to come back by the same transport, so that is named. */
  readonly contact?: boolean
  /** It has to be a `sips:` URI (see `asksForSips`). */
  readonly sips?: boolean
}

/** The value, or the values of a list, with `…@localhost` replaced by the address this binding shows to peers, and bracketed. */
export function withOwnAddress(value: string, binding: Binding, options: OwnAddressOptions = {}): string {
  if (!value.includes(options.anyLocalhost ? 'localhost' : '@localhost')) return value
  const parsed = parseNameAddrList(value)
  if (parsed === undefined) return value
  return parsed.map(({ uri, ...rest }) => formatNameAddr({ ...rest, uri: atBinding(uri, binding, options) })).join(', ')
}

/** The URI with our host and port in place of `localhost` and its port; the rest stays letter by letter. */
function atBinding(uri: string, binding: Binding, { contact, sips }: OwnAddressOptions): string {
  const parsed = parseUri(uri)
  if (parsed === undefined || parsed.scheme === 'tel' || parsed.host !== 'localhost') return uri
  // It is well-formed: the host begins behind the only `@`, or else behind the scheme.
  const host = uri.indexOf('@') + 1 || uri.indexOf(':') + 1
  const hostEnd = host + parsed.host.length
  const end = parsed.port === undefined ? hostEnd : skip(uri, hostEnd + 1, uri.length, DIGIT)
  const secure = sips === true || parsed.scheme === 'sips'
  const named = !contact || binding.protocol === 'udp' || secure || parsed.params.has('transport')
  const transport = named ? '' : `;transport=${binding.protocol}`
  const before = secure && parsed.scheme === 'sip' ? `sips:${uri.slice(4, host)}` : uri.slice(0, host)
  return `${before}${binding.advertisedHost}:${binding.advertisedPort}${transport}${uri.slice(end)}`
}

/** The From value with a tag: its own, or a new one. */
export function withTag(from: string): string {
  const parsed = parseNameAddr(from)
  if (parsed?.params.get('tag')) return from
  if (parsed?.params.has('tag'))
    return formatNameAddr({ ...parsed, params: new Map([...parsed.params, ['tag', newTag()]]) })
  // A bare URI's parameters would be read as header parameters: bracket it before adding ours.
  return from.includes('<') ? `${from};tag=${newTag()}` : `<${from}>;tag=${newTag()}`
}

/**
 * A From or To value that every parser reads: a display name that is neither tokens nor quoted gets its quotes. Undefined when
 * there is no telling what it means.
 */
export function tidied(value: string): string | undefined {
  if (parseNameAddr(value) !== undefined) return value
  const bracket = value.indexOf('<')
  if (bracket <= 0 || parseNameAddr(value.slice(bracket)) === undefined) return undefined
  return `${quote(value.slice(0, bracket).trim())} ${value.slice(bracket)}`
}

/** Whether the value is a Contact that peers can read. */
export const isContact = (value: string): boolean => parseNameAddrList(value) !== undefined
