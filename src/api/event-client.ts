import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../engine/index.js'
import type { StreamedEvent } from '../store/event-entry.js'
import type { EventListener } from '../store/events.js'

/** Bytes that may wait for a client that reads slowly; then it is dropped. */
const MAX_BUFFER = 1_048_576
/** Bytes that may wait while events of the past are sent; more are fetched when fewer do. */
const FULL_BUFFER = 131_072
/** Proxies close connections on which nothing passes, the strictest after half a minute. */
const KEEP_ALIVE_MS = 15_000
/** How long a client has to take what was sent before the end. */
const FAREWELL_MS = 500
/** Milliseconds after which a client that lost the connection may come again. */
const RETRY_MS = 2_000

/** One client of the event stream: server-sent events (WHATWG HTML 9.2) on a response of its own. */
export class EventClient implements EventListener {
  #timer: Timer | undefined
  #over = false
  #roomy: (() => void) | undefined
  /** Where the last event stands that this client did not want; undefined when one that it wanted came since. */
  #passed: string | undefined

  constructor(
    private readonly response: ServerResponse,
    private readonly clock: Clock,
    /** Whether this client wants the event. */
    private readonly wants: (event: StreamedEvent['event']) => boolean,
    /** The connection is gone, whoever closed it. */
    gone: () => void,
  ) {
    response.on('drain', () => this.drained())
    response.on('error', () => this.drop())
    response.on('close', () => {
      this.finish()
      gone()
    })
  }

  /** Sends the head, and the first bytes, so that nothing on the way waits for more. */
  open(): void {
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-content-type-options': 'nosniff',
      // nginx would gather events otherwise.
      'x-accel-buffering': 'no',
    })
    this.write(`retry: ${RETRY_MS}\n\n`)
  }

  event({ id, event, text }: StreamedEvent): void {
    if (this.wants(event)) this.write(`${placeOf(id)}event: ${event.type}\ndata: ${text}\n\n`)
    else this.#passed = id ?? this.#passed
  }

  position(id: string): void {
    this.write(`id: ${id}\n\n`)
  }

  reset(): void {
    this.write(': reset\n\n')
  }

  ready(): Promise<void> {
    if (this.#over || this.response.writableLength < FULL_BUFFER) return Promise.resolve()
    return new Promise((resolve) => (this.#roomy = resolve))
  }

  /** Ends the stream from our side. */
  end(): void {
    if (this.#over) return
    this.finish()
    this.#timer = this.clock.after(FAREWELL_MS, () => this.response.destroy())
    this.response.end(() => {
      this.#timer?.cancel()
      this.response.destroy()
    })
  }

  private write(text: string): void {
    if (this.#over) return
    this.response.write(text)
    if (this.response.writableLength > MAX_BUFFER) return this.drop()
    this.#timer?.cancel()
    this.#passed = undefined
    // With the place of what it did not want: one who comes again has not missed that.
    this.#timer = this.clock.after(KEEP_ALIVE_MS, () => this.write(`: keep-alive\n${placeOf(this.#passed)}\n`))
  }

  private drop(): void {
    this.finish()
    this.response.destroy()
  }

  private drained(): void {
    this.#roomy?.()
    this.#roomy = undefined
  }

  private finish(): void {
    this.#over = true
    this.#timer?.cancel()
    this.drained()
  }
}

const placeOf = (id: string | undefined): string => (id === undefined ? '' : `id: ${id}\n`)
