import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SourceLedger } from '../edge/access/source-ledger.js'
import type { Calls } from '../edge/calls.js'
import type { Originator } from '../edge/originator.js'
import type { Clock } from '../engine/index.js'
import type { Destinations } from '../model/destinations.js'
import type { OutboundTests } from '../routing/outbound-test.js'
import type { Router } from '../routing/router.js'
import type { Accounts } from '../store/accounts.js'
import type { Agents } from '../store/agents.js'
import type { ApiTokens } from '../store/api-tokens.js'
import type { AuditLog } from '../store/audit-log.js'
import type { CdrLog } from '../store/cdr-log.js'
import type { Events } from '../store/events.js'
import type { KnownTokens } from '../store/known-tokens.js'
import type { CallLimits } from '../store/limits.js'
import type { Numbers } from '../store/numbers.js'
import type { Log } from '../store/observe.js'
import type { AllPasswords, Passwords } from '../store/passwords.js'
import type { SecretRotation } from '../store/secret-rotation.js'
import type { Registrations } from '../store/registrations.js'
import type { Trunks } from '../store/trunks.js'
import type { RegistrationManager } from '../trunks/registration/manager.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { TrunkTlsProfiles } from '../trunks/tls-profiles.js'
import type { TrunkTlsStates } from '../trunks/tls-state.js'
import type { ContactBook } from '../trunks/registrar/contact-book.js'
import type { TrunkPaths } from '../trunks/trunk-paths.js'

/** The Fastify instance the resources are added to. */
export type Api = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

/** Where customers send calls to, and where ours come from. */
export interface Origination {
  /** `sip:192.0.2.1:5060;transport=udp`, in the order of the configuration. */
  readonly origination_uris: string[]
  /** IP addresses a customer's firewall must let in. */
  readonly signalling_addresses: string[]
  /** `udp`, `tcp`. */
  readonly transports: string[]
}

/** Whether the edge can take calls, and what each part says. */
export interface Readiness {
  readonly ready: boolean
  readonly status: 'ready' | 'degraded' | 'starting' | 'stopping'
  readonly checks: Record<string, { ok: boolean; detail: string }>
}

/** What the API works on. */
export interface Services {
  readonly accounts: Pick<Accounts, 'list'>
  readonly agents: Pick<Agents, 'get' | 'put' | 'remove' | 'list'>
  readonly numbers: Pick<Numbers, 'get' | 'create' | 'update' | 'remove' | 'list'>
  readonly trunks: Pick<Trunks, 'get' | 'findEqual' | 'findOrCreate' | 'update' | 'remove' | 'list'>
  readonly passwords: Readonly<Record<keyof AllPasswords, Pick<Passwords, 'get' | 'replace' | 'has'>>>
  readonly secretRotation: Pick<SecretRotation, 'keys' | 'start' | 'find'>
  /** How many other edges are alive on the same Redis. */
  readonly otherEdges: () => number
  /** Registrations as their owners wrote them. */
  readonly registrations: Pick<Registrations, 'list' | 'get'>
  /** Registrations as they are now, and requests by hand. */
  readonly registrar: Pick<RegistrationManager, 'view' | 'request'>
  /** What PBXs have registered with us. */
  readonly contacts: Pick<ContactBook, 'get' | 'list' | 'view' | 'drop'>
  readonly audit: Pick<AuditLog, 'record' | 'list'>
  readonly tokens: Pick<ApiTokens, 'get' | 'create' | 'revoke' | 'list'>
  /** The same, as requests are let in by them. */
  readonly knownTokens: Pick<KnownTokens, 'find' | 'use' | 'forget'>
  /** What is in use of limits. */
  readonly limits: Pick<CallLimits, 'trunkUsage' | 'agentUsage'>
  /** Where calls to trunks go. */
  readonly trunkPaths: Pick<TrunkPaths, 'states' | 'rejection'>
  /** Where requests may not go. */
  readonly destinations: Destinations
  /** What is known of TLS towards trunks. */
  readonly tlsStates: Pick<TrunkTlsStates, 'stateOf' | 'warningsOf'>
  readonly tlsProfiles: Pick<TrunkTlsProfiles, 'certificateProblem'>
  readonly cdrs: Pick<CdrLog, 'get' | 'list'>
  /** Sources that this edge has banned. */
  readonly bans: Pick<SourceLedger, 'bans' | 'find' | 'lift'>
  readonly router: Pick<Router, 'decide'>
  readonly outboundTests: Pick<OutboundTests, 'ask'>
  readonly calls: Pick<Calls, 'list' | 'get' | 'hangUp'>
  readonly originator: Pick<Originator, 'originate'>
  readonly origination: () => Origination
  readonly readiness: () => Readiness
  readonly events: Pick<Events, 'listen'>
  readonly metrics: Pick<Metrics, 'render' | 'contentType'> & {
    readonly eventListeners: { set(value: number): void }
    readonly apiTokenFailures: { inc(labels: { result: string }): void }
  }
  readonly clock: Clock
  readonly logger: Log
}
