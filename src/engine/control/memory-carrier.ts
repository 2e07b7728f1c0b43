import type { Carrier, CarrierEvents, SipCommand } from './carrier.js'
import type { Notice } from './leader.js'

/** An application in this process, as the engine sees it. Payloads are byte strings. */
export interface LocalApp {
  /** One control message: a byte string, or what comes with a SIP message in its parts. It comes when the present callback of the event loop is done: never while the application commands. */
  received(payload: string | Notice): void
  /** Nothing is received any more, and what is commanded goes nowhere. Called once, whoever ended it, as late as `received`. */
  closed(): void
}

/** How an application in this process commands the engine. */
export interface ControlLink {
  /** One control message, a byte string without its length or a SIP message in its parts: taken at once. */
  command(payload: string | SipCommand): void
  /** Ends it, as a connection of an application ends. Idempotent. */
  close(): void
}

const DONE = Promise.resolve()

/**
 * Carries control messages in memory. What the engine sends waits for the end of the present callback of the event loop, so
 * neither side ever calls into the other while that is at work; and an answer from the network, which takes a callback of its
 * own, never comes in one with the echo of what it answers.
 */
export class MemoryCarrier implements Carrier, ControlLink {
  private events: CarrierEvents | undefined
  private waiting: (string | Notice)[] = []
  private running = false
  private told = false

  /** @param onError hears of what the application throws: it harms one message */
  constructor(
    private readonly app: LocalApp,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(events: CarrierEvents): void {
    this.events = events
  }

  trust(): void {}

  command(payload: string | SipCommand): void {
    this.events?.received(payload)
  }

  close(): void {
    this.destroy()
  }

  send(payload: string | Notice): void {
    if (this.events === undefined) return
    this.waiting.push(payload)
    this.handOverSoon()
  }

  end(): void {
    const { events } = this
    this.events = undefined
    this.handOverSoon()
    events?.closed()
  }

  destroy(): void {
    this.waiting = []
    this.end()
  }

  private handOverSoon(): void {
    if (this.running) return
    this.running = true
    // A job of the language costs less than `queueMicrotask`, which makes a resource for each.
    void DONE.then(this.handOver)
  }

  private readonly handOver = (): void => {
    // What the application commands meanwhile is answered in the same go, and after it what waits already.
    while (this.waiting.length > 0) {
      const { waiting } = this
      this.waiting = []
      for (const payload of waiting) {
        try {
          this.app.received(payload)
        } catch (error) {
          this.onError(error)
        }
      }
    }
    this.running = false
    if (this.events !== undefined || this.told) return
    this.told = true
    try {
      this.app.closed()
    } catch (error) {
      this.onError(error)
    }
  }
}
