import { isIP } from 'node:net'
import type { Destinations } from '../model/destinations.js'
import { maskAddress, parseAddress, parseNetworkBits, tooWide } from '../model/network.js'
import type { TrunkFields } from '../model/trunk.js'
import { parseUri } from '../engine/index.js'
import { nextHopOf, parseOutboundProxy, parseSipDomain, type NextHop, type Transport } from '../trunks/next-hop.js'
import type { FieldError } from './problem.js'
import type { Origination } from './services.js'
import { validationFailed } from './validation.js'

/** What is known of a trunk besides its fields. */
export interface TrunkContext {
  readonly origination: Origination
  /** Where requests may not go. */
  readonly destinations: Pick<Destinations, 'hostRefusal'>
  /** Whether it has passwords, or is being given them. */
  readonly hasPassword: boolean
  readonly hasInboundPassword: boolean
  /** Why the certificate that it names cannot be shown to its servers. */
  readonly certificateProblem?: string | undefined
}

/**
 * Refuses a trunk that could not work: destinations that cannot be used, fields that need others. Every problem at once, each with its
 * field, the reason and an example. @throws {ApiError} VALIDATION_FAILED
 */
export function checkTrunk(fields: TrunkFields, context: TrunkContext): void {
  const errors = [
    ...destinationErrors(fields, context),
    ...combinationErrors(fields, context),
    ...widthErrors(fields.allowed_addresses),
  ]
  if (errors.length > 0) throw validationFailed(errors)
}

/** Networks of `allowed_addresses` that are anybody's: with one, every source would be known, to all accounts. */
export function widthErrors(allowed: readonly string[]): FieldError[] {
  return allowed.flatMap((network, n) => {
    const message = tooWide(network)
    return message === undefined ? [] : [{ field: `allowed_addresses[${n}]`, message }]
  })
}

function destinationErrors(fields: TrunkFields, { origination, destinations }: TrunkContext): FieldError[] {
  const errors: FieldError[] = []
  const add = (field: string, message: string | undefined): void => {
    if (message !== undefined) errors.push({ field, message })
  }
  const proxy = fields.outbound_proxy === null ? undefined : parseOutboundProxy(fields.outbound_proxy, fields.transport)
  if (proxy?.ok === false) add('outbound_proxy', proxy.why)
  for (const field of ['sip_domain', 'from_domain'] as const) {
    const domain = fields[field]
    const parsed = domain === null ? undefined : parseSipDomain(domain)
    if (parsed?.ok === false) add(field, parsed.why)
  }
  if (fields.transport !== null) add('transport', missingTransport(fields.transport, origination))
  const hop = nextHopOf(fields)
  if (hop === undefined || errors.length > 0) return errors
  if (hop.transport !== undefined) add(hop.from, missingTransport(hop.transport, origination))
  add(hop.from, unreachable(hop, origination) ?? destinations.hostRefusal(hop.host, hop.port))
  return errors
}

/** Why requests cannot leave over this transport, or undefined. While the SIP server is away nothing is known. */
export function missingTransport(
  transport: Transport,
  { transports }: Origination,
  example = 'sip:proxy.example.com:5060',
): string | undefined {
  if (transports.length === 0 || transports.includes(transport)) return undefined
  const has = transports.map((one) => one.toUpperCase()).join(' and ')
  const how = transport === 'tls' ? ': configure a contact with transport=tls and its certificate, or use another' : ''
  return `asks for ${transport.toUpperCase()}, and this edge has ${has} only${how}; for example ${example};transport=${transports[0] ?? 'udp'}`
}

/** Why nothing sent to this next hop reaches a trunk, or undefined. */
function unreachable(hop: NextHop, { origination_uris }: Origination): string | undefined {
  const host = bare(hop.host)
  const address = parseAddress(host)
  if (address !== undefined && NOWHERE.some((network) => contains(network, address)))
    return `${host} is no address of a server; for example sip:192.0.2.7:5060`
  const port = hop.port ?? (hop.transport === 'tls' ? 5061 : 5060)
  const hosts = host === 'localhost' ? ['127.0.0.1', '::1', host] : [host]
  const ours = origination_uris.some((text) => {
    const uri = parseUri(text)
    return uri?.scheme === 'sip' && hosts.includes(bare(uri.host)) && (uri.port ?? 5060) === port
  })
  return ours
    ? `${host}:${port} is this edge itself: name the server of the trunk; for example sip:proxy.example.com:5060`
    : undefined
}

const NOWHERE = ['0.0.0.0/8', '224.0.0.0/4', '255.255.255.255/32', '::/128', 'ff00::/8']

/** A host as addresses are compared: without brackets, one spelling each. */
function bare(host: string): string {
  const text = host.replace(/^\[|\]$/g, '').toLowerCase()
  return isIP(text) === 6 ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text.replace(/\.$/, '')
}

function contains(network: string, address: { bits: bigint; family: 4 | 6 }): boolean {
  const parsed = parseNetworkBits(network)
  return parsed?.family === address.family && maskAddress(address.bits, parsed.prefix, parsed.family) === parsed.bits
}

function combinationErrors(fields: TrunkFields, context: TrunkContext): FieldError[] {
  const errors: FieldError[] = []
  if (fields.register.enabled) {
    if (fields.username === null)
      errors.push({ field: 'username', message: 'is required to register: the user that the registrar knows' })
    if (fields.sip_domain === null && fields.outbound_proxy === null)
      errors.push({
        field: 'sip_domain',
        message: 'is required to register, or outbound_proxy: where the registrar is',
      })
  }
  if (context.hasPassword && fields.username === null && fields.auth_username === null)
    errors.push({ field: 'password', message: 'is of no use without a username: give username or auth_username' })
  if (fields.require.includes('digest') && fields.inbound_auth === null)
    errors.push({ field: 'require', message: 'asks for digest: give inbound_auth too' })
  if (fields.require.includes('address') && !hasAddress(fields))
    errors.push({
      field: 'require',
      message: 'asks for an address: give allowed_addresses, or an outbound_proxy or sip_domain whose addresses count',
    })
  if (fields.inbound_auth !== null && !context.hasInboundPassword)
    errors.push({ field: 'inbound_auth.password', message: 'is required: no password of inbound_auth is kept' })
  if (fields.register_in && fields.inbound_auth === null)
    errors.push({
      field: 'inbound_auth',
      message: 'is required with register_in: the user and password that the PBX registers with',
    })
  if (fields.register_in && fields.register.enabled)
    errors.push({
      field: 'register_in',
      message: 'and register.enabled exclude each other: either the PBX registers to us, or we register to the trunk',
    })
  if (context.certificateProblem !== undefined)
    errors.push({ field: 'tls.client_certificate', message: context.certificateProblem })
  if (fields.tls !== null && !fields.tls.verify && fields.tls.pinned_name !== null)
    errors.push({ field: 'tls.pinned_name', message: 'is of no use with tls.verify false: no name is verified then' })
  if (fields.number_format === 'national' && fields.country === null)
    errors.push({ field: 'country', message: 'is required with number_format "national", such as US' })
  return errors
}

/** A network of the first list that overlaps with one of the second: the narrower of both. */
export function sharedNetwork(these: readonly string[], those: readonly string[]): string | undefined {
  for (const one of these)
    for (const other of those) {
      const [a, b] = [parseNetworkBits(one), parseNetworkBits(other)]
      if (a === undefined || b?.family !== a.family) continue
      const prefix = Math.min(a.prefix, b.prefix)
      if (maskAddress(a.bits, prefix, a.family) !== maskAddress(b.bits, prefix, a.family)) continue
      return (a.prefix >= b.prefix ? one : other).replace(/\/(32|128)$/, '')
    }
  return undefined
}

const hasAddress = ({ allowed_addresses, outbound_proxy, sip_domain }: TrunkFields): boolean =>
  allowed_addresses.length > 0 || outbound_proxy !== null || sip_domain !== null
