import type { Config } from '../config/index.js'
import { type Clock, type Destinations, type Engine, Resolver } from '../engine/index.js'
import type { Connection } from '../store/connection.js'
import { CallLimits } from '../store/limits.js'
import type { Passwords } from '../store/passwords.js'
import type { Logger } from '../telemetry/index.js'
import { DigestSessions } from '../trunks/digest/session.js'
import { TrunkPing, type TrunkPingOptions, type TrunkSource } from '../trunks/ping.js'
import type { SipClient } from '../trunks/sip-client.js'
import type { SourceBook } from '../trunks/known-sources.js'
import { ServerAddresses } from '../trunks/server-addresses.js'
import { TargetHealth } from '../trunks/target-health.js'
import { type HopResolver, Targets } from '../trunks/targets.js'
import { type NamedCertificates, TrunkTlsProfiles } from '../trunks/tls-profiles.js'
import { TrunkTlsStates } from '../trunks/tls-state.js'
import { TrunkCredentials } from '../trunks/trunk-credentials.js'
import { TrunkIdentities } from '../trunks/trunk-identities.js'
import { TrunkPaths, type TrunkPathsOptions } from '../trunks/trunk-paths.js'
import { TrunkRequests } from '../trunks/trunk-requests.js'

export interface TrunkPartsOptions {
  readonly clock: Clock
  readonly connection: Connection
  readonly passwords: Pick<Passwords, 'get'>
  readonly sip: SipClient
  /** Where requests may not go; an engine of ours knows it too. */
  readonly destinations: Destinations
  /** Resolves names as it does for its own requests; undefined where the SIP server is another's. */
  readonly engine: Pick<Engine, 'resolve' | 'findServers' | 'tlsProfiles' | 'tlsPeers'> | undefined
  /** The SIP addresses of the server: `udp/192.0.2.1:5060`. */
  readonly addresses: () => readonly string[]
  readonly registered: TrunkPathsOptions['registered']
  readonly contacts: NonNullable<TrunkPathsOptions['contacts']>
  /** Where trunks are learned of. */
  readonly directory: TrunkSource
  /** Where trunks' servers are noted as sources of calls. */
  readonly sources: SourceBook
  readonly metrics: TrunkPingOptions['metrics']
  readonly logger: Logger
}

/** What requests to trunks are made with. */
export interface TrunkParts {
  readonly health: TargetHealth
  readonly targets: Targets
  readonly tlsStates: TrunkTlsStates
  readonly tlsProfiles: TrunkTlsProfiles
  readonly paths: TrunkPaths
  readonly credentials: TrunkCredentials
  readonly digests: DigestSessions
  readonly identities: TrunkIdentities
  readonly servers: ServerAddresses
  readonly requests: TrunkRequests
  readonly limits: CallLimits
  /** Asks trunks' servers whether they are there, from now on; once the SIP server is connected. */
  start(): void
  stop(): void
}

/** Puts together where requests to trunks go, who we are to them, and how many there may be. */
export function createTrunks(config: Config, options: TrunkPartsOptions): TrunkParts {
  const { clock, connection, sip: client } = options
  const own = options.engine === undefined ? createResolver(config, options) : undefined
  const resolver: HopResolver = options.engine ?? own!
  const health = new TargetHealth({ clock, avoidMs: config.trunks.avoid_failed_s * 1000 })
  const profiles = new TrunkTlsProfiles(options.engine?.tlsProfiles, namedCertificates(config))
  const targets = new Targets({ resolver, health, profiles })
  const digests = new DigestSessions()
  const limits = new CallLimits({ connection, clock })
  const paths = new TrunkPaths({ targets, health, registered: options.registered, contacts: options.contacts })
  const credentials = new TrunkCredentials({ passwords: options.passwords, max: config.cache.max_trunks })
  const requests = new TrunkRequests({ client, sessions: digests, clock })
  const ping = new TrunkPing({
    trunks: options.directory,
    paths,
    requests,
    credentialsOf: credentials.credentialsOf,
    health,
    metrics: options.metrics,
    logger: options.logger,
    clock,
    silenceMs: config.trunks.silence_ms,
    misses: config.trunks.ping_misses,
    answers: config.trunks.ping_answers,
  })
  const { engine, directory, sources } = options
  const finder = engine === undefined ? own! : { find: engine.findServers }
  const servers = new ServerAddresses({
    trunks: directory,
    finder,
    sources,
    clock,
    maxNames: 2 * config.cache.max_trunks,
  })
  sources.settled = () => servers.settled
  let stopListening: (() => void) | undefined
  return {
    health,
    targets,
    tlsProfiles: profiles,
    tlsStates: new TrunkTlsStates({ profiles, peers: options.engine?.tlsPeers, clock }),
    digests,
    limits,
    paths,
    credentials,
    requests,
    servers,
    identities: new TrunkIdentities({ credentials, sessions: digests, paths }),
    start() {
      ping.start()
      servers.start()
      stopListening = options.directory.onTrunk((id, trunk) => {
        if (trunk !== undefined) return
        credentials.forget(id)
        digests.forget(id)
        targets.forget(id)
      })
    },
    stop() {
      stopListening?.()
      ping.stop()
      servers.stop()
      limits.stop()
      own?.close()
    },
  }
}

/** The accounts that certificates with names are for. */
const namedCertificates = ({ sip }: Pick<Config, 'sip'>): NamedCertificates =>
  new Map(Object.entries(sip.tls.named_certificates).map(([name, { account_id }]) => [name, account_id]))

/** A resolver for a SIP server that is not ours: it sends from the addresses it names. */
function createResolver(config: Config, { clock, addresses, destinations }: TrunkPartsOptions): Resolver {
  return new Resolver({
    clock,
    destinations,
    supports: (protocol, family) =>
      addresses().some((address) => address.startsWith(`${protocol}/`) && address.includes('[') === (family === 6)),
    ...(config.dns.servers.length > 0 ? { servers: config.dns.servers } : {}),
  })
}
