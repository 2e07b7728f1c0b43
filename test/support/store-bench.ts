import type { NewAgent } from '../../src/store/agents.js'
import { SystemClock } from '../../src/engine/index.js'
import { Agents } from '../../src/store/agents.js'
import { connect, type Connection } from '../../src/store/connection.js'
import type { ContactTokens } from '../../src/store/contact-tokens.js'
import { Directory } from '../../src/store/directory.js'
import type { NewNumber } from '../../src/store/numbers.js'
import { Numbers } from '../../src/store/numbers.js'
import type { Log } from '../../src/store/observe.js'
import type { NewTrunk } from '../../src/store/trunks.js'
import { Trunks } from '../../src/store/trunks.js'
import { scopedId } from '../../src/model/account.js'
import { trunkFields } from '../../src/model/trunk.js'

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** A logger that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: Line[] = []
  readonly debug = this.keep('debug')
  readonly info = this.keep('info')
  readonly warn = this.keep('warn')
  readonly error = this.keep('error')

  /** Lines of a level whose message has this text. */
  matching(level: Line['level'], text: string): Line[] {
    return this.lines.filter((line) => line.level === level && line.message.includes(text))
  }

  private keep(level: Line['level']) {
    return (fields: object, message: string): void => {
      this.lines.push({ level, fields: fields as Record<string, unknown>, message })
    }
  }
}

/** Metrics of the store, as plain numbers. */
export class KeptMetrics {
  up = -1
  readonly errors = new Map<string, number>()
  readonly asked = new Map<string, number>()
  readonly lookups = new Map<string, number>()
  invalid = 0
  cdrsWaiting = 0
  written = 0
  dropped = 0

  eventsLost = 0

  readonly redisUp = { set: (value: number) => void (this.up = value) }
  readonly redisSeconds = { observe: ({ operation }: { operation: string }) => this.add(this.asked, operation) }
  readonly redisErrors = { inc: ({ operation }: { operation: string }) => this.add(this.errors, operation) }
  readonly routeLookups = { inc: ({ result }: { result: string }) => this.add(this.lookups, result) }
  readonly routeRecordsInvalid = { inc: () => void (this.invalid += 1) }
  readonly cdrQueue = { set: (value: number) => void (this.cdrsWaiting = value) }
  readonly cdrsWritten = { inc: () => void (this.written += 1) }
  readonly cdrsDropped = { inc: () => void (this.dropped += 1) }

  readonly eventsDropped = { inc: () => void (this.eventsLost += 1) }

  private add(counts: Map<string, number>, name: string): void {
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
}

/** A store on a Redis of the test's own. */
export class StoreBench {
  readonly log = new KeptLog()
  readonly metrics = new KeptMetrics()
  readonly clock = new SystemClock()
  readonly connection: Connection
  readonly numbers: Numbers
  readonly agents: Agents
  readonly trunks: Trunks
  private readonly directories: Directory[] = []

  constructor(
    readonly url: string,
    commandTimeoutMs = 100,
  ) {
    const { metrics, log: logger, clock } = this
    this.connection = connect({ url, commandTimeoutMs, connectTimeoutMs: 1_000, metrics, logger })
    this.numbers = new Numbers({ connection: this.connection, clock })
    this.agents = new Agents({ connection: this.connection, clock })
    this.trunks = new Trunks({ connection: this.connection, clock })
  }

  static async ready(url: string, commandTimeoutMs?: number): Promise<StoreBench> {
    const bench = new StoreBench(url, commandTimeoutMs)
    if (!(await bench.connection.ready(5_000))) throw new Error(`Redis is away: ${bench.connection.problem ?? ''}`)
    return bench
  }

  /** A directory that is not started yet; it ends with the bench. */
  directory(
    limits: {
      maxNumbers?: number
      maxTrunks?: number
      maxAgents?: number
      freshMs?: number
      contactTokens?: ContactTokens
    } = {},
  ): Directory {
    const directory = new Directory({
      connection: this.connection,
      clock: this.clock,
      metrics: this.metrics,
      logger: this.log,
      maxNumbers: 1_000,
      maxTrunks: 1_000,
      maxAgents: 1_000,
      freshMs: 1_000,
      ...limits,
    })
    this.directories.push(directory)
    return directory
  }

  async stop(): Promise<void> {
    await Promise.all(this.directories.map((directory) => directory.stop()))
    await this.connection.stop()
  }
}

/** A number on the trunk `pbx-1` and the agent `front` of its account. */
export function newNumber(phone_number: string, fields: Partial<NewNumber> = {}): NewNumber {
  const { account_id = 'default' } = fields
  return {
    account_id,
    phone_number,
    kind: 'e164',
    label: '',
    trunk_id: scopedId(account_id, 'pbx-1'),
    inbound_agent_id: scopedId(account_id, 'front'),
    outbound_agent_ids: [],
    source: 'custom',
    enabled: true,
    ...fields,
  }
}

export function newAgent(id: string, fields: Partial<NewAgent> = {}): NewAgent {
  return {
    account_id: 'default',
    id,
    name: '',
    sip_uri: `sip:${id}@127.0.0.1:5090`,
    fallback_sip_uris: [],
    headers: {},
    media_encryption: 'allowed',
    ring_timeout_s: null,
    channel_limit: null,
    cps_limit: null,
    minutes_per_day: null,
    max_call_seconds: null,
    allowed_addresses: [],
    auth: null,
    ...fields,
  }
}

export function newTrunk(id: string, fields: Partial<NewTrunk> = {}): NewTrunk {
  return { account_id: 'default', ...trunkFields.parse({}), id, ...fields }
}

/** The error a promise is rejected with; fails when it is not. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; detail?: Record<string, unknown> }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('was not rejected')
}
