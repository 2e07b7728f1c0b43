import {
  formatUri,
  type NameAddr,
  parseNameAddr,
  parseNameAddrList,
  parseUri,
  type SipUri,
  splitList,
  unescapeUser,
} from '../../engine/index.js'
import { isContactToken, TOKEN_PARAM } from '../../model/contact-token.js'
import { sameContact } from './settings.js'

/** What a registrar lists in a 200 is read up to these sizes. */
const MAX_HEADER = 65_536
const MAX_CONTACTS = 256
const MAX_ROUTES = 8
const MAX_ROUTE_LENGTH = 512

/** Longest grant that is believed, in seconds. */
const MAX_GRANT_S = 7 * 86_400

/** Our binding as the registrar has it. */
export interface OwnBinding {
  /** The Contact as it shows it. */
  readonly contact: string
  /** Seconds it is granted; 0: it is gone. */
  readonly expiresS: number
}

/** How our binding is known among those that others have on the same AOR, or that we had before. */
export interface Own {
  readonly token: string
  /** `host:port` in lower case, of every address we register from. */
  readonly addresses: ReadonlySet<string>
  /** The Contact that a former owner left, or that we had before, as far as known. */
  readonly former?: string | undefined
}

/**
 * Finds our binding in the Contacts of a 200: the one with our token; of several (a former owner's, one we had before) the one at our own
 * address, else one that was not there before, else the one that ends last. A registrar that keeps neither user nor parameters is taken
 * at the address alone.
 * @param fallbackS granted where the Contact does not say: the Expires header, else what was asked for
 */
export function findOwnBinding(header: string | undefined, own: Own, fallbackS: number): OwnBinding | undefined {
  const contacts = readContacts(header)
  const marked = contacts.filter(({ uri }) => hasToken(uri, own.token))
  const possible = marked.length > 0 ? marked : contacts.filter(({ uri }) => !namesTrunk(uri))
  const atHome = possible.filter(({ uri }) => own.addresses.has(placeOf(uri)))
  const { former } = own
  const anew = former === undefined ? [] : marked.filter(({ uri }) => !sameContact(formatUri(uri), former))
  const [best = []] = [atHome, anew, marked].filter(({ length }) => length > 0)
  const [found] = best.sort((a, b) => expiryOf(b, fallbackS) - expiryOf(a, fallbackS))
  return found === undefined ? undefined : { contact: formatUri(found.uri), expiresS: expiryOf(found, fallbackS) }
}

/** The URIs of a Service-Route or Path header, in order; undefined when one of them is none that can be used. */
export function readRoutes(header: string | undefined): string[] | undefined {
  if (header === undefined || header.trim() === '') return []
  const list = header.length > MAX_HEADER ? undefined : parseNameAddrList(header)
  if (list === undefined || list.length > MAX_ROUTES) return undefined
  return checkRoutes(list.map(({ uri }) => uri))
}

/** The URIs of routes as they go into a request; undefined when one of them is none that can be used. */
export function checkRoutes(texts: readonly string[]): string[] | undefined {
  if (texts.length > MAX_ROUTES) return undefined
  const uris: string[] = []
  for (const text of texts) {
    const parsed = text.length > MAX_ROUTE_LENGTH ? undefined : parseUri(text)
    if (parsed === undefined || parsed.scheme === 'tel') return undefined
    uris.push(formatUri(parsed))
  }
  return uris
}

/** Delta-seconds up to what is believed; undefined when the text is none. */
export function readSeconds(text: string | undefined): number | undefined {
  const digits = text === undefined ? undefined : /^\s{0,16}([0-9]{1,10})\s{0,16}$/.exec(text.slice(0, 64))?.[1]
  return digits === undefined ? undefined : Math.min(Number(digits), MAX_GRANT_S)
}

/** `host:port` of a SIP URI as `Own.addresses` has it. */
export function placeOf({ host, port }: Pick<SipUri, 'host' | 'port'>): string {
  return `${host.toLowerCase()}:${port ?? 5060}`
}

function readContacts(header: string | undefined): { readonly uri: SipUri; readonly params: NameAddr['params'] }[] {
  if (header === undefined || header.length > MAX_HEADER) return []
  // One by one: what another device has registered may be malformed.
  return splitList(header)
    .slice(0, MAX_CONTACTS)
    .flatMap((value) => {
      const address = parseNameAddr(value)
      const uri = address && parseUri(address.uri)
      return uri === undefined || uri.scheme === 'tel' ? [] : [{ uri, params: address!.params }]
    })
}

function hasToken(uri: SipUri, token: string): boolean {
  return unescapeUser(uri.user ?? '').toLowerCase() === token || uri.params.get(TOKEN_PARAM)?.toLowerCase() === token
}

/** The Contact of a trunk of ours, this one or another. */
function namesTrunk(uri: SipUri): boolean {
  return isContactToken(unescapeUser(uri.user ?? '')) || isContactToken(uri.params.get(TOKEN_PARAM) ?? '')
}

function expiryOf({ params }: { readonly params: NameAddr['params'] }, fallbackS: number): number {
  // Some write it as a quoted string.
  return readSeconds(params.get('expires')?.replace(/^"(.{0,64})"$/, '$1')) ?? fallbackS
}
