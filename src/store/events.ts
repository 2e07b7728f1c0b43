import { randomUUID } from 'node:crypto'
import type { Clock } from '../engine/index.js'
import { cdrText } from '../model/call.js'
import type { EventSink, SignalboxEvent } from '../model/event.js'
import type { Connection } from './connection.js'
import { isBefore, isPosition, MAX_EVENT_LENGTH, Repeats, type EventEntry, type StreamedEvent } from './event-entry.js'
import { EventReader, readBehind, readEnds } from './event-reader.js'
import { EventWriter } from './event-writer.js'
import type { EventMetrics, Log } from './observe.js'

export interface EventsOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: EventMetrics
  readonly logger: Log
  /** Entries the stream keeps, about. */
  readonly streamMaxLength: number
  /** Events that may wait for Redis; then the oldest is dropped and counted. */
  readonly queueMax: number
}

/** Somebody who wants to hear what happens. */
export interface EventListener {
  event(event: StreamedEvent): void
  /** An event it has heard without an id has this one. */
  position(id: string): void
  /** Events have been missed: the stream goes on from now. */
  reset(): void
  /** Resolves when more can be taken: events of the past wait for that, those of the present do not. */
  ready(): Promise<void>
}

/** What follows a listener's wish to listen. */
export interface Listening {
  /** Whether it hears on from where it asked to. */
  readonly resumed: boolean
  close(): void
}

/**
 * What happens on every edge, in one order: a capped Redis stream that all edges write and each reads while somebody listens.
 * While Redis is away listeners of this edge hear this edge's events, without ids; the others' follow when it is back.
 */
export class Events implements EventSink {
  readonly #origin = randomUUID()
  readonly #writer: EventWriter
  readonly #reader: EventReader
  readonly #listeners = new Set<Listener>()
  readonly #repeats = new Repeats()
  /** Number of the last event of ours. */
  #number = 0
  /** Number of the last one that listeners were told without Redis. */
  #told = 0
  #stopped = false

  constructor(private readonly options: EventsOptions) {
    const { connection, clock } = options
    this.#writer = new EventWriter({ ...options, origin: this.#origin }, () => this.tellWaiting())
    this.#reader = new EventReader(
      connection,
      clock,
      (entries) => this.receive(entries),
      (position) => {
        for (const listener of this.#listeners) if (listener.live) listener.startOver(position)
      },
    )
  }

  /** Events that wait to be written. */
  get queued(): number {
    return this.#writer.queued
  }

  publish(event: SignalboxEvent): void {
    if (this.#stopped) return
    try {
      const text = textOf(event)
      if (text.length > MAX_EVENT_LENGTH) return this.options.metrics.eventsDropped.inc()
      this.#writer.push(++this.#number, text)
    } catch (error) {
      this.options.logger.error({ type: event.type, error: String(error) }, 'event not told')
    }
  }

  /**
   * Has a listener hear every event from now on, or from behind the one with that id.
   * @param after an id of the stream; one that is none, or whose successors are gone, means from now
   */
  async listen(told: EventListener, after?: string): Promise<Listening> {
    const listener = new Listener(told, this.#origin)
    this.#listeners.add(listener)
    const close = (): void => {
      if (!this.#listeners.delete(listener)) return
      listener.closed = true
      if (this.#listeners.size === 0) this.#reader.stop()
    }
    await this.#reader.start()
    const resumed = after === undefined || (await this.canResume(after))
    if (!listener.closed && after !== undefined && resumed) {
      listener.position = after
      void this.catchUp(listener)
    } else listener.goLive(this.#reader.position)
    return { resumed, close }
  }

  /** Writes what waits and ends; listeners hear nothing more. */
  async stop(withinMs = 1_000): Promise<void> {
    await this.#writer.stop(withinMs)
    this.#stopped = true
    this.#reader.stop()
    this.#listeners.clear()
  }

  private async canResume(after: string): Promise<boolean> {
    if (!isPosition(after)) return false
    try {
      const { first, last } = await readEnds(this.options.connection)
      return !isBefore(after, first) && !isBefore(last, after)
    } catch {
      return false
    }
  }

  /** Hands a listener what it has missed, page after page, until it is where the reader is. */
  private async catchUp(listener: Listener): Promise<void> {
    const repeats = new Repeats()
    try {
      while (!listener.closed) {
        const from = listener.position ?? ''
        const entries = await readBehind(this.options.connection, from)
        for (const entry of entries) {
          if (listener.closed) return
          listener.hear(entry, repeats.seen(entry))
          await listener.told.ready()
        }
        const { position } = this.#reader
        const reached = listener.position ?? from
        if (entries.length === 0 && (position === undefined || !isBefore(reached, position))) break
      }
      listener.goLive(listener.position)
    } catch {
      if (listener.closed) return
      listener.goLive(this.#reader.position)
      listener.told.reset()
    }
  }

  private receive(entries: readonly EventEntry[]): void {
    for (const entry of entries) {
      const repeated = this.#repeats.seen(entry)
      for (const listener of this.#listeners) if (listener.live) listener.hear(entry, repeated)
    }
  }

  /** Tells the listeners of this edge what waits for Redis. */
  private tellWaiting(): void {
    if (this.#listeners.size === 0) {
      this.#told = this.#number
      return
    }
    for (const [number, text] of this.#writer.waiting(this.#told)) {
      this.#told = number
      const event = JSON.parse(text) as SignalboxEvent
      for (const listener of this.#listeners) listener.hearDirectly(number, { id: undefined, event, text })
    }
  }
}

/** An event as JSON; a call's record in it is the text that is stored. */
function textOf(event: SignalboxEvent): string {
  if (event.type !== 'call.ended') return JSON.stringify(event)
  const { type, at, account_id, data } = event
  return `${JSON.stringify({ type, at, account_id }).slice(0, -1)},"data":${cdrText(data)}}`
}

/** One listener: where it stands in the stream, and what it knows from elsewhere. */
class Listener {
  closed = false
  live = false
  /** Entries up to here are behind it; undefined: wherever the stream is when Redis is back. */
  position: string | undefined
  /** Numbers of our own events that it heard without Redis. */
  #heardFrom = 0
  #heardTo = -1

  constructor(
    readonly told: EventListener,
    private readonly origin: string,
  ) {}

  goLive(position: string | undefined): void {
    this.position = position
    this.live = true
  }

  /** The stream has lost what it had. */
  startOver(position: string): void {
    this.position = position
    this.told.reset()
  }

  /** An entry of the stream. */
  hear({ id, origin, number, streamed }: EventEntry, repeated: boolean): void {
    if (this.closed || (this.position !== undefined && !isBefore(this.position, id))) return
    this.position = id
    if (streamed === undefined || repeated) return
    const heard = origin === this.origin && number >= this.#heardFrom && number <= this.#heardTo
    if (heard) this.told.position(id)
    else this.told.event(streamed)
  }

  hearDirectly(number: number, event: StreamedEvent): void {
    if (this.#heardTo !== number - 1) this.#heardFrom = number
    this.#heardTo = number
    this.told.event(event)
  }
}
