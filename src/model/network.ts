import { isIP } from 'node:net'
import { z } from 'zod'

/** Address and prefix length of a CIDR text (`10.0.0.0/8`, `::1/128`, a bare address), or undefined when it is none. */
export function parseNetwork(text: string): { address: string; prefix: number; family: 4 | 6 } | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const family = isIP(address)
  if (family !== 4 && family !== 6) return undefined
  if (address.includes('%')) return undefined
  const width = family === 4 ? 32 : 128
  if (slash < 0) return { address, prefix: width, family }
  const digits = text.slice(slash + 1)
  if (!/^[0-9]{1,3}$/.test(digits)) return undefined
  const prefix = Number(digits)
  return prefix <= width ? { address, prefix, family } : undefined
}

/** One address or network in CIDR form. */
export const network = z
  .string()
  .max(64)
  .refine((text) => parseNetwork(text) !== undefined, 'must be an IP address or a network such as 203.0.113.0/24')

export const networks = z.array(network).max(256)
