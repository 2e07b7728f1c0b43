import { isIP } from 'node:net'
import { parseUri } from '../../engine/index.js'
import type { Binding } from '../../model/binding.js'
import type { Target } from '../target.js'

/** An address (IP literal without brackets) and a port. */
export interface Place {
  readonly address: string
  readonly port: number
}

export interface ReachOptions {
  /** Whether the connection that the contact was registered on is one of this edge, and open. */
  holdsFlow(binding: Binding): boolean
  /** Whether requests may go to the place that a contact names, which was registered from `source`. */
  permits(place: Place, source: Place): boolean
}

/** Where calls to the contacts of a trunk go, those with a greater q first, then the latest. */
export function contactTargets(bindings: readonly Binding[], options: ReachOptions): Target[] {
  return [...bindings]
    .sort((a, b) => b.q - a.q || Date.parse(b.since) - Date.parse(a.since))
    .flatMap((binding) => targetOf(binding, options) ?? [])
}

/**
 * Where requests to a contact go: over the connection that it was registered on (RFC 5626); over UDP, from behind a NAT, to where the
 * REGISTER came from; else to the address in the contact (of the first proxy it came by), if that may be called. Undefined: nowhere from
 * here.
 */
export function targetOf(binding: Binding, { holdsFlow, permits }: ReachOptions): Target | undefined {
  const { transport, address, port, path, natted } = binding
  const contact = { uri: binding.contact, routes: path }
  const source: Target = { transport, address, port, settled: true, contact }
  if (transport !== 'udp' && holdsFlow(binding)) return transport === 'tls' ? { ...source, connected: true } : source
  const named = placeOf(path[0] ?? binding.contact, transport)
  if (named !== undefined && !natted && permits(named, { address, port })) return { ...named, settled: true, contact }
  return transport === 'udp' ? source : undefined
}

/** The place that a URI names by an address; a name is not looked up: anybody may have made it lead anywhere. */
function placeOf(text: string, registeredOver: Binding['transport']): Omit<Target, 'settled'> | undefined {
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel') return undefined
  const address = uri.host.replace(/^\[|\]$/g, '')
  if (isIP(address) === 0) return undefined
  const named = uri.params.get('transport')?.toLowerCase()
  const transport = uri.scheme === 'sips' ? 'tls' : (named ?? (registeredOver === 'tls' ? 'tls' : 'udp'))
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') return undefined
  return { transport, address, port: uri.port ?? (transport === 'tls' ? 5061 : 5060) }
}

const sameHost = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Whether requests to a contact go to that place, which is where it was registered from or has the same address. */
export function isPlaceOf(binding: Binding, { address, port }: Place): boolean {
  if (!sameHost(binding.address, address)) return false
  return binding.port === port || placeOf(binding.path[0] ?? binding.contact, binding.transport)?.port === port
}

/** Whether a request from there comes from where a contact was registered, or (over UDP) from the address in it. */
export function comesFrom(
  binding: Binding,
  source: { readonly address: string; readonly port: number; readonly protocol: string },
): boolean {
  if (binding.transport !== source.protocol || !sameHost(binding.address, source.address)) return false
  if (binding.port === source.port) return true
  if (binding.transport !== 'udp') return false
  const named = placeOf(binding.contact, 'udp')
  return named !== undefined && sameHost(named.address, source.address) && named.port === source.port
}
