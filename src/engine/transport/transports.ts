import type { Clock } from '../clock.js'
import type { Limits } from '../message/parse.js'
import type { Via } from '../message/via.js'
import type { ContactOption } from './contact.js'
import type {
  Binding,
  Flow,
  Protocol,
  Target,
  TransportCounters,
  TransportObserver,
  TransportSink,
} from './transport.js'

/** Limits and times of the transports. */
export interface TransportSettings {
  /** A stream on which nothing passes for this long is closed. */
  readonly idleTimeoutMs: number
  /** How long a connection of ours may take to come up. */
  readonly connectTimeoutMs: number
  /** How long a peer may take over one message on a stream, and over the first one after it connected. */
  readonly readDeadlineMs: number
  /** Streams open at the same time, both directions. */
  readonly maxConnections: number
  /**
   * Streams accepted from one address at the same time. A load generator that opens a connection a call (SIPp `-t tn`) needs it
   * above the calls it holds; a carrier or PBX needs a handful.
   */
  readonly maxConnectionsPerAddress: number
  /** Send and receive buffers asked of the system for each UDP socket; it may grant less. */
  readonly udpBufferBytes: number
}

export const defaultTransportSettings: TransportSettings = {
  idleTimeoutMs: 1_800_000,
  connectTimeoutMs: 4_000,
  readDeadlineMs: 10_000,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  udpBufferBytes: 4 * 1024 * 1024,
}

export interface TransportsOptions extends Partial<TransportSettings> {
  readonly contacts: readonly ContactOption[]
  /** IP literal shown to peers by every contact of its family that names none itself. */
  readonly externalIp?: string
  /** Further names that mean this engine (`dns-name`). */
  readonly names?: readonly string[]
  readonly clock: Clock
  readonly limits: Limits
  readonly sink: TransportSink
  readonly observer?: TransportObserver
}

/** Every socket of the engine: what listens, what is connected, and which way a message goes. */
export declare class Transports {
  constructor(options: TransportsOptions)
  start(): Promise<void>
  stop(): Promise<void>
  readonly bindings: readonly Binding[]
  readonly connections: number
  readonly counters: TransportCounters
  supports(protocol: Protocol, family: 4 | 6): boolean
  bindingFor(target: { readonly protocol: Protocol; readonly address: string }): Binding | undefined
  flowTo(target: Target, binding?: Binding): Flow | undefined
  flowForResponse(topVia: Via, flow: Flow): Flow | undefined
  isOwn(host: string, port: number | undefined): boolean
}
