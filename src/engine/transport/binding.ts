import { BlockList } from 'node:net'
import { bracketed, equalLeadingOctets, familyOf, isLoopback, sameAddress, unbracketed } from './address.js'
import type { ContactOption } from './contact.js'
import { wildcardFamilies } from './local-addresses.js'
import { defaultPort, TransportError } from './transport.js'
import type { Binding, Protocol } from './transport.js'

/** A binding and what only the choice between bindings needs. */
export interface LocalBinding extends Binding {
  readonly localNet: BlockList | undefined
}

/**
 * The binding of one socket that listens.
 *
 * @param externalIp shown to peers in place of `address`. One of the other family is passed over, and so is any for a loopback
 * address that `*` stands for: only this machine can be on the other end there.
 */
export function createBinding(option: ContactOption, address: string, port: number, externalIp?: string): LocalBinding {
  const { protocol } = option
  const family = familyOf(address) ?? 4
  const expanded = wildcardFamilies(option.host).length > 0 && isLoopback(address)
  const external = externalIp !== undefined && familyOf(externalIp) === family && !expanded
  const advertisedHost = bracketed(external ? externalIp : address)
  const sentBy = port === defaultPort(protocol) ? advertisedHost : `${advertisedHost}:${port}`
  const scheme = protocol === 'tls' ? 'sips' : 'sip'
  return {
    protocol,
    address,
    port,
    family,
    external,
    advertisedHost,
    advertisedPort: port,
    sentBy,
    contactUri: `${scheme}:${sentBy}${protocol === 'tcp' ? ';transport=tcp' : ''}`,
    secure: protocol === 'tls',
    localNet: option.localNet === undefined ? undefined : netOf(option.localNet, option.text),
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
  for (const binding of bindings) {
    if (binding.protocol !== target.protocol || binding.family !== family) continue
    const rank = rankOf(binding, target.address)
    if (rank > bestRank) {
      best = binding
      bestRank = rank
    }
  }
  return best
}

function rankOf(binding: LocalBinding, address: string): number {
  const reachable = isLoopback(binding.address) === isLoopback(address) || isLoopback(address)
  const local = binding.localNet?.check(address, binding.family === 4 ? 'ipv4' : 'ipv6') === true
  return (
    (reachable ? 10_000 : 0) +
    (local ? 1_000 : 0) +
    equalLeadingOctets(binding.address, address) * 10 +
    (binding.external ? 1 : 0)
  )
}

/** The host of a URI or Via names this binding, by the address it is bound to or the one it shows. */
export function answersTo(binding: Binding, host: string): boolean {
  return sameAddress(unbracketed(host), binding.address) || sameAddress(host, binding.advertisedHost)
}

function netOf(text: string, contact: string): BlockList {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const family = familyOf(address)
  const bits = slash < 0 ? (family === 4 ? 32 : 128) : Number(text.slice(slash + 1) || NaN)
  if (family === undefined || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128)) {
    throw new TransportError(
      'BAD_CONTACT',
      `contact ${JSON.stringify(contact)}: local net ${JSON.stringify(text)} is no CIDR block`,
    )
  }
  const net = new BlockList()
  net.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  return net
}
