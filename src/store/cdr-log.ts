import { TurnoverMap, type Clock, type Timer } from '../engine/index.js'
import { type Cdr, cdrText } from '../model/call.js'
import { CdrKeeper, readCdr, type CdrRetention, type WaitingCdr } from './cdr-keeping.js'
import { listCdrs, type CdrListRequest } from './cdr-list.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { isIdentifier } from './keys.js'
import type { CdrMetrics, Log } from './observe.js'
import type { Page } from './page.js'

export interface CdrLogOptions extends CdrRetention {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: CdrMetrics
  readonly logger: Log
  /** Records that may wait for Redis; then the oldest is dropped, logged and counted. */
  readonly queueMax: number
}

/** Records written in one round trip. */
const BATCH = 100
/** Milliseconds between two writes, the least: the records of so long go together. */
const SPACING_MS = 20
const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 5_000

/** The record of every call that ended: one each, however often the writing is tried. */
export class CdrLog {
  /** Records that wait, by call_id, oldest first. */
  private readonly queue = new TurnoverMap<string, WaitingCdr>()
  private readonly emptied = new Set<() => void>()
  private readonly keeper: CdrKeeper
  private readonly stopListening: () => void
  private writing = false
  private retry: Timer | undefined
  private retryMs = FIRST_RETRY_MS
  private wroteAtMs = -SPACING_MS
  private complained = false
  private stopped = false

  constructor(private readonly options: CdrLogOptions) {
    this.keeper = new CdrKeeper(options)
    options.metrics.cdrQueue.set(0)
    this.stopListening = options.connection.onChange((up) => {
      if (up) this.wake()
    })
  }

  /** Records waiting to be written. */
  get queued(): number {
    return this.queue.size
  }

  /** Takes the record and returns at once; it is written in the background, and again until Redis has it. The first one of a call counts. */
  append(cdr: Cdr): void {
    const { call_id: callId, phone_number: phoneNumber, ended_at } = cdr
    if (this.queue.has(callId)) return
    this.queue.set(callId, { callId, phoneNumber, endMs: Date.parse(ended_at), text: cdrText(cdr) })
    if (this.queue.size > this.options.queueMax) {
      const [oldest] = this.queue.values()
      if (oldest !== undefined) this.drop(oldest, 'too many records wait for Redis')
    }
    this.options.metrics.cdrQueue.set(this.queue.size)
    if (this.retry === undefined && !this.writing) this.wakeSpaced()
  }

  /** @throws {StoreError} UNAVAILABLE; INVALID when the record does not parse */
  async get(callId: string): Promise<Cdr | undefined> {
    const waiting = this.queue.get(callId)
    if (waiting !== undefined) return parse(waiting)
    if (!isIdentifier(callId)) return undefined
    const read = await this.options.connection.ask('cdr', (client) => readCdr(client, callId))
    if (read.kind === 'invalid')
      throw new StoreError('INVALID', `the record of call ${callId} does not parse: ${read.why}`)
    return read.kind === 'value' ? read.value : undefined
  }

  /** Newest first. @throws {StoreError} UNAVAILABLE; INVALID for a malformed cursor or `since` */
  list(request: CdrListRequest): Promise<Page<Cdr>> {
    return listCdrs(this.options.connection, request)
  }

  /** Resolves when nothing waits any more, or after `withinMs`. */
  flush(withinMs = 2_000): Promise<void> {
    if (this.queue.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        this.emptied.delete(end)
        resolve()
      }
      const timer = this.options.clock.after(withinMs, end)
      this.emptied.add(end)
      this.wake()
    })
  }

  /** Flushes, then logs in full what could not be written, and ends. */
  async stop(withinMs?: number): Promise<void> {
    await this.flush(withinMs)
    this.stopped = true
    this.retry?.cancel()
    this.stopListening()
    for (const waiting of this.queue.values())
      this.options.logger.error(
        { callId: waiting.callId, cdr: parse(waiting) },
        'call record not written: Redis is away',
      )
  }

  private drop(waiting: WaitingCdr, why: string): void {
    const { callId } = waiting
    this.queue.delete(callId)
    this.options.metrics.cdrsDropped.inc()
    this.options.logger.error({ callId, cdr: parse(waiting), why }, 'call record dropped')
  }

  private wake(): void {
    this.retry?.cancel()
    this.retry = undefined
    if (!this.writing && !this.stopped && this.queue.size > 0) void this.writeAll()
  }

  private wakeSpaced(): void {
    const waitMs = this.wroteAtMs + SPACING_MS - this.options.clock.now()
    if (waitMs <= 0) this.wake()
    else this.retry = this.options.clock.after(waitMs, () => this.wake())
  }

  private async writeAll(): Promise<void> {
    this.writing = true
    let succeeded = true
    do succeeded = await this.writeBatch()
    while (succeeded && !this.stopped && this.queue.size > (this.emptied.size > 0 ? 0 : BATCH))
    this.writing = false
    if (this.queue.size === 0) for (const end of [...this.emptied]) end()
    else if (this.stopped) return
    else if (succeeded) this.wakeSpaced()
    else {
      this.retry = this.options.clock.after(this.retryMs, () => this.wake())
      this.retryMs = Math.min(this.retryMs * 2, MAX_RETRY_MS)
    }
  }

  /** Writes the oldest records; those that fail stay. False when any did. */
  private async writeBatch(): Promise<boolean> {
    const { connection, metrics } = this.options
    const batch: WaitingCdr[] = []
    for (const waiting of this.queue.values()) if (batch.push(waiting) >= BATCH) break
    this.wroteAtMs = this.options.clock.now()
    try {
      const results = await connection.ask('cdr', (client) => this.keeper.keep(client, batch), { patient: true })
      let failure: Error | undefined
      for (const [at, waiting] of batch.entries()) failure = this.settle(waiting, results[at]) ?? failure
      metrics.cdrQueue.set(this.queue.size)
      if (failure !== undefined) throw failure
    } catch (error) {
      this.complain(error)
      return false
    }
    this.retryMs = FIRST_RETRY_MS
    this.complained = false
    return true
  }

  /** Takes a record off the queue when it is written, or never can be. Gives the reason why it must wait. */
  private settle(waiting: WaitingCdr, error: Error | undefined): Error | undefined {
    if (error instanceof StoreError) this.drop(waiting, error.message)
    else if (error !== undefined) return error
    else if (this.queue.delete(waiting.callId)) this.options.metrics.cdrsWritten.inc()
    return undefined
  }

  /** Once an outage. */
  private complain(error: unknown): void {
    if (this.complained) return
    this.complained = true
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown error'
    this.options.logger.warn({ reason, waiting: this.queue.size }, 'call records wait for Redis')
  }
}

const parse = ({ text }: WaitingCdr): Cdr => JSON.parse(text) as Cdr
