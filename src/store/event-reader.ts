import type { Redis } from 'ioredis'
import type { Clock, Timer } from '../engine/index.js'
import type { Connection } from './connection.js'
import { behind, isBefore, parseEntry, START, type EventEntry } from './event-entry.js'
import { keys } from './keys.js'

type RawEntry = readonly [id: string, fields: string[] | null]

/** Entries read in one round trip. */
const BATCH = 100
/** How long Redis holds a read that finds nothing. */
const BLOCK_MS = 5_000
/** A read that is not answered by then never will be: the other end is gone. */
const SILENCE_MS = BLOCK_MS + 3_000
const RETRY_MS = 500

/** The ends of the stream: `START` twice when it is empty. */
export interface StreamEnds {
  readonly first: string
  readonly last: string
}

export async function readEnds(connection: Connection): Promise<StreamEnds> {
  const [first, last] = await connection.ask('event', (client) =>
    Promise.all([
      client.xrange(keys.events, '-', '+', 'COUNT', 1),
      client.xrevrange(keys.events, '+', '-', 'COUNT', 1),
    ]),
  )
  return { first: first[0]?.[0] ?? START, last: last[0]?.[0] ?? START }
}

/** The entries behind a position, oldest first; at most `BATCH`. */
export async function readBehind(connection: Connection, position: string): Promise<EventEntry[]> {
  const read = await connection.ask(
    'event',
    (client) => client.xrange(keys.events, behind(position), '+', 'COUNT', BATCH),
    { patient: true },
  )
  return entriesOf(read)
}

/**
 * Follows the stream on a connection of its own, from when it is started until it is stopped, over every outage of Redis.
 * Nothing is read while nobody wants it.
 */
export class EventReader {
  #client: Redis | undefined
  /** Raised by each start and stop: a loop of an earlier one ends when it notices. */
  #run = 0
  #running = false
  #position: string | undefined
  #pause: { timer: Timer; resume: () => void } | undefined

  constructor(
    private readonly connection: Connection,
    private readonly clock: Clock,
    private readonly receive: (entries: readonly EventEntry[]) => void,
    /** The stream ends before where we were: what Redis had is lost. */
    private readonly movedBack: (position: string) => void,
  ) {}

  /** The last entry that has been handed out or passed over; undefined while that is not known. */
  get position(): string | undefined {
    return this.#position
  }

  /** Follows the stream from its present end. Resolves when that is known, or Redis cannot say; then it goes on by itself. */
  async start(): Promise<void> {
    if (this.#running) return
    this.#running = true
    const run = ++this.#run
    this.#position = undefined
    await this.locate(run)
    if (run === this.#run) void this.follow(run)
  }

  stop(): void {
    if (!this.#running) return
    this.#running = false
    this.#run += 1
    this.#pause?.timer.cancel()
    this.#pause?.resume()
    this.#pause = undefined
    this.#client?.disconnect()
    this.#client = undefined
  }

  /** Finds the end of the stream; after an outage it may lie before where we were, when what Redis had is lost. */
  private async locate(run: number): Promise<void> {
    try {
      const { last } = await readEnds(this.connection)
      if (run !== this.#run) return
      const lost = this.#position !== undefined && isBefore(last, this.#position)
      if (this.#position === undefined || lost) this.#position = last
      if (lost) this.movedBack(last)
    } catch {
      // Redis is away; the loop tries again.
    }
  }

  private async follow(run: number): Promise<void> {
    const client = this.connection.createSubscriber()
    this.#client = client
    while (run === this.#run) {
      try {
        if (client.status === 'wait' || client.status === 'end') await client.connect()
        if (run !== this.#run) return client.disconnect()
        if (this.#position === undefined) await this.locate(run)
        if (this.#position === undefined) throw new Error('the end of the stream is not known')
        await this.readOnce(client, this.#position, run)
      } catch {
        if (run !== this.#run) return
        await this.wait()
        if (run === this.#run) await this.locate(run)
      }
    }
  }

  private async readOnce(client: Redis, position: string, run: number): Promise<void> {
    const watch = this.clock.after(SILENCE_MS, () => client.disconnect(true))
    try {
      const read = await client.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', keys.events, position)
      if (run !== this.#run || read === null) return
      const entries = read.flatMap(([, found]) => entriesOf(found))
      const last = entries.at(-1)
      if (last === undefined) return
      this.#position = last.id
      this.receive(entries)
    } finally {
      watch.cancel()
    }
  }

  private wait(): Promise<void> {
    return new Promise((resume) => {
      this.#pause = { resume, timer: this.clock.after(RETRY_MS, resume) }
    })
  }
}

const entriesOf = (read: readonly RawEntry[]): EventEntry[] => read.map(([id, fields]) => parseEntry(id, fields ?? []))
