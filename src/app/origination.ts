import { isIP } from 'node:net'
import type { Origination } from '../api/index.js'

/** `udp/192.0.2.1:5060` for each protocol and address: what customers send calls to. */
export function originationOf(addresses: readonly string[]): Origination {
  const entries = addresses.flatMap((address) => {
    const match = /^(udp|tcp|tls)\/(.+):(\d+)$/.exec(address)
    return match ? [{ transport: match[1]!, host: match[2]!, port: match[3]! }] : []
  })
  const unique = (values: string[]): string[] => [...new Set(values)]
  return {
    origination_uris: entries.map(({ transport, host, port }) => `sip:${host}:${port};transport=${transport}`),
    signalling_addresses: unique(entries.map(({ host }) => host.replace(/^\[|\]$/g, ''))).filter(
      (host) => isIP(host) !== 0,
    ),
    transports: unique(entries.map(({ transport }) => transport)),
  }
}
