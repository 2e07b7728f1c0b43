import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { addAccessMetrics, type ObservedAccess } from './access-metrics.js'
import { addEngineMetrics, messageCounter, type ObservedEngine } from './engine-metrics.js'
import { EventLoopDelay } from './event-loop-delay.js'
import { SipMessageCounter } from './sip-message-counter.js'

/** Seconds; what we add to a call is milliseconds, what people take is seconds. */
const RELAY_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
const SETUP_BUCKETS = [...RELAY_BUCKETS, 10, 20, 30, 60, 120, 180]
const REDIS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]

/** Everything that is counted, in a registry of its own. Made once in app.ts; the parts get the metrics they write. */
export class Metrics {
  readonly registry = new Registry()
  private readonly registers = [this.registry]
  private readonly eventLoopDelay = new EventLoopDelay()

  readonly callsTotal = new Counter({
    name: 'signalbox_calls_total',
    help: 'Calls that have ended, by result: answered, or the code of the refusal or failure',
    labelNames: ['direction', 'result'],
    registers: this.registers,
  })
  readonly callsActive = new Gauge({
    name: 'signalbox_calls_active',
    help: 'Calls that are going on',
    labelNames: ['direction'],
    registers: this.registers,
  })
  readonly apiTokenFailures = new Counter({
    name: 'signalbox_api_token_failures_total',
    help: 'Requests to the API with a token that is not valid: refused, or limited when one address sent too many',
    labelNames: ['result'],
    registers: this.registers,
  })
  readonly challenges = new Counter({
    name: 'signalbox_challenges_total',
    help: 'INVITEs that were asked for digest credentials, and are not counted as calls, by whose: of an agent or a trunk',
    labelNames: ['of'],
    registers: this.registers,
  })
  readonly inviteRelaySeconds = new Histogram({
    name: 'signalbox_invite_relay_seconds',
    help: 'Time from an INVITE in to the INVITE out: the delay we add',
    buckets: RELAY_BUCKETS,
    registers: this.registers,
  })
  readonly setupSeconds = new Histogram({
    name: 'signalbox_setup_seconds',
    help: 'Time from an INVITE to its 200',
    buckets: SETUP_BUCKETS,
    registers: this.registers,
  })
  /** Counts SIP messages; made for the path of every message. */
  readonly sipMessageCounter = new SipMessageCounter()
  readonly sipMessages = messageCounter(this.registry, this.sipMessageCounter)
  readonly redisSeconds = new Histogram({
    name: 'signalbox_redis_seconds',
    help: 'Time Redis takes to answer',
    labelNames: ['operation'],
    buckets: REDIS_BUCKETS,
    registers: this.registers,
  })
  readonly redisErrors = new Counter({
    name: 'signalbox_redis_errors_total',
    help: 'Questions to Redis that failed or took too long',
    labelNames: ['operation'],
    registers: this.registers,
  })
  readonly redisUp = new Gauge({
    name: 'signalbox_redis_up',
    help: '1 while Redis answers, else 0',
    registers: this.registers,
  })
  readonly routeLookups = new Counter({
    name: 'signalbox_route_lookups_total',
    help: 'Routing look-ups by where the answer came from: memory, redis, stale (memory while Redis is away) or unavailable',
    labelNames: ['result'],
    registers: this.registers,
  })
  readonly routeRecordsInvalid = new Counter({
    name: 'signalbox_route_records_invalid_total',
    help: 'Records of the routing table that could not be used',
    registers: this.registers,
  })
  readonly registrations = new Gauge({
    name: 'signalbox_registrations',
    help: 'Registrations of trunks that this edge keeps, by state',
    labelNames: ['state'],
    registers: this.registers,
  })
  readonly registrationAttempts = new Counter({
    name: 'signalbox_registration_attempts_total',
    help: 'REGISTER attempts that have ended, by result: registered, unregistered, or why not',
    labelNames: ['result'],
    registers: this.registers,
  })
  readonly bindings = new Gauge({
    name: 'signalbox_bindings',
    help: 'Contacts that trunks with register_in have registered with this edge',
    registers: this.registers,
  })
  readonly registersReceived = new Counter({
    name: 'signalbox_registers_received_total',
    help: 'REGISTERs of trunks with register_in, by what came of them',
    labelNames: ['result'],
    registers: this.registers,
  })
  readonly trunkTargetsDown = new Gauge({
    name: 'signalbox_trunk_targets_down',
    help: 'Servers of trunks that do not answer OPTIONS',
    registers: this.registers,
  })
  readonly cdrQueue = new Gauge({
    name: 'signalbox_cdr_queue',
    help: 'Call records that wait to be written',
    registers: this.registers,
  })
  readonly cdrsWritten = new Counter({
    name: 'signalbox_cdrs_written_total',
    help: 'Call records written',
    registers: this.registers,
  })
  readonly cdrsDropped = new Counter({
    name: 'signalbox_cdrs_dropped_total',
    help: 'Call records lost because too many were waiting',
    registers: this.registers,
  })
  readonly auditDropped = new Counter({
    name: 'signalbox_audit_dropped_total',
    help: 'Audit entries lost because too many were waiting for Redis',
    registers: this.registers,
  })
  readonly eventsDropped = new Counter({
    name: 'signalbox_events_dropped_total',
    help: 'Events lost because too many were waiting for Redis',
    registers: this.registers,
  })
  readonly eventListeners = new Gauge({
    name: 'signalbox_event_listeners',
    help: 'Clients that follow the event stream of this edge',
    registers: this.registers,
  })

  constructor() {
    // A series that is there from the start can be told apart from one that broke.
    for (const direction of ['inbound', 'outbound']) this.callsActive.set({ direction }, 0)
    for (const result of ['memory', 'redis', 'stale', 'unavailable']) this.routeLookups.inc({ result }, 0)
    this.redisUp.set(0)
    this.addEventLoopDelay()
    collectDefaultMetrics({ register: this.registry })
  }

  /** Adds the metrics of an engine that runs in this process. Once only. */
  observeEngine(engine: ObservedEngine): void {
    addEngineMetrics(this.registry, engine, this.sipMessages)
  }

  /** Adds how long certificates are good, read at each scrape: seconds by label. Once only. */
  observeCertificates(seconds: () => ReadonlyMap<string, number>): void {
    new Gauge({
      name: 'signalbox_tls_certificate_expiry_seconds',
      help: 'Seconds until a certificate ends, below zero when it has: server, client:<name>; peers: the first of those that servers of trunks and agents showed',
      labelNames: ['certificate'],
      registers: this.registers,
      collect() {
        this.reset()
        for (const [certificate, left] of seconds()) this.set({ certificate }, left)
      },
    })
  }

  /** Adds the metrics of who is turned away. Once only. */
  observeAccess(access: ObservedAccess): void {
    addAccessMetrics(this.registry, access)
  }

  /** What `/metrics` answers, in Prometheus' text form. */
  render(): Promise<string> {
    return this.registry.metrics()
  }

  get contentType(): string {
    return this.registry.contentType
  }

  /** Ends the measurement of the event loop. */
  stop(): void {
    this.eventLoopDelay.stop()
  }

  private addEventLoopDelay(): void {
    const { eventLoopDelay } = this
    new Gauge({
      name: 'signalbox_event_loop_delay_seconds',
      help: 'How late the event loop was since the last scrape: median, 99th percentile, maximum (quantile 1)',
      labelNames: ['quantile'],
      registers: this.registers,
      collect() {
        const { p50, p99, max } = eventLoopDelay.read()
        this.set({ quantile: '0.5' }, p50)
        this.set({ quantile: '0.99' }, p99)
        this.set({ quantile: '1' }, max)
      },
    })
  }
}
