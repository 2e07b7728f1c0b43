import { TurnoverMap, type Clock, type Timer } from '../engine/index.js'
import type { Connection } from './connection.js'
import { keys } from './keys.js'
import type { EventMetrics, Log } from './observe.js'
import { Script } from './script.js'

export interface EventWriterOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: EventMetrics
  readonly logger: Log
  /** Names this process among the edges that write. */
  readonly origin: string
  /** Entries the stream keeps, about. */
  readonly streamMaxLength: number
  /** Events that may wait for Redis; then the oldest is dropped and counted. */
  readonly queueMax: number
}

/** Events written in one round trip. */
const BATCH = 200
/** Events of so many milliseconds go together. */
const GATHER_MS = 20
const RETRY_MS = 1_000

/**
 * Adds entries to the stream, in their order: one command for many is far less work for us than one each. KEYS: the stream. ARGV: its
 * length, whose entries they are, and of each its number and the event. Answer: how many were added before one could not be.
 */
const addScript = new Script(`
for at = 3, #ARGV, 2 do
  local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'origin', ARGV[2], 'number', ARGV[at], 'event', ARGV[at + 1])
  if type(added) == 'table' and added.err then
    if at == 3 then return added end
    return (at - 3) / 2
  end
end
return (#ARGV - 2) / 2`)

/** Writes this edge's events to the stream, in their order and in the background. */
export class EventWriter {
  /** What waits, by number, oldest first. */
  readonly #queue = new TurnoverMap<number, string>()
  readonly #stopListening: () => void
  #timer: Timer | undefined
  #writing = false
  #stopped = false
  #complained = false
  #done: (() => void) | undefined

  /** @param stuck some events wait for a Redis that is away */
  constructor(
    private readonly options: EventWriterOptions,
    private readonly stuck: () => void,
  ) {
    this.#stopListening = options.connection.onChange((up) => {
      if (up) this.write()
    })
  }

  get queued(): number {
    return this.#queue.size
  }

  /** What waits beyond that number, oldest first. */
  *waiting(after: number): Iterable<readonly [number, string]> {
    for (const entry of this.#queue) if (entry[0] > after) yield entry
  }

  /** Takes an event; O(1). Numbers rise. */
  push(number: number, text: string): void {
    this.#queue.set(number, text)
    if (this.#queue.size > this.options.queueMax) this.dropOldest()
    if (this.#writing || this.#stopped) return
    if (!this.options.connection.up) return this.stuck()
    this.#timer ??= this.options.clock.after(GATHER_MS, () => this.write())
  }

  /** Writes what waits, for `withinMs` at most, and ends. */
  async stop(withinMs: number): Promise<void> {
    if (this.#queue.size > 0 && this.options.connection.up) {
      await new Promise<void>((resolve) => {
        const timer = this.options.clock.after(withinMs, resolve)
        this.#done = () => {
          timer.cancel()
          resolve()
        }
        this.write()
      })
    }
    this.#stopped = true
    this.#timer?.cancel()
    this.#stopListening()
  }

  private dropOldest(): void {
    for (const oldest of this.#queue.keys()) {
      this.#queue.delete(oldest)
      return this.options.metrics.eventsDropped.inc()
    }
  }

  private write(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (!this.#writing && !this.#stopped) void this.writeAll()
  }

  private async writeAll(): Promise<void> {
    this.#writing = true
    let written = true
    while (written && this.#queue.size > 0 && !this.#stopped) written = await this.writeBatch()
    this.#writing = false
    if (this.#stopped) return
    if (this.#queue.size === 0) return this.#done?.()
    this.#timer ??= this.options.clock.after(RETRY_MS, () => this.write())
    this.stuck()
  }

  private async writeBatch(): Promise<boolean> {
    const { connection, origin, streamMaxLength } = this.options
    const numbers: number[] = []
    const args: (string | number)[] = [streamMaxLength, origin]
    for (const [number, text] of this.#queue) {
      args.push(number, text)
      if (numbers.push(number) >= BATCH) break
    }
    try {
      await connection.ask(
        'event',
        async (client) => {
          const added = Number(await addScript.run(client, [keys.events], args))
          if (!(added > 0)) throw new Error('unexpected answer of Redis')
          for (let at = 0; at < added && at < numbers.length; at++) this.#queue.delete(numbers[at]!)
        },
        { patient: true },
      )
    } catch (error) {
      this.complain(error)
      return false
    }
    this.#complained = false
    return true
  }

  /** Once an outage. */
  private complain(error: unknown): void {
    if (this.#complained) return
    this.#complained = true
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown error'
    this.options.logger.warn({ reason, waiting: this.#queue.size }, 'events wait for Redis')
  }
}
