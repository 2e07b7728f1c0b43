import { parseContact } from '../engine/index.js'
import { DestinationPolicy } from '../model/destinations.js'
import { isLoopbackHost } from '../model/network.js'
import type { Config } from './schema.js'
import { parseListen } from './values.js'

const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** Hosts that are listened on, or stand for, loopback among others. */
const EVERYWHERE = new Set(['localhost', '0.0.0.0', '::'])

type AccessConfig = Pick<Config, 'access' | 'sip' | 'drachtio'>

/**
 * The networks that requests may go to although they are not public: those configured, else loopback while nothing but loopback is
 * listened on.
 */
export function allowedNetworks({ access, sip, drachtio }: AccessConfig): readonly string[] {
  if (access.allowed_networks !== null) return access.allowed_networks
  const own = drachtio.host === null ? sip.contacts.flatMap((contact) => parseContact(contact)) : []
  const trial = own.length > 0 && own.every(({ host }) => isLoopbackHost(host))
  return trial ? LOOPBACK : []
}

/** Where requests may go, by the configuration; not to this edge's own API and control port either. */
export function destinationPolicy(config: AccessConfig & Pick<Config, 'http'>): DestinationPolicy {
  const { http, drachtio } = config
  const api = parseListen(http.listen)
  return new DestinationPolicy({
    allowed: allowedNetworks(config),
    ownServices: [
      ...(api === undefined ? [] : atLoopback(api.host, api.port)),
      ...(drachtio.secret === null ? [] : atLoopback(drachtio.host ?? '127.0.0.1', drachtio.port)),
    ],
  })
}

/** The addresses of a Redis as the policy closes them; none when its URL names no address. */
export function redisServices(url: string): string[] {
  if (!URL.canParse(url)) return []
  const { hostname, port } = new URL(url)
  return hostname === '' ? [] : atLoopback(hostname.replace(/^\[|\]$/g, ''), Number(port || '6379'))
}

const atLoopback = (host: string, port: number): string[] =>
  (EVERYWHERE.has(host) ? ['127.0.0.1', '::1'] : [host]).map((address) => `${address}:${port}`)
