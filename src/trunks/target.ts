import { isIP } from 'node:net'
import type { Transport } from './next-hop.js'

/** One server of a trunk: where bytes go. */
export interface Target {
  readonly transport: Transport
  /** IP literal without brackets. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
  /** Over TLS: the host name that leads there, which its certificate must speak for; absent: it was named by its address. */
  readonly name?: string
  /** Over TLS: the id of the profile it is dialled under; absent: as all servers are. */
  readonly profile?: string
  /** Over TLS: it is who holds the open connection from there, whatever its certificate says: it registered with us on that. */
  readonly connected?: boolean
  /**
   * The transport was named, came from NAPTR or SRV, or is the one a REGISTER was accepted on: only it will do. False: it is UDP
   * because nobody named one, and a request too large for it may go over TCP (RFC 3261 18.1.1).
   */
  readonly settled: boolean
  /** The contact that a trunk registered with us, and by which proxies (RFC 3327): whom a request to it names, and its Routes. */
  readonly contact?: { readonly uri: string; readonly routes: readonly string[] }
}

/**
 * The target as the next hop of a request: `sip:192.0.2.7:5065;transport=tcp`; without the transport when that is not settled. Its name
 * and profile are parameters that the engine reads and other servers pass over.
 */
export function formatTarget(target: Target): string {
  if (target.transport === 'tls') {
    const name = target.name === undefined ? '' : `;x-signalbox-tls-name=${target.name}`
    const profile = target.profile === undefined ? '' : `;x-signalbox-tls=${target.profile}`
    const connected = target.connected === true ? ';x-signalbox-connected' : ''
    return `${nameTarget(target)}${name}${profile}${connected}`
  }
  return target.settled || target.transport !== 'udp' ? nameTarget(target) : `sip:${hostPort(target)}`
}

/** The target for people, always with its transport: `sip:192.0.2.7:5060;transport=udp`. */
export function nameTarget(target: Omit<Target, 'settled'>): string {
  return `sip:${hostPort(target)};transport=${target.transport}`
}

/** Whether both are the same server, reached the same way. */
export function sameTarget(a: Omit<Target, 'settled'>, b: Omit<Target, 'settled'>): boolean {
  return a.address === b.address && a.port === b.port && a.transport === b.transport
}

function hostPort({ address, port }: Pick<Target, 'address' | 'port'>): string {
  return `${isIP(address) === 6 ? `[${address}]` : address}:${port}`
}
