import { collectDefaultMetrics, Counter, Gauge, type Metric, Registry } from 'prom-client'
import type { Distribution, EngineGauges, EngineStats, TransportCounters } from '../engine/index.js'
import { SipMessageCounter } from './sip-message-counter.js'

/** What an engine tells about itself. */
export interface ObservedEngine {
  gauges(): EngineGauges
  counters(): TransportCounters
  stats(): EngineStats
}

type MessageLabel = 'direction' | 'method' | 'status'
type MessageCounter = Counter<MessageLabel>

/** Messages of one direction and kind, added up. */
interface Tally {
  readonly direction: string
  readonly method: string
  readonly status: string
  readonly count: number
}

/** The version of drachtio-server whose metrics these are. */
const DRACHTIO_VERSION = 'v0.9.10'

/** @param counted what it learns from when it is read */
export const messageCounter = (registry: Registry, counted: SipMessageCounter): MessageCounter =>
  new Counter({
    name: 'signalbox_sip_messages_total',
    help: 'SIP messages by direction, method and status; status is empty for a request, method is "invalid" for what could not be parsed',
    labelNames: ['direction', 'method', 'status'],
    registers: [registry],
    collect() {
      counted.tell(this)
    },
  })

/** The metrics of an engine that runs alone. */
export class EngineMetrics {
  private readonly registry = new Registry()
  /** Counts SIP messages; made for the path of every message. */
  readonly sipMessageCounter = new SipMessageCounter()
  private readonly messages = messageCounter(this.registry, this.sipMessageCounter)

  /** Adds the metrics of the engine and of the process. Once only. */
  observe(engine: ObservedEngine): void {
    collectDefaultMetrics({ register: this.registry })
    addEngineMetrics(this.registry, engine, this.messages)
  }

  /** Prometheus' text form. */
  render(): Promise<string> {
    return this.registry.metrics()
  }

  get contentType(): string {
    return this.registry.contentType
  }
}

/**
 * Adds what an engine tells, under our names and under those of drachtio-server. The engine is asked once a scrape, and what
 * passes through it costs nothing more.
 */
export function addEngineMetrics(registry: Registry, engine: ObservedEngine, messages: MessageCounter): void {
  const registers = [registry]
  const stats = onceAScrape(() => engine.stats())
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  const total = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
  const ours = {
    dialogs: 'SIP dialogs the engine holds',
    transactions: 'SIP transactions the engine holds',
    timers: 'Timers of transactions and dialogs that are set',
    connections: 'TCP and TLS connections that are open',
    tlsConnections: 'TLS connections that are open',
  } as const satisfies Record<keyof EngineGauges, string>
  for (const [what, help] of Object.entries(ours) as [keyof EngineGauges, string][])
    gauge(`signalbox_engine_${snakeCased(what)}`, help, () => engine.gauges()[what])
  gauge('signalbox_engine_applications', 'Applications that are connected', () => stats().applications)
  gauge('signalbox_engine_proxied_requests', 'Requests that are proxied', () => stats().proxied)
  const totals = {
    bad_requests: ['Requests that could not be used', (all: EngineStats) => all.badRequests],
    repeated_requests: ['Requests sent once more', (all: EngineStats) => all.repeatedRequests],
    repeated_responses: ['Responses sent once more', (all: EngineStats) => all.repeatedResponses],
    blacklisted_requests: ['Requests dropped for their source', (all: EngineStats) => all.blacklisted],
    spammer_requests: ['Requests of spammers', (all: EngineStats) => all.spammers],
  } as const
  for (const [what, [help, read]] of Object.entries(totals))
    total(`signalbox_engine_${what}_total`, help, () => read(stats()))
  const transports = {
    ignoredDatagrams: ['ignored_datagrams', 'Datagrams that were no SIP message'],
    refusedConnections: ['refused_connections', 'Connections refused at a cap'],
    sendFailures: ['send_failures', 'Messages that did not leave'],
    failedHandshakes: ['tls_handshakes_failed', 'Peers that did not get through the TLS handshake'],
    deadPeers: ['dead_connections', 'Connections given up because their peer answered no more'],
  } as const
  for (const [what, [name, help]] of Object.entries(transports) as [
    keyof typeof transports,
    readonly [string, string],
  ][])
    total(`signalbox_engine_${name}_total`, help, () => engine.counters()[what])
  addDrachtioMetrics(registry, stats, messages, gauge)
}

function addDrachtioMetrics(
  registry: Registry,
  stats: () => EngineStats,
  messages: MessageCounter,
  gauge: (name: string, help: string, read: () => number) => void,
): void {
  const registers = [registry]
  const startedS = Math.floor(Date.now() / 1000)
  const build = { name: 'drachtio_build_info', help: 'Version that the engine stands in for', registers }
  new Counter({ ...build, labelNames: ['version'] }).inc({ version: DRACHTIO_VERSION })
  gauge('drachtio_time_started', 'When the engine was started, in seconds since 1970', () => startedS)
  new Gauge({
    name: 'drachtio_stable_dialogs',
    help: 'Calls that are answered, by who placed them: a peer (inbound) or an application',
    labelNames: ['type'],
    registers,
    collect() {
      this.set({ type: 'inbound' }, stats().inboundCalls)
      this.set({ type: 'outbound' }, stats().outboundCalls)
    },
  })
  gauge('drachtio_proxy_cores', 'Requests that are proxied', () => stats().proxied)
  gauge('drachtio_registered_endpoints', 'Contacts registered over connections', () => stats().registeredContacts)
  gauge('drachtio_app_connections', 'Applications that are connected', () => stats().applications)

  const tallies = onceAScrape(() => talliesOf(messages))
  const perKind = (name: string, help: string, direction: string, response: boolean): void => {
    new Counter({
      name,
      help,
      labelNames: ['method', 'code'],
      registers,
      async collect() {
        this.reset()
        for (const tally of await tallies()) {
          if (tally.direction !== direction || (tally.status !== '') !== response || tally.method === 'invalid')
            continue
          this.inc({ method: tally.method, ...(response ? { code: tally.status } : {}) }, tally.count)
        }
      },
    })
  }
  perKind('drachtio_sip_requests_in_total', 'SIP requests received', 'in', false)
  perKind('drachtio_sip_requests_out_total', 'SIP requests sent', 'out', false)
  perKind('drachtio_sip_responses_in_total', 'SIP responses received', 'in', true)
  perKind('drachtio_sip_responses_out_total', 'SIP responses sent', 'out', true)

  const sofia = (name: string, help: string, read: () => number): void => gauge(`drachtio_sofia_${name}`, help, read)
  const dialogs = (): number => stats().inboundCalls + stats().outboundCalls
  sofia('server_txn_hash_size', 'Room for server transactions', () => stats().serverTransactions)
  sofia('client_txn_hash_size', 'Room for client transactions', () => stats().clientTransactions)
  sofia('dialog_hash_size', 'Room for dialogs', dialogs)
  sofia('server_txns', 'Server transactions', () => stats().serverTransactions)
  sofia('client_txns', 'Client transactions', () => stats().clientTransactions)
  sofia('dialogs', 'Dialogs', dialogs)
  sofia('bad_reqs_recv', 'Requests received that could not be used', () => stats().badRequests)
  sofia('retransmitted_requests', 'Requests sent once more', () => stats().repeatedRequests)
  sofia('retransmitted_responses', 'Responses sent once more', () => stats().repeatedResponses)
  const counted = (name: string, help: string, counts: (tally: Tally) => boolean): void => {
    new Gauge({
      name: `drachtio_sofia_${name}`,
      help,
      registers,
      async collect() {
        const all = await tallies()
        this.set(all.reduce((sum, tally) => sum + (counts(tally) ? tally.count : 0), 0))
      },
    })
  }
  const isRequest = ({ method, status }: Tally): boolean => status === '' && method !== 'invalid'
  counted('msgs_recv', 'SIP messages received', ({ direction }) => direction === 'in')
  counted('msgs_sent', 'SIP messages sent', ({ direction }) => direction === 'out')
  counted('requests_recv_total', 'SIP requests received', (tally) => tally.direction === 'in' && isRequest(tally))
  counted('requests_sent', 'SIP requests sent', (tally) => tally.direction === 'out' && isRequest(tally))
  counted('bad_msgs_recv', 'Messages received that could not be parsed', ({ method }) => method === 'invalid')

  const histograms = {
    call_answer_seconds_in: ['Time to the answer of calls received', () => stats().inbound.answer],
    call_answer_seconds_out: ['Time to the answer of calls sent', () => stats().outbound.answer],
    call_pdd_seconds_in: ['Post-dial delay of calls received', () => stats().inbound.alert],
    call_pdd_seconds_out: ['Post-dial delay of calls sent', () => stats().outbound.alert],
  } as const
  for (const [name, [help, read]] of Object.entries(histograms))
    registry.registerMetric(new ReadHistogram(`drachtio_${name}`, help, read) as unknown as Metric)
}

const snakeCased = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A histogram taken elsewhere, as a registry reads it. */
class ReadHistogram {
  readonly type = 'histogram'
  readonly aggregator = 'sum'

  constructor(
    readonly name: string,
    readonly help: string,
    private readonly read: () => Distribution,
  ) {}

  async get() {
    const { name, help, type, aggregator } = this
    const { bounds, counts, sum } = this.read()
    let below = 0
    const buckets = counts.map((count, i) => {
      below += count
      return { metricName: `${name}_bucket`, labels: { le: bounds[i] ?? '+Inf' }, value: below }
    })
    const values = [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: below },
    ]
    return { name, help, type, aggregator, values }
  }

  /** What is taken elsewhere starts anew elsewhere. */
  reset(): void {}
}

async function talliesOf(messages: MessageCounter): Promise<readonly Tally[]> {
  const { values } = await messages.get()
  return values.map(({ value, labels: { direction = '', method = '', status = '' } }) => ({
    direction: String(direction),
    method: String(method),
    status: String(status),
    count: value,
  }))
}

/** Reads once for all that is asked in one turn of the event loop. */
function onceAScrape<T>(read: () => T): () => T {
  let known: { readonly value: T } | undefined
  return () => {
    if (known === undefined) {
      known = { value: read() }
      setImmediate(() => (known = undefined))
    }
    return known.value
  }
}
