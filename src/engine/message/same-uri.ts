import { unescapeAll, unescapeNeedless } from './escapes.js'
import type { SipUri } from './uri.js'

/** Parameters that make two URIs differ when only one has them (RFC 3261 19.1.4; transport by the examples there). */
const significant: readonly string[] = ['user', 'ttl', 'method', 'maddr', 'transport']

/** Whether two URIs are equal by RFC 3261 19.1.4. A port left out is not the default port. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port || a.host.toLowerCase() !== b.host.toLowerCase()) return false
  if (!sameEscaped(a.user, b.user) || !sameEscaped(a.password, b.password)) return false
  for (const [name, value] of a.params) {
    const other = b.params.get(name)
    if (
      other === undefined
        ? significant.includes(name)
        : unescapeAll(other).toLowerCase() !== unescapeAll(value).toLowerCase()
    )
      return false
  }
  if (significant.some((name) => b.params.has(name) && !a.params.has(name))) return false
  return sameHeaders(a.headers, b.headers)
}

/** Escaped and plain are the same only for characters that need no escape. */
function sameEscaped(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  return comparable(a) === comparable(b)
}

function comparable(text: string): string {
  return unescapeNeedless(text).replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
}

function sameHeaders(a: string | undefined, b: string | undefined): boolean {
  return sortedHeaders(a) === sortedHeaders(b)
}

function sortedHeaders(headers: string | undefined): string {
  if (headers === undefined || headers === '') return ''
  const fields = headers.split('&').map((field) => {
    const equals = field.indexOf('=')
    const name = equals < 0 ? field : field.slice(0, equals)
    return `${unescapeNeedless(name).toLowerCase()}=${equals < 0 ? '' : comparable(field.slice(equals + 1))}`
  })
  return fields.sort().join('&')
}
