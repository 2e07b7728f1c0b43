import { isIP } from 'node:net'
import type { Transport } from './next-hop.js'

/** One server of a trunk: where bytes go. */
export interface Target {
  readonly transport: Transport
  /** IP literal without brackets. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
}

/** The target as the next hop of a request: `sip:192.0.2.7:5065;transport=tcp`. */
export function formatTarget({ transport, address, port }: Target): string {
  return `sip:${isIP(address) === 6 ? `[${address}]` : address}:${port};transport=${transport}`
}
