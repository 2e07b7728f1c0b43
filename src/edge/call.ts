import { randomUUID } from 'node:crypto'
import type { Clock, Timer } from '../engine/index.js'
import type { Cdr, Direction, LiveCall } from '../model/call.js'
import type { EventSink } from '../model/event.js'
import { CallError, type VerdictCode } from '../model/verdict.js'
import { type CallFacts, liveView, recordOf } from './cdr.js'
import type { Calls, RegisteredCall } from './calls.js'
import { ownCopy } from './header-value.js'
import type { CallLogger, CallMetrics, CdrSink } from './ports.js'

/** Where a call leaves its traces. */
export interface CallParts {
  readonly calls: Calls
  readonly cdrs: CdrSink
  readonly metrics: CallMetrics
  readonly logger: CallLogger
  readonly clock: Clock
  /** Where it is told that calls start, ring, are answered and end; nowhere when absent. */
  readonly events?: EventSink | undefined
}

/** Why and by whom a call ends. */
export interface Ending {
  /** `answered` when it was answered and ended as calls do. */
  readonly result: 'answered' | VerdictCode
  readonly by: Cdr['ended_by']
  /** In words, for the record and the log. */
  readonly detail: string
}

/**
 * One call, both legs: its state, and the one door through which it ends.
 * Legs register how they are released; whoever ends the call, for whatever reason, comes through `end`.
 */
export class Call implements RegisteredCall {
  readonly id = randomUUID()
  readonly facts: CallFacts
  #state: LiveCall['state'] = 'trying'
  #registered = false
  #begun = false
  #withdrawn = false
  #ending: Ending | undefined
  #onAnswer: (() => void) | undefined
  #longest: { readonly ms: number; readonly detail: string } | undefined
  #longestTimer: Timer | undefined
  /** Made anew with each: what grew has room for more, all through the call. */
  #releases: readonly ((ending: Ending) => void)[] = []
  readonly #startedMs: number

  constructor(
    private readonly parts: CallParts,
    facts: { direction: Direction; from: string; to: string; sourceAddress: string; legACallId: string | null },
  ) {
    this.#startedMs = parts.clock.now()
    this.facts = {
      direction: facts.direction,
      from: ownCopy(facts.from),
      to: ownCopy(facts.to),
      sourceAddress: ownCopy(facts.sourceAddress),
      legACallId: facts.legACallId === null ? null : ownCopy(facts.legACallId),
      accountId: null,
      phoneNumber: null,
      trunkId: null,
      agentId: null,
      legBCallId: null,
      startedAt: parts.clock.date().toISOString(),
      ringingAt: null,
      answeredAt: null,
      legAStatus: null,
      legBStatus: null,
      attempts: [],
      explanation: null,
    }
  }

  get direction(): Direction {
    return this.facts.direction
  }

  get state(): LiveCall['state'] {
    return this.#state
  }

  get ended(): boolean {
    return this.#ending !== undefined || this.#withdrawn
  }

  /** Takes the call into the registry, counts it and tells of it. False when there is no room. */
  begin(): boolean {
    if (!this.register()) return false
    this.announce()
    return true
  }

  /** Takes the call into the registry, before it is clear what call it is. False when there is no room. */
  register(): boolean {
    this.#registered = this.parts.calls.add(this)
    return this.#registered
  }

  /** Counts a registered call and tells of it: its direction does not change any more. */
  announce(): void {
    if (!this.#registered || this.#begun || this.ended) return
    this.#begun = true
    const { metrics, logger } = this.parts
    metrics.callsActive.inc({ direction: this.direction })
    logger.info(this.logFields(this.facts.sourceAddress), 'Call started')
    this.tell('call.started', this.facts.startedAt)
  }

  /** Turns out to be no call at all: whoever sent it was asked to come again. It leaves no trace but a line in the log. */
  withdraw(why: string): void {
    if (this.ended || this.#begun) return
    this.#withdrawn = true
    this.#releases = []
    this.parts.calls.remove(this.id)
    this.#try('log', () =>
      this.parts.logger.info({ ...this.logFields(this.facts.sourceAddress), why }, 'Caller challenged'),
    )
  }

  live(): LiveCall {
    return liveView(this.id, this.facts, this.#state)
  }

  /** Adds what is to be done with a leg when the call ends. Runs at once when it has ended. */
  onEnd(release: (ending: Ending) => void): void {
    if (this.#ending !== undefined) this.#try('release', () => release(this.#ending!))
    else this.#releases = this.#releases.concat(release)
  }

  /** Sets what is to be done when the call is answered. */
  onAnswer(listener: () => void): void {
    this.#onAnswer = listener
  }

  /** Ends the call so many milliseconds after its answer. @param detail for the record */
  lastAtMost(ms: number, detail: string): void {
    this.#longest = { ms, detail }
  }

  /** The called side rings, or lets early media be heard. */
  ringing(): void {
    if (this.#state !== 'trying') return
    this.#state = 'ringing'
    this.facts.ringingAt = this.parts.clock.date().toISOString()
    this.tell('call.ringing', this.facts.ringingAt)
  }

  /** The caller has been sent the 200. */
  answered(): void {
    if (this.ended || this.facts.answeredAt !== null) return
    const { clock, metrics, logger } = this.parts
    this.#state = 'answered'
    this.facts.answeredAt = clock.date().toISOString()
    const setupMs = clock.now() - this.#startedMs
    metrics.setupSeconds.observe(setupMs / 1000)
    logger.info({ ...this.logFields(), setupMs: Math.round(setupMs) }, 'Call answered')
    this.tell('call.answered', this.facts.answeredAt)
    const longest = this.#longest
    if (longest !== undefined)
      this.#longestTimer = clock.after(longest.ms, () =>
        this.end({ result: 'CALL_TOO_LONG', by: 'edge', detail: longest.detail }),
      )
    this.#onAnswer?.()
  }

  /** The call is being wound up; what is left is to hear the called side out. */
  winding(): void {
    if (!this.ended) this.#state = 'ending'
  }

  /** Ends the call: once, whatever comes later. Never throws. */
  end(ending: Ending): void {
    if (this.ended) return
    this.announce()
    this.#ending = ending
    this.#state = 'ending'
    this.#longestTimer?.cancel()
    const { calls, cdrs, metrics } = this.parts
    const releases = this.#releases
    this.#releases = []
    for (const release of releases) this.#try('release', () => release(ending))
    const record = recordOf(this.id, this.facts, {
      at: this.parts.clock.date(),
      result: ending.result.toLowerCase(),
      by: ending.by,
      reason: ending.detail,
    })
    this.#try('count', () => metrics.callsTotal.inc({ direction: this.direction, result: record.result }))
    if (this.#begun) this.#try('gauge', () => metrics.callsActive.dec({ direction: this.direction }))
    this.#try('record', () => cdrs.append(record))
    this.#try('log', () => this.logEnd(record))
    this.#try('event', () =>
      this.parts.events?.publish({
        type: 'call.ended',
        at: record.ended_at,
        account_id: record.account_id,
        data: record,
      }),
    )
    calls.remove(this.id)
  }

  hangUp(code: VerdictCode, detail: string): void {
    this.end({ result: this.facts.answeredAt === null ? code : 'answered', by: 'edge', detail })
  }

  /** Runs an event handler of this call; what it throws ends the call. */
  run(handler: () => void): void {
    try {
      handler()
    } catch (error) {
      this.failed(error)
    }
  }

  /** An error ends the call: by its verdict when it has one, else it is one of ours. */
  failed(error: unknown): void {
    if (error instanceof CallError) return this.end({ result: error.code, by: 'edge', detail: error.message })
    const text = error instanceof Error ? error.message : String(error)
    this.#try('log', () =>
      this.parts.logger.error(
        { ...this.logFields(), error: error instanceof Error ? error.stack : text },
        'Error in a call',
      ),
    )
    this.end({ result: 'INTERNAL_ERROR', by: 'edge', detail: `error: ${text}` })
  }

  /** What each line of the call says; fields that are undefined are left out of it. */
  logFields(source?: string) {
    const { facts } = this
    return {
      callId: this.id,
      direction: facts.direction,
      from: facts.from,
      to: facts.to,
      trunk: facts.trunkId ?? undefined,
      agent: facts.agentId ?? undefined,
      source,
    }
  }

  private tell(type: 'call.started' | 'call.ringing' | 'call.answered', at: string): void {
    const { events } = this.parts
    if (events === undefined) return
    this.#try('event', () => events.publish({ type, at, account_id: this.facts.accountId, data: this.live() }))
  }

  private logEnd(record: Cdr): void {
    this.parts.logger.info(
      {
        ...this.logFields(record.source_address),
        result: record.result,
        endedBy: record.ended_by,
        legAStatus: record.leg_a_status,
        legBStatus: record.leg_b_status,
        durationS: record.duration_s,
        reason: record.end_reason,
      },
      'Call ended',
    )
  }

  #try(what: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      try {
        this.parts.logger.error({ callId: this.id, error: String(error) }, `In a call: ${what} failed`)
      } catch {
        // Nothing is left to say it with, and the call must end.
      }
    }
  }
}
