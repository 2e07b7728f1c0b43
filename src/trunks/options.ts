import { formatUri, parseUri, type SipUri } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { nextHopOf } from './next-hop.js'
import type { Target } from './target.js'
import type { TrunkRequest } from './trunk-requests.js'

/** What a trunk is told of who asks when it names no user itself. */
const NO_USER = 'signalbox'

/**
 * The OPTIONS that asks whether a trunk's server is there: to its SIP domain (the host of its outbound proxy when it has none), from
 * the user its calls come from. A trunk that registers to us is asked at each contact in turn (`atContact`), as the domain that it has or
 * else our own. Undefined when the trunk has neither.
 */
export function optionsOf(
  trunk: Pick<Trunk, 'outbound_proxy' | 'sip_domain' | 'transport' | 'from_user' | 'from_domain' | 'username'> &
    Partial<Pick<Trunk, 'register_in'>>,
  routes: readonly string[],
): Pick<TrunkRequest, 'method' | 'uri' | 'headers'> | undefined {
  const server = readServer(trunk.sip_domain ?? nextHopOf(trunk)?.host ?? (trunk.register_in ? 'localhost' : undefined))
  if (server === undefined) return undefined
  const { host } = (trunk.from_domain === null ? undefined : readServer(trunk.from_domain)) ?? server
  // One character a byte, as in every SIP text of ours; formatUri escapes the rest.
  const user = Buffer.from(trunk.from_user ?? trunk.username ?? NO_USER, 'utf8').toString('latin1')
  // No port in From and To: RFC 3261 19.1.1, table 1.
  const from = formatUri({ scheme: 'sip', user: user.replaceAll('%', '%25'), host, params: new Map() })
  return {
    method: 'OPTIONS',
    uri: formatUri(server),
    headers: {
      From: `<${from}>`,
      To: `<sip:${server.host}>`,
      Contact: '<sip:localhost>',
      Accept: 'application/sdp',
      ...(routes.length === 0 ? {} : { Route: routes.map((uri) => `<${uri}>`).join(', ') }),
    },
  }
}

/** The same OPTIONS to a contact that the trunk has registered with us. */
export function atContact<Options extends { readonly uri: string; readonly headers: Record<string, string> }>(
  options: Options,
  { contact }: Target,
): Options {
  if (contact === undefined) return options
  const headers = { ...options.headers }
  delete headers['Route']
  if (contact.routes.length > 0) headers['Route'] = contact.routes.map((uri) => `<${uri}>`).join(', ')
  return { ...options, uri: contact.uri, headers }
}

/** Host and port of a `sip_domain` or `from_domain`; undefined when it is none. */
function readServer(text: string | undefined): SipUri | undefined {
  const uri = text === undefined ? undefined : parseUri(`sip:${text}`)
  if (uri === undefined || uri.scheme === 'tel' || uri.user !== undefined) return undefined
  return { scheme: 'sip', host: uri.host, params: new Map(), ...(uri.port === undefined ? {} : { port: uri.port }) }
}
