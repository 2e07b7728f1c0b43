import type { SipRequest } from '../message/message.js'
import { parseNameAddr } from '../message/name-addr.js'
import { parseUri } from '../message/uri.js'
import type { Flow } from '../transport/transport.js'

/**
 * The URL that asks where a request goes: that of the handler, `/` and what drachtio-server tells of the request, then every
 * parameter of the Request-URI but those of the same names: a caller could say anything by them. Values are percent-encoded byte by
 * byte.
 */
export function routingUrl(base: URL, request: SipRequest, flow: Flow): URL {
  const uri = parseUri(request.uri)
  const sip = uri === undefined || uri.scheme === 'tel' ? undefined : uri
  const fields: Array<readonly [name: string, value: string]> = [
    ['method', request.method],
    ['domain', sip?.host ?? ''],
    ['protocol', flow.protocol],
    ['source_address', flow.remoteAddress],
    ['fromUser', userIn(request.headers.get('from'))],
    ['toUser', userIn(request.headers.get('to'))],
    ['uriUser', userOf(request.uri)],
    ['contentType', mediaTypeIn(request.headers.get('content-type'))],
    ['uri', request.uri],
  ]
  const told = new Set([...base.searchParams.keys(), ...fields.map(([name]) => name)].map((name) => name.toLowerCase()))
  for (const [name, value] of uri?.params ?? []) if (!told.has(name.toLowerCase())) fields.push([name, value])
  const query = fields.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&')
  const url = new URL(base)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  url.search = url.search === '' ? query : `${url.search.slice(1)}&${query}`
  return url
}

function userIn(party: string | undefined): string {
  const uri = party === undefined ? undefined : parseNameAddr(party)?.uri
  return uri === undefined ? '' : userOf(uri)
}

/** The user part as written; of a tel URI its number. */
function userOf(text: string): string {
  const uri = parseUri(text)
  if (uri === undefined) return ''
  return uri.scheme === 'tel' ? uri.number : (uri.user ?? '')
}

/** Type and subtype without parameters. */
const mediaTypeIn = (value = ''): string => (value.split(';', 1)[0] ?? '').trim()

const HEX = '0123456789ABCDEF'

/** A byte string with all but the unreserved characters of RFC 3986 escaped. */
function encoded(bytes: string): string {
  if (/^[A-Za-z0-9._~-]*$/.test(bytes)) return bytes
  let text = ''
  for (let i = 0; i < bytes.length; i++) {
    const char = bytes[i] ?? ''
    const code = bytes.charCodeAt(i) & 0xff
    text += /[A-Za-z0-9._~-]/.test(char) ? char : `%${HEX[code >> 4]}${HEX[code & 15]}`
  }
  return text
}
