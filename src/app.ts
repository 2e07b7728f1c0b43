import { randomBytes } from 'node:crypto'
import { createApi, type Origination } from './api/index.js'
import { createAccess } from './app/access.js'
import { createSipEngine, engineSecret, reloadTls } from './app/engine.js'
import { watchCertificates } from './app/certificates.js'
import { httpTls, listen, reloadHttpTls } from './app/http.js'
import { createEvents } from './app/events.js'
import { originationOf } from './app/origination.js'
import { createOriginator } from './app/originator.js'
import { readinessOf } from './app/readiness.js'
import { createCallers } from './app/callers.js'
import { createOutbound } from './app/outbound.js'
import { createRegistrar, type RegistrarParts, withContacts } from './app/registrar.js'
import { createRegistrations, type RegistrationParts } from './app/registrations.js'
import { createSecrets } from './app/secrets.js'
import { sessionTimers } from './app/session-timers.js'
import { createTrunks } from './app/trunks.js'
import { refuseOpenRelay, refuseUnsafeStart } from './app/unsafe-start.js'
import {
  adminToken,
  allowedNetworks,
  type Config,
  destinationPolicy,
  forgetInstance,
  redisServices,
  writeInstance,
} from './config/index.js'
import { Calls, type DrachtioOptions, DrachtioServer, Edge } from './edge/index.js'
import { type ConnectionPeer, type Engine, SystemClock } from './engine/index.js'
import type { Destinations } from './model/destinations.js'
import { AgentIdentifier } from './routing/identify-agent.js'
import { OutboundRouter } from './routing/outbound.js'
import { OutboundTests } from './routing/outbound-test.js'
import { Router } from './routing/router.js'
import { Accounts } from './store/accounts.js'
import { Agents } from './store/agents.js'
import { ApiTokens } from './store/api-tokens.js'
import { AuditLog } from './store/audit-log.js'
import { CdrLog } from './store/cdr-log.js'
import { connect } from './store/connection.js'
import { ContactTokens } from './store/contact-tokens.js'
import { Directory } from './store/directory.js'
import { KnownTokens } from './store/known-tokens.js'
import { Numbers } from './store/numbers.js'
import { RedisServer } from './store/redis-server.js'
import { Trunks } from './store/trunks.js'
import { createLogger, type Logger, Metrics } from './telemetry/index.js'
import { SourceBook } from './trunks/known-sources.js'

/** What a started edge tells: where it is reached. */
export interface Running {
  /** `udp/127.0.0.1:5060` */
  readonly sip: readonly string[]
  readonly origination: Origination
  /** `http://127.0.0.1:8080` */
  readonly httpUrl: string
  readonly redisUrl: string
  /** The Redis is a child of this process. */
  readonly ownRedis: boolean
  /** The SIP server is the engine in this process. */
  readonly ownEngine: boolean
  /** Networks that requests may go to although they are not public. */
  readonly allowedNetworks: readonly string[]
}

export interface App {
  /**
   * Builds every part and starts it.
   * @throws {Error} with one line that says what is in the way: a taken address, a missing program, a refused secret
   */
  start(): Promise<Running>
  /** Ends calls (those that go on get BYE after `graceMs`), then every part. Safe to call at any time, also twice. */
  stop(graceMs?: number): Promise<void>
  /** Reads the certificates of TLS again. What is wrong with them is logged, and those in use stay so. */
  reload(): Promise<void>
}

/** Milliseconds a Redis may take to answer at the start before the edge comes up without it. */
const REDIS_PATIENCE_MS = 3_000

/** Puts the edge together: the one place that knows every part. */
export function createApp(config: Config): App {
  const undo: Array<() => unknown> = []
  let stopping: Promise<void> | undefined
  let edge: Edge | undefined
  const reloads: Array<() => unknown> = []

  /** What has been started is stopped in the opposite order. */
  const started = <T>(part: T, stop: (part: T) => unknown): T => {
    undo.push(() => stop(part))
    return part
  }

  const stopAll = async (graceMs: number): Promise<void> => {
    await edge?.stop(graceMs)
    for (const stop of undo.reverse()) {
      try {
        await stop()
      } catch {
        // The others must be stopped all the same.
      }
    }
  }

  return {
    async start() {
      try {
        refuseUnsafeStart(config)
        const tls = httpTls(config)
        const clock = new SystemClock()
        const logger = createLogger({ level: config.log.level })
        const metrics = started(new Metrics(), (part) => part.stop())
        const token = adminToken(config)
        const destinations = destinationPolicy(config)

        // First, so that a taken address is told before anything else is done.
        // Made below; until then nothing is registered that could lose its connection.
        let registrations = noneYet()
        let registrar = noRegistrarYet()
        const connectionClosed = (peer: ConnectionPeer): void => {
          registrations?.manager.connectionLost(peer)
          registrar?.location.flowClosed(peer)
        }
        const reachable = withContacts(destinations, () => registrar?.location)
        const calls = new Calls({ maxCalls: config.limits.max_calls, clock })
        const access = started(createAccess(config, { clock, logger, metrics, calls }), (part) => part.stop())
        const engine =
          config.drachtio.host === null
            ? createSipEngine(config, metrics, logger, connectionClosed, reachable, access.door)
            : undefined
        if (engine !== undefined) access.measure(engine)
        const sip = await sipServer(config, engine, logger, started)
        if (engine !== undefined) {
          reloads.push(() => reloadTls(engine, logger))
          started(watchCertificates(engine, { clock, metrics, logger }), (watch) => watch.stop())
        }
        let addresses: readonly string[] = []
        sip.onConnected((current) => {
          addresses = current
          registrations?.manager.serverIsBack()
        })

        const redisUrl = config.redis.url ?? (await startRedis(config, logger, started))
        destinations.close(redisServices(redisUrl))
        const connection = started(
          connect({
            url: redisUrl,
            commandTimeoutMs: config.redis.command_timeout_ms,
            connectTimeoutMs: config.redis.connect_timeout_ms,
            metrics,
            logger,
          }),
          (part) => part.stop(),
        )
        await connection.ready(REDIS_PATIENCE_MS)

        const parts = { connection, clock }
        const secrets = started(createSecrets(config, { ...parts, logger }), (part) => part.stop())
        const { ring, passwords, rotation } = secrets
        const contactTokens = new ContactTokens(ring)
        const directory = new Directory({
          ...parts,
          metrics,
          logger,
          maxNumbers: config.cache.max_numbers,
          maxTrunks: config.cache.max_trunks,
          maxAgents: config.cache.max_agents,
          freshMs: config.cache.fresh_ms,
          contactTokens,
        })
        await directory.start()
        started(directory, (part) => part.stop())
        refuseOpenRelay(directory)
        const sources = started(new SourceBook(directory), (part) => part.stop())
        sources.start()
        const cdrs = started(
          new CdrLog({
            ...parts,
            metrics,
            logger,
            streamMaxLength: config.cdr.stream_max_length,
            recordTtlS: config.cdr.record_ttl_s,
            queueMax: config.cdr.queue_max,
          }),
          (part) => part.stop(),
        )

        const events = started(createEvents(config, { ...parts, metrics, logger }), (part) => part.stop())

        const trunks = started(
          createTrunks(config, {
            ...parts,
            sip,
            engine,
            destinations,
            passwords: passwords.trunk,
            addresses: () => addresses,
            registered: (trunkId) => registrations?.manager.registered(trunkId),
            contacts: (trunkId) => registrar?.location.targets(trunkId) ?? [],
            directory,
            sources,
            metrics,
            logger,
          }),
          (part) => part.stop(),
        )

        const callers = createCallers(config, { clock, ring, metrics, passwords: passwords.trunkInbound })
        const edgeId = config.edge_id ?? `edge-${randomBytes(4).toString('hex')}`
        const who = { directory, ring, callers, sources, destinations, events, edgeId }
        registrar = createRegistrar(config, { ...parts, ...who, metrics, logger })
        started(registrar.location, (part) => part.stop())
        await registrar.location.start()
        const router = new Router({ directory, metrics, logger, sources })
        const callEvents = config.events.calls ? { events } : {}
        const callParts = {
          calls,
          cdrs,
          metrics,
          logger,
          clock,
          settings: edgeSettings(config, destinations),
          proved: (address: string) => access.door.proved(address),
          ...callEvents,
        }
        const outbound = {
          ...callParts,
          server: sip,
          router: new OutboundRouter({ directory, metrics, logger }),
          trunks,
        }
        edge = new Edge({
          ...callParts,
          srf: sip,
          router,
          // The engine asks it itself.
          ...(engine === undefined ? { door: access.door } : {}),
          limits: trunks.limits,
          maxCallSeconds: config.limits.max_call_seconds,
          identities: trunks.identities,
          trunkAuth: callers.trunkAuth,
          registrar: registrar.registrar,
          outbound: createOutbound(config, {
            ...outbound,
            directory,
            verifier: callers.verifier,
            passwords: passwords.agent,
          }),
        })
        edge.start()
        const originator = createOriginator(config, {
          ...outbound,
          stopping: () => edge?.stopping === true || stopping !== undefined,
          overloaded: () => access.overload.refused(),
        })
        const identifier = new AgentIdentifier(directory)
        access.door.guard({ sources, directory, router, identifier, registers: registrar.registers })
        await sip.connect()
        trunks.start()
        registrations = started(
          createRegistrations(config, {
            ...parts,
            directory,
            trunks,
            contactTokens,
            addresses: () => addresses,
            edgeId,
            events,
            metrics,
            logger,
          }),
          (part) => part.stop(),
        )
        await registrations.start()

        let serving = true
        started(undefined, () => (serving = false))
        const origination = (): Origination => originationOf(addresses)
        const tokens = new ApiTokens(parts)
        const audit = new AuditLog({ ...parts, metrics, logger, maxEntries: config.audit.max_entries })
        started(audit, (part) => part.stop())
        const api = createApi({
          accounts: new Accounts(connection),
          agents: new Agents(parts),
          numbers: new Numbers(parts),
          trunks: new Trunks(parts),
          passwords,
          registrations: registrations.store,
          registrar: registrations.manager,
          contacts: registrar.contacts,
          trunkPaths: trunks.paths,
          limits: trunks.limits,
          tokens,
          audit,
          knownTokens: new KnownTokens(tokens, clock),
          tlsStates: trunks.tlsStates,
          tlsProfiles: trunks.tlsProfiles,
          secretRotation: rotation,
          otherEdges: () => registrations?.edges.alive.size ?? 0,
          cdrs,
          bans: access.ledger,
          router,
          outboundTests: new OutboundTests(new AgentIdentifier(directory), outbound.router),
          calls,
          originator,
          origination,
          readiness: () => readinessOf(config, connection, directory, sip.connected, serving && stopping === undefined),
          events,
          clock,
          metrics,
          logger,
          destinations,
          adminToken: token,
          tokenFailuresPerMinute: config.http.token_failures_per_minute,
          trustProxy: config.http.trust_proxy,
          tls,
        })
        reloads.push(() => reloadHttpTls(api, config, logger))
        const httpUrl = await listen(api, config.http.listen)
        started(api, (part) => part.close())

        writeInstance(config, {
          pid: process.pid,
          http_url: httpUrl,
          redis_url: redisUrl,
          sip: [...addresses],
        })
        started(undefined, () => forgetInstance(config))
        logger.info({ sip: addresses, http: httpUrl, allowedNetworks: allowedNetworks(config) }, 'Signalbox is up')
        return {
          sip: addresses,
          origination: origination(),
          httpUrl,
          redisUrl,
          ownRedis: config.redis.url === null,
          ownEngine: engine !== undefined,
          allowedNetworks: allowedNetworks(config),
        }
      } catch (error) {
        stopping = stopAll(0)
        await stopping
        throw error
      }
    },
    stop(graceMs = 0) {
      stopping ??= stopAll(graceMs)
      return stopping
    },
    async reload() {
      if (stopping === undefined) for (const reload of reloads) await reload()
    },
  }
}

const noneYet = (): RegistrationParts | undefined => undefined
const noRegistrarYet = (): RegistrarParts | undefined => undefined

type Started = <T>(part: T, stop: (part: T) => unknown) => T

/** The SIP server's adapter, not connected yet; starts the engine first if it is ours. */
async function sipServer(
  config: Config,
  engine: Engine | undefined,
  logger: Logger,
  started: Started,
): Promise<DrachtioServer> {
  const { host, port, secret } = config.drachtio
  let options: DrachtioOptions = { host: host ?? '127.0.0.1', port, secret: secret ?? '', logger }
  if (engine !== undefined) {
    await engine.start()
    started(engine, (part) => part.stop())
    options = { engine, secret: engineSecret(config), logger }
  }
  return started(new DrachtioServer(options), (part) => part.disconnect())
}

/** Starts a Redis of our own; its URL. */
async function startRedis(config: Config, logger: Logger, started: Started): Promise<string> {
  const server = new RedisServer({ dataDir: config.data.dir, logger })
  await started(server, (part) => part.stop()).start()
  return server.url
}

function edgeSettings(config: Config, destinations: Destinations) {
  const { sip } = config
  return {
    ringTimeoutMs: sip.ring_timeout_s * 1000,
    cancelWaitMs: 1_000,
    acknowledgeTimeoutMs: 64 * sip.t1_ms,
    offerPatienceMs: sip.offer_patience_ms ?? 40 * sip.t1_ms,
    userAgent: sip.user_agent,
    forwardHeaders: sip.forward_headers,
    retryAfterS: 10,
    sessionTimers: sessionTimers(sip),
    destinations,
  }
}
