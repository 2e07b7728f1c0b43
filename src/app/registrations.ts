import type { Config } from '../config/index.js'
import type { Clock } from '../engine/index.js'
import type { EventSink } from '../model/event.js'
import type { Connection } from '../store/connection.js'
import type { ContactTokens } from '../store/contact-tokens.js'
import type { Directory } from '../store/directory.js'
import { Edges } from '../store/edges.js'
import { Registrations } from '../store/registrations.js'
import type { Logger, Metrics } from '../telemetry/index.js'
import { RegistrationManager } from '../trunks/registration/manager.js'
import type { TrunkParts } from './trunks.js'

export interface RegistrationPartsOptions {
  readonly clock: Clock
  readonly connection: Connection
  readonly directory: Directory
  readonly trunks: Pick<TrunkParts, 'targets' | 'health' | 'requests' | 'credentials' | 'servers'>
  readonly contactTokens: ContactTokens
  /** The SIP addresses of the server: `udp/192.0.2.1:5060`. */
  readonly addresses: () => readonly string[]
  readonly edgeId: string
  readonly events: EventSink
  readonly metrics: Metrics
  readonly logger: Logger
}

/** What registers trunks. */
export interface RegistrationParts {
  readonly store: Registrations
  readonly manager: RegistrationManager
  /** The edges on this Redis. */
  readonly edges: Edges
  /** Begins to register, once the SIP server is connected. */
  start(): Promise<void>
  /** Un-registers or hands over; within a few seconds. */
  stop(): Promise<void>
}

/** Puts together what registers trunks. */
export function createRegistrations(config: Config, options: RegistrationPartsOptions): RegistrationParts {
  const { clock, connection, directory, trunks, contactTokens, events, metrics, logger } = options
  const { registration, sip } = config
  const { edgeId } = options
  const edges = new Edges({ connection, clock, logger, edgeId, leaseMs: registration.lease_ms })
  const store = new Registrations({ connection })
  const manager = new RegistrationManager({
    clock,
    directory,
    store,
    edges,
    connection,
    events,
    metrics,
    logger,
    targetsOf: (trunk) => trunks.targets.of(trunk),
    send: (request) => trunks.requests.send(request),
    note: (target, response) => trunks.health.note(target, response),
    credentialsOf: trunks.credentials.credentialsOf,
    forgetCredentials: (trunkId) => trunks.credentials.forget(trunkId),
    registeredAt: (trunkId, address) => trunks.servers.registeredAt(trunkId, address),
    tokenOf: (trunk) => contactTokens.of(trunk),
    ownAddresses: () => placesOf(options.addresses(), sip.external_ip),
    userAgent: sip.user_agent,
    settings: {
      maxInFlight: registration.max_in_flight,
      startRate: registration.start_rate,
      responseTimeoutMs: registration.response_timeout_ms,
      retryBaseS: registration.retry_base_s,
      retryMaxS: registration.retry_max_s,
      refusedRetryS: registration.refused_retry_s,
      retryAfterMaxS: registration.retry_after_max_s,
      minExpiresMaxS: registration.min_expires_max_s,
      leaseMs: registration.lease_ms,
      unregisterOnStop: registration.unregister_on_stop,
    },
  })
  return {
    store,
    manager,
    edges,
    async start() {
      await edges.start()
      manager.start()
    },
    async stop() {
      await manager.stop()
      await edges.stop()
    },
  }
}

/** `host:port` of each address, as Contacts show it. */
function placesOf(addresses: readonly string[], externalIp: string | null): ReadonlySet<string> {
  const places = new Set<string>()
  for (const address of addresses) {
    const match = /^[a-z]+\/(.+):([0-9]+)$/.exec(address)
    if (match === null) continue
    const [, host = '', port = ''] = match
    places.add(`${host.toLowerCase()}:${port}`)
    if (externalIp !== null) places.add(`${externalIp.includes(':') ? `[${externalIp}]` : externalIp}:${port}`)
  }
  return places
}
