import { bracketed, familyOf, isLoopback, octetsOf, sameAddress, scopeOf, unbracketed } from './address.js'
import type { ContactOption } from './contact.js'
import { wildcardFamilies } from './local-addresses.js'
import { defaultPort, TransportError } from './transport.js'
import type { Binding, Protocol } from './transport.js'

/** A CIDR block. */
interface Net {
  readonly octets: readonly number[]
  readonly bits: number
}

/** A binding and what only the choice between bindings needs. */
export interface LocalBinding extends Binding {
  readonly octets: readonly number[]
  /** The private block of the bound address, `public` when it lies in none. */
  readonly scope: string
  /** Peers in it are sent to from here first; undefined: those of the bound address's private block are. */
  readonly localNet: Net | undefined
  /** Host names that mean it, in lower case. */
  readonly names: readonly string[]
  /** The same socket as peers of the local net are to see it, when they are shown another address than the rest. */
  readonly inside: LocalBinding | undefined
}

/** What is shown to peers in place of bound addresses. */
export interface Advertised {
  /** Of contacts of its family that name none themselves. */
  readonly externalIp?: string | undefined
  /** Peers of a contact's local net are shown the bound address all the same. */
  readonly localInside?: boolean | undefined
}

/**
 * The binding of one socket that listens.
 *
 * @param advertised its external address is passed over by the other family, and by a loopback address that `*` stands for: only this
 * machine can be on the other end there.
 */
export function createBinding(
  option: ContactOption,
  address: string,
  port: number,
  advertised: Advertised = {},
): LocalBinding {
  const external = option.externalIp ?? advertised.externalIp
  const expanded = wildcardFamilies(option.host).length > 0 && isLoopback(address)
  if (external === undefined || familyOf(external) !== familyOf(address) || expanded)
    return bindingShown(option, address, port, address)
  const inside = advertised.localInside === true ? bindingShown(option, address, port, address) : undefined
  return bindingShown(option, address, port, external, inside)
}

function bindingShown(
  option: ContactOption,
  address: string,
  port: number,
  shown: string,
  inside?: LocalBinding,
): LocalBinding {
  const { protocol } = option
  const advertisedHost = bracketed(shown)
  const sentBy = port === defaultPort(protocol) ? advertisedHost : `${advertisedHost}:${port}`
  const scheme = option.sips ? 'sips' : 'sip'
  // Peers differ on the port that `sip:` over TLS has when none is written.
  const hostPort = protocol === 'tls' && !option.sips ? `${advertisedHost}:${port}` : sentBy
  const transport = protocol === 'tcp' || (protocol === 'tls' && !option.sips) ? `;transport=${protocol}` : ''
  return {
    protocol,
    address,
    port,
    family: familyOf(address) ?? 4,
    external: shown !== address,
    advertisedHost,
    advertisedPort: port,
    sentBy,
    contactUri: `${scheme}:${hostPort}${transport}`,
    secure: protocol === 'tls',
    octets: octetsOf(address) ?? [],
    scope: scopeOf(address) ?? 'public',
    localNet: option.localNet === undefined ? undefined : netOf(option.localNet, option.text),
    names: (option.dnsNames ?? []).map((name) => name.toLowerCase()),
    inside,
  }
}

/** `udp 127.0.0.1:5060`: how a binding is called in messages to the operator. */
export function describeAddress(protocol: Protocol, address: string, port: number): string {
  return `${protocol} ${bracketed(address)}:${port}`
}

/**
 * The binding to send from to `address`: of its family, and among those the one whose local net holds it, then the one with most
 * equal leading octets, then one with an external address; loopback last, and first for a loopback address. Undefined when the
 * protocol or family has none.
 */
export function chooseBinding<B extends LocalBinding>(
  bindings: readonly B[],
  target: { readonly protocol: Protocol; readonly address: string },
): B | undefined {
  const family = familyOf(target.address)
  let best: B | undefined
  let bestRank = -1
  let octets: readonly number[] | undefined
  for (const binding of bindings) {
    if (binding.protocol !== target.protocol || binding.family !== family) continue
    if (best === undefined) {
      best = binding
      continue
    }
    // Only now: where there is one binding, nothing is to be weighed.
    if (octets === undefined) {
      octets = octetsOf(target.address) ?? []
      bestRank = rankOf(best, target.address, octets)
    }
    const rank = rankOf(binding, target.address, octets)
    if (rank > bestRank) {
      best = binding
      bestRank = rank
    }
  }
  return best
}

function rankOf(binding: LocalBinding, address: string, octets: readonly number[]): number {
  const reachable = isLoopback(binding.address) === isLoopback(address) || isLoopback(address)
  const difference = binding.octets.findIndex((octet, i) => octet !== octets[i])
  return (
    (reachable ? 10_000 : 0) +
    (isInside(binding, address, octets) ? 1_000 : 0) +
    (difference < 0 ? binding.octets.length : difference) * 10 +
    (binding.external ? 1 : 0)
  )
}

function isInside({ localNet, scope }: LocalBinding, address: string, octets: readonly number[]): boolean {
  if (localNet === undefined) return scope !== 'public' && scopeOf(address) === scope
  if (localNet.octets.length !== octets.length) return false
  const whole = localNet.bits >> 3
  for (let i = 0; i < whole; i++) if (localNet.octets[i] !== octets[i]) return false
  const mask = (0xff00 >> (localNet.bits & 7)) & 0xff
  return ((localNet.octets[whole] ?? 0) & mask) === ((octets[whole] ?? 0) & mask)
}

/** The binding as a peer at `address` is to see it. */
export function seenFrom(binding: LocalBinding, address: string): LocalBinding {
  if (binding.inside === undefined || !isInside(binding, address, octetsOf(address) ?? [])) return binding
  return binding.inside
}

/** The host of a URI or Via names this binding, by the address it is bound to, the one it shows, or a name of its contact. */
export function answersTo(binding: LocalBinding, host: string): boolean {
  return (
    sameAddress(unbracketed(host), binding.address) ||
    sameAddress(host, binding.advertisedHost) ||
    (binding.names.length > 0 && binding.names.includes(host.toLowerCase()))
  )
}

function netOf(text: string, contact: string): Net {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const octets = address.includes('%') ? undefined : octetsOf(address)
  const most = octets === undefined ? 0 : octets.length * 8
  const bits = slash < 0 ? most : Number(text.slice(slash + 1) || NaN)
  if (octets === undefined || !Number.isInteger(bits) || bits < 0 || bits > most) {
    throw new TransportError(
      'BAD_CONTACT',
      `contact ${JSON.stringify(contact)}: local net ${JSON.stringify(text)} is no CIDR block`,
    )
  }
  return { octets, bits }
}
