import { isIP } from 'node:net'
import { isPort } from '../transport/address.js'

/** Where a name server listens. */
export interface ServerAddress {
  /** IP literal without brackets; IPv6 may have a zone. */
  readonly address: string
  readonly port: number
}

const DNS_PORT = 53

/**
 * A name server as it is configured: `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`.
 * @throws {TypeError} when it is none of these
 */
export function parseServer(text: string): ServerAddress {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT }
  const match = /^(?:\[([^\]]{1,80})\]|([^:]{1,80}))(?::(\d{1,5}))?$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3])
  if (isIP(address) === 0 || !isPort(port)) throw new TypeError(`${JSON.stringify(text)} is no name server`)
  return { address, port }
}

export const nameOfServer = ({ address, port }: ServerAddress): string =>
  `${isIP(address) === 6 ? `[${address}]` : address}:${port}`
