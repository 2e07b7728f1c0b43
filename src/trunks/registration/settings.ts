import { createHash } from 'node:crypto'
import { formatUri, parseUri, type SipUri } from '../../engine/index.js'
import { TOKEN_PARAM } from '../../model/contact-token.js'
import type { Trunk } from '../../model/trunk.js'
import { nextHopOf } from '../next-hop.js'

/** What a trunk's REGISTER says. */
export interface RegistrationSettings {
  readonly trunk: Trunk
  /** The address of record, as in From and To. */
  readonly aor: string
  /** `sip:pbx.example.com` */
  readonly requestUri: string
  /** Differs when a REGISTER would, or its way. */
  readonly digest: string
}

/** Settings, or in words why the trunk cannot be registered with those it has. */
export type ReadSettings = { readonly ok: true; readonly settings: RegistrationSettings } | { ok: false; why: string }

/** The settings of a trunk: AOR `username` (else `from_user`) at `sip_domain` (else the host of the proxy); never `auth_username`. */
export function settingsOf(trunk: Trunk): ReadSettings {
  const hop = nextHopOf(trunk)
  if (hop === undefined)
    return { ok: false, why: 'the trunk has neither an outbound_proxy nor a sip_domain that can be used' }
  const user = trunk.username ?? trunk.from_user
  if (user === null || user === '') return { ok: false, why: 'the trunk has no username to register' }
  const domain = parseUri(`sip:${trunk.sip_domain ?? hop.host}`)
  if (domain === undefined || domain.scheme === 'tel' || domain.user !== undefined)
    return { ok: false, why: 'sip_domain is no host name or address' }
  const { host, port } = domain
  const server: SipUri = { scheme: 'sip', host, params: new Map(), ...(port === undefined ? {} : { port }) }
  // One character a byte, as in every SIP text of ours; what may not stand in a user part is escaped, a '%' too.
  const bytes = Buffer.from(user, 'utf8').toString('latin1').replaceAll('%', '%25')
  const aor = formatUri({ ...server, user: bytes })
  return { ok: true, settings: { trunk, aor, requestUri: formatUri(server), digest: digestOf(trunk) } }
}

/** The Contact we register: `localhost` stands for our own address, and the server adds the transport. */
export function contactOf(token: string): string {
  return `sip:${token}@localhost;${TOKEN_PARAM}=${token}`
}

/** Whether two Contacts are one to a registrar, as far as the server's part of it goes. */
export function sameContact(a: string, b: string): boolean {
  if (a === b) return true
  const [one, other] = [parseUri(a), parseUri(b)]
  if (one === undefined || other === undefined || one.scheme === 'tel' || other.scheme === 'tel') return false
  const transport = (uri: SipUri): string => uri.params.get('transport')?.toLowerCase() ?? 'udp'
  return (
    one.user === other.user &&
    one.host.toLowerCase() === other.host.toLowerCase() &&
    (one.port ?? 5060) === (other.port ?? 5060) &&
    transport(one) === transport(other)
  )
}

/** Differs when the trunk was changed in any way. */
export function versionOf(trunk: Trunk, read: ReadSettings): string {
  const text = `${trunk.updated_at} ${read.ok ? read.settings.digest : read.why}`
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function digestOf(trunk: Trunk): string {
  const { sip_domain, outbound_proxy, transport, username, auth_username, from_user, register } = trunk
  const said = [sip_domain, outbound_proxy, transport, username, auth_username, from_user, register.expires]
  return createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 32)
}
