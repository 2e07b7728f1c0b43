import { SP, codeAt } from './chars.js'

/** Lower-case long form of a header's name: 'via', 'call-id', 'content-length'. */
export type CanonicalName = string

/** The one-letter forms registered with IANA. */
const compactNames: Readonly<Record<string, string>> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  n: 'Identity-Info',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
  y: 'Identity',
}

/** Names whose usual spelling the rule of capitals would miss, and those worth having in the cache from the start. */
const usualSpellings: readonly string[] = [
  ...Object.values(compactNames),
  'Accept',
  'Accept-Encoding',
  'Accept-Language',
  'Alert-Info',
  'Allow',
  'Authentication-Info',
  'Authorization',
  'CSeq',
  'Call-Info',
  'Content-Disposition',
  'Content-Language',
  'Date',
  'Diversion',
  'Error-Info',
  'Expires',
  'Feature-Caps',
  'Flow-Timer',
  'Geolocation',
  'History-Info',
  'In-Reply-To',
  'Info-Package',
  'Join',
  'Max-Breadth',
  'Max-Forwards',
  'MIME-Version',
  'Min-Expires',
  'Min-SE',
  'Organization',
  'P-Access-Network-Info',
  'P-Asserted-Identity',
  'P-Called-Party-ID',
  'P-Charging-Vector',
  'P-Preferred-Identity',
  'Path',
  'Priority',
  'Privacy',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'Proxy-Require',
  'RAck',
  'Reason',
  'Record-Route',
  'Recv-Info',
  'Remote-Party-ID',
  'Replaces',
  'Reply-To',
  'Require',
  'Retry-After',
  'Route',
  'RSeq',
  'Server',
  'Service-Route',
  'SIP-ETag',
  'SIP-If-Match',
  'Subscription-State',
  'Target-Dialog',
  'Timestamp',
  'Unsupported',
  'User-Agent',
  'User-to-User',
  'WWW-Authenticate',
  'Warning',
]

const spellingOf = new Map<string, string>(usualSpellings.map((spelling) => [spelling.toLowerCase(), spelling]))

/** A header's name as a line has it. Lines of one spelling share one. */
export interface LineName {
  readonly canonical: CanonicalName
  readonly spelling: string
  /** The end of the line before and the line up to its value: '\r\nCall-ID: '. */
  readonly head: string
}

const lineNames = new Map<string, LineName>()
for (const [lower, spelling] of spellingOf) {
  const canonical = interned(lower)
  for (const one of [canonical, spelling]) remember(one, canonical)
}
for (const [letter, spelling] of Object.entries(compactNames)) {
  const { canonical } = lineNames.get(spelling)!
  for (const one of [letter, letter.toUpperCase()]) remember(one, canonical)
}

/** Spellings met on the wire are remembered up to this many; a flood of invented names finds it full and costs a lower-casing each. */
const maxRemembered = lineNames.size + 1_024
const longestRemembered = 64

/** The canonical name of a header however it was spelled: any case, long or compact. */
export function canonicalName(spelling: string): CanonicalName {
  return lineName(spelling).canonical
}

/** The name of a line that spells it so. */
export function lineName(spelling: string): LineName {
  return lineNames.get(spelling) ?? learn(spelling)
}

function learn(spelling: string): LineName {
  const lower = spelling.toLowerCase()
  const canonical = lineNames.get(lower)?.canonical ?? lower
  if (lineNames.size >= maxRemembered || spelling.length > longestRemembered) return named(spelling, canonical)
  return remember(spelling, interned(canonical))
}

function remember(spelling: string, canonical: CanonicalName): LineName {
  const name = named(interned(spelling), canonical)
  lineNames.set(name.spelling, name)
  return name
}

function named(spelling: string, canonical: CanonicalName): LineName {
  return { canonical, spelling, head: `\r\n${spelling}: ` }
}

/** How the name is usually written: 'call-id' gives 'Call-ID', 'cseq' gives 'CSeq', an unknown 'x-my-header' gives 'X-My-Header'. */
export function usualSpelling(name: CanonicalName): string {
  const known = spellingOf.get(name)
  if (known !== undefined) return known
  let spelling = ''
  let first = true
  for (let at = 0; at < name.length; at++) {
    const code = codeAt(name, at)
    spelling += first && code >= 0x61 && code <= 0x7a ? String.fromCharCode(code - SP) : name.charAt(at)
    first = code === 0x2d
  }
  return spelling
}

/**
 * The same text as a property name: V8 keeps one copy of those, so that two are compared by address, and it holds no message in memory
 * as a slice of one would.
 */
function interned(text: string): string {
  return Object.keys({ [text]: true })[0]!
}
