import type { FastifyRequest } from 'fastify'
import { isIP } from 'node:net'
import { maskAddress, parseAddress, parseNetworkBits } from '../model/network.js'

/** Whose word about the client's address counts: nobody's, that of whoever connects to us, or that of proxies in these networks. */
export type TrustProxy = boolean | readonly string[]

/**
 * Whether the address at the `hop`th place from us is one of our proxies (0: who is connected to us), as Fastify's `trustProxy` asks
 * it. The client is the right-most that is none: what stands left of it in X-Forwarded-For, anybody may have written.
 */
export function proxyTrust(trust: TrustProxy): (address: string, hop: number) => boolean {
  if (typeof trust === 'boolean') return (_address, hop) => trust && hop === 0
  const networks = trust.flatMap((network) => parseNetworkBits(network) ?? [])
  return (address) => {
    const parsed = parseAddress(address)
    return (
      parsed !== undefined &&
      networks.some(
        ({ bits, prefix, family }) =>
          family === parsed.family && maskAddress(parsed.bits, prefix, family) === maskAddress(bits, prefix, family),
      )
    )
  }
}

/** Where a request comes from: the client's address, as far as it is known; never anything but an IP address. */
export function sourceAddress(request: FastifyRequest): string {
  const { ip } = request
  const said = ip.length <= 45 && isIP(ip) !== 0 ? ip : (request.socket.remoteAddress ?? '')
  return said.replace(/^::ffff:(?=\d+\.)/i, '')
}
