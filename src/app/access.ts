import { networkInterfaces } from 'node:os'
import type { Config } from '../config/index.js'
import { type Calls, EdgeDoor, Overload, Scanners, SourceLedger, StrangerLog } from '../edge/index.js'
import { type Clock, type Engine, MessageWait, parseContact } from '../engine/index.js'
import { parseAddress, parseNetworkBits } from '../model/network.js'
import { AddressIndex } from '../store/address-index.js'
import type { Logger, Metrics } from '../telemetry/index.js'

export interface AccessOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'observeAccess'>
  readonly calls: Pick<Calls, 'refused'>
}

/** What decides who comes in. */
export interface AccessParts {
  readonly door: EdgeDoor
  readonly ledger: SourceLedger
  readonly overload: Overload
  /** The door hears how long messages wait from this engine. */
  measure(engine: Pick<Engine, 'waitMs'>): void
  stop(): void
}

export function createAccess(config: Config, { clock, logger, metrics, calls }: AccessOptions): AccessParts {
  const { access, limits, sip } = config
  // Of another's SIP server it is only known how long messages wait in this process.
  const wait = new MessageWait(clock, () => [])
  let waitMs = (): number => wait.ms
  wait.start()
  const ledger = new SourceLedger({
    clock,
    rate: access.source_rate,
    burst: access.source_burst,
    firstBanMs: access.ban_first_s * 1_000,
    longestBanMs: Math.max(access.ban_first_s, access.ban_max_s) * 1_000,
    maxSources: access.max_sources,
  })
  const exempt = new AddressIndex()
  exempt.set('exempt', access.exempt_addresses)
  const overload = new Overload({
    waitMs: () => waitMs(),
    shedDelayMs: limits.shed_delay_ms,
    patienceMs: 64 * sip.t1_ms,
  })
  const door = new EdgeDoor({
    clock,
    unknownSource: unknownSource(config),
    ledger,
    exempt: (address) => exempt.has(address),
    scanners: new Scanners(access.scanner_user_agents),
    overload,
    log: new StrangerLog({ clock, logger, ledger }),
  })
  metrics.observeAccess({
    turnedAway: () => door.turnedAway,
    bansActive: () => ledger.bansActive,
    shed: () => ({ event_loop: overload.counts.eventLoop, stale: overload.counts.stale, max_calls: calls.refused }),
  })
  return {
    door,
    ledger,
    overload,
    measure(engine) {
      wait.stop()
      waitMs = () => engine.waitMs()
    },
    stop: () => wait.stop(),
  }
}

/** What unknown sources get: where anybody on the internet can reach us, nothing. */
export function unknownSource({ access, sip }: Pick<Config, 'access' | 'sip'>): 'drop' | '403' {
  if (access.unknown_source !== null) return access.unknown_source
  const contacts = sip.contacts.flatMap((contact) => parseContact(contact))
  const shown = [sip.external_ip, ...contacts.map(({ externalIp }) => externalIp)]
  const bound = contacts.flatMap(({ host }) => (WILDCARDS.has(host) ? ownAddresses() : [host]))
  return [...shown, ...bound].some((address) => typeof address === 'string' && isPublic(address)) ? 'drop' : '403'
}

const WILDCARDS = new Set(['*', '0.0.0.0', '::', '[::]'])

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))

/** Networks that nobody on the internet can send from another place to. */
const PRIVATE = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
].flatMap((text) => parseNetworkBits(text) ?? [])

/** A name is taken for a public address: it may be one. */
function isPublic(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return false
  const address = parseAddress(host.replace(/^\[|\]$/g, '').replace(/%.*$/, ''))
  if (address === undefined) return true
  return !PRIVATE.some(({ bits, prefix, family }) => {
    const rest = BigInt((family === 4 ? 32 : 128) - prefix)
    return family === address.family && address.bits >> rest === bits >> rest
  })
}
