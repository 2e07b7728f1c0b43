import type { Clock, Timer } from '../engine/index.js'
import type { Connection } from './connection.js'
import { DayMinutes } from './day-minutes.js'
import { StoreError } from './errors.js'
import {
  type Held,
  keysOfAll,
  limitOf,
  type Met,
  numbersOf,
  reservedOf,
  type Settlement,
  settlement,
  sumOf,
  takeArgs,
} from './held-limits.js'
import { keys } from './keys.js'
import { extendScript, renewScript, settleScript, takeScript } from './limit-scripts.js'
import { type LimitUsage, readUsage } from './limit-usage.js'
import {
  fieldsOf,
  isMetered,
  keysOf,
  type LimitedAgent,
  limitedParties,
  type LimitedTrunk,
  nameOf,
  type Party,
} from './limited-party.js'
import { type Extended, Meter } from './meter.js'
import { StartTimes } from './start-times.js'

export type { LimitUsage } from './limit-usage.js'
export type { Met } from './held-limits.js'
export type { LimitedAgent, LimitedTrunk } from './limited-party.js'

/** A call that wants to begin. */
export interface LimitedCall {
  readonly id: string
  /** Whether it is placed on the trunk; else it comes from there. */
  readonly outbound: boolean
  readonly trunk?: LimitedTrunk | undefined
  readonly agent?: LimitedAgent | undefined
  /** The minutes that it goes on by are used up: it has to end. */
  spent(met: Met): void
}

export interface CallLimitsOptions {
  readonly connection: Pick<Connection, 'up' | 'onChange' | 'ask'>
  readonly clock: Clock
  /** Milliseconds after which the channel of a call that nobody renews is free again. Default 60,000. */
  readonly leaseMs?: number
  /** Milliseconds between renewals of the channels this edge has. Default 20,000. */
  readonly renewMs?: number
  /** Milliseconds that a call reserves at a time where minutes are limited; what it does not have is given back. Default 60,000. */
  readonly reserveMs?: number
}

/** Calls renewed by one command. */
const RENEW_CHUNK = 500
const DAY_MS = 86_400_000

interface Hold {
  readonly call: LimitedCall
  readonly held: readonly Held[]
  /** While its minutes are counted. */
  meter?: Meter<Met>
}

/** What Redis gave or refused: a limit, or for each party the day and the reserved milliseconds. */
type Answer = { readonly met: Met } | { readonly met?: undefined }

/**
 * The limits of trunks and agents, counted for all edges together in Redis; while Redis is away each edge goes by its own calls and
 * by what it knew of the day's minutes. A channel is a lease that the edge which has the call renews, so that those of an edge that
 * died come back; minutes are reserved before they are had, so that no calls at the same time have more than there are. Nothing here
 * rejects, or takes longer than the command deadline of Redis.
 */
export class CallLimits {
  private readonly options: Required<CallLimitsOptions>
  /** The calls of this edge that have, or are asking for, what is limited. */
  private readonly holds = new Map<string, Hold>()
  /** Calls that have a channel, by key of channels. */
  private readonly calls = new Map<string, Set<string>>()
  private readonly starts = new StartTimes()
  private readonly minutes = new DayMinutes()
  private timer: Timer | undefined
  private renewing: Promise<unknown> | undefined
  /** Redis is a cluster, where one script cannot see two parties. */
  private apart = false
  private stopped = false
  private readonly stopListening: () => void

  constructor(options: CallLimitsOptions) {
    this.options = { leaseMs: 60_000, renewMs: 20_000, reserveMs: 60_000, ...options }
    this.stopListening = options.connection.onChange((up) => {
      if (up) this.renew()
    })
  }

  /**
   * Takes all that a call needs of its trunk and agent: channels, places among the calls of the second, the first of its minutes. All
   * of it, or nothing and the limit that it met; in one round trip. Asked once a call; `release` gives everything back.
   */
  take(call: LimitedCall): Promise<Met | undefined> {
    const parties = limitedParties(call.trunk, call.agent, call.outbound)
    if (parties.length === 0) return Promise.resolve(undefined)
    const hold: Hold = { call, held: parties.map((party) => ({ party, reserved: [] })) }
    this.holds.set(call.id, hold)
    return this.ask(hold).then(
      ({ met }) => this.settle(hold, met, true),
      // At once, so that calls which find Redis away together are counted one after the other.
      () => this.settle(hold, this.judgeAlone(hold), false),
    )
  }

  /** The call was answered: its minutes begin. Safe for calls that have nothing. */
  answered(callId: string): void {
    this.holds.get(callId)?.meter?.start()
  }

  /** The call has ended. Safe for calls that have nothing; while it is still asked for, what then comes is given back. */
  release(callId: string): void {
    const hold = this.holds.get(callId)
    if (hold === undefined) return
    this.drop(hold)
    this.giveBack(hold)
  }

  /** Calls of this edge that have a channel of the trunk, or agent. */
  held(id: string, of: Party['of'] = 'trunk'): number {
    return this.calls.get(of === 'trunk' ? keys.trunkChannels(id) : keys.agentChannels(id))?.size ?? 0
  }

  /** What is in use of a trunk's limits now, on all edges. @throws {StoreError} UNAVAILABLE */
  trunkUsage(trunk: LimitedTrunk): Promise<LimitUsage> {
    return readUsage(this.options.connection, limitedParties(trunk, undefined, true)[0])
  }

  /** The same of an agent's. @throws {StoreError} UNAVAILABLE */
  agentUsage(agent: LimitedAgent): Promise<LimitUsage> {
    return readUsage(this.options.connection, limitedParties(undefined, agent, true)[0])
  }

  /** Renews nothing any more. Channels that are still taken come back when their leases end. */
  stop(): void {
    this.stopped = true
    this.stopListening()
    this.timer?.cancel()
    this.timer = undefined
    for (const { meter } of this.holds.values()) meter?.stop()
  }

  private settle(hold: Hold, met: Met | undefined, told: boolean): Met | undefined {
    const wanted = this.holds.get(hold.call.id) === hold
    if (met === undefined) this.count(hold)
    if (met === undefined && wanted) this.keep(hold)
    else {
      if (wanted) this.drop(hold)
      // Redis may have given what it could not tell in time, or what nobody waits for any more.
      if (met === undefined || !told) this.giveBack(hold)
    }
    this.schedule()
    return met
  }

  private async ask(hold: Hold): Promise<Answer> {
    const { connection } = this.options
    const { held } = hold
    return connection.ask('limits', async (client) => {
      if (held.length > 1 && !this.apart) {
        try {
          return this.read(
            held,
            await takeScript.run(client, keysOfAll(held), takeArgs(hold.call.id, held, this.options)),
          )
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith('CROSSSLOT')) throw error
          this.apart = true
        }
      }
      return this.askApart(hold, (one) =>
        takeScript.run(client, keysOfAll([one]), takeArgs(hold.call.id, [one], this.options)),
      )
    })
  }

  /** Asks for what each party has by itself, at the same time; where one has nothing left the others get theirs back. */
  private async askApart(hold: Hold, ask: (one: Held) => Promise<unknown>): Promise<Answer> {
    const answers = await Promise.all(hold.held.map(ask))
    const read = answers.map((answer, n) => this.read([hold.held[n]!], answer))
    const refused = read.find(({ met }) => met !== undefined)
    if (refused === undefined) return {}
    hold.held.forEach((one, n) => {
      const [, start] = answers[n] as unknown[]
      if (read[n]!.met === undefined) this.tell([settlement(one, hold.call.id, String(start), 0)])
      one.reserved.length = 0
    })
    return refused
  }

  private read(held: readonly Held[], answer: unknown): Answer {
    if (!Array.isArray(answer)) throw new StoreError('INVALID', 'Redis: unexpected answer')
    const [what, second, day, ...counts] = answer as unknown[]
    if (what !== 'ok') {
      const limit = limitOf(what)
      const party = held[Number(second) - 1]?.party
      if (limit === undefined || party === undefined) throw new StoreError('INVALID', 'Redis: unexpected answer')
      return { met: { of: party.of, id: party.id, limit } }
    }
    held.forEach(({ party, reserved }, n) => {
      if (!isMetered(party)) return
      const [ms = 0, all = 0, outbound = 0] = numbersOf(counts.slice(3 * n))
      reserved.push({ day: Number(day), ms })
      this.minutes.told(party, Number(day), all, outbound)
    })
    return {}
  }

  /** What the calls of this edge alone say. */
  private judgeAlone({ held }: Hold): Met | undefined {
    const now = this.options.clock.now()
    for (const { party } of held) {
      const { channels, rate } = party
      const limit =
        channels !== null && (this.calls.get(keysOf(party)[0])?.size ?? 0) >= channels
          ? 'channel_limit'
          : rate !== null && this.starts.full(nameOf(party), now, rate)
            ? 'cps_limit'
            : undefined
      if (limit !== undefined) return { of: party.of, id: party.id, limit }
    }
    for (const one of held) {
      one.reserved.length = 0
      const met = isMetered(one.party) ? this.reserveAlone(one) : undefined
      if (met === undefined) continue
      for (const { party, reserved } of held)
        for (const { day, ms } of reserved.splice(0)) this.minutes.add(party, day, -ms, true)
      return met
    }
    return undefined
  }

  private reserveAlone({ party, reserved }: Held): Met | undefined {
    const got = this.minutes.reserve(party, this.today, this.options.reserveMs)
    if (got.met !== undefined) return { of: party.of, id: party.id, limit: limitOf(got.met)! }
    reserved.push(got)
    return undefined
  }

  private get today(): number {
    return Math.floor(this.options.clock.date().getTime() / DAY_MS)
  }

  /** A call has begun. */
  private count({ held }: Hold): void {
    const now = this.options.clock.now()
    for (const { party } of held) if (party.rate !== null) this.starts.add(nameOf(party), now, party.rate)
  }

  private keep(hold: Hold): void {
    const { call, held } = hold
    for (const { party } of held) {
      if (party.channels === null) continue
      const [key] = keysOf(party)
      const calls = this.calls.get(key)
      if (calls === undefined) this.calls.set(key, new Set([call.id]))
      else calls.add(call.id)
    }
    if (!held.some(({ party }) => isMetered(party))) return
    hold.meter = new Meter({
      clock: this.options.clock,
      reservedMs: reservedOf(held),
      extend: (usedMs) => this.extend(hold, usedMs),
      spent: (met) => call.spent(met),
    })
  }

  private drop({ call, held, meter }: Hold): void {
    meter?.stop()
    this.holds.delete(call.id)
    for (const { party } of held) {
      const [key] = keysOf(party)
      const calls = this.calls.get(key)
      if (calls?.delete(call.id) === true && calls.size === 0) this.calls.delete(key)
    }
  }

  /** Reserves more for a call of the parties with which it comes to its end. */
  private async extend(hold: Hold, usedMs: number): Promise<Extended<Met>> {
    const { connection, reserveMs } = this.options
    const due = hold.held.filter((one) => isMetered(one.party) && Meter.due(sumOf(one), usedMs))
    let met: Met | undefined
    try {
      const answers = await connection.ask('limits', (client) =>
        Promise.all(
          due.map(({ party }) =>
            extendScript.run(client, [keysOf(party)[2]], [reserveMs, party.minutesMs ?? -1, party.outboundMs ?? -1]),
          ),
        ),
      )
      due.forEach(({ party, reserved }, n) => {
        const [what, ...rest] = answers[n] as unknown[]
        const [day = 0, ms = 0, all = 0, outbound = 0] = numbersOf(rest)
        this.minutes.told(party, day, all, outbound)
        if (what === 'ok') reserved.push({ day, ms })
        else met ??= { of: party.of, id: party.id, limit: limitOf(what) ?? 'minutes_per_day' }
      })
    } catch {
      for (const one of due) met = this.reserveAlone(one) ?? met
    }
    // It has ended meanwhile, and given back what it had before.
    if (this.holds.get(hold.call.id) !== hold) this.giveBack({ call: hold.call, held: due })
    return { reservedMs: reservedOf(hold.held), ...(met && { met }) }
  }

  /** What cannot be told now comes back when the lease ends, and of minutes when Redis is back. */
  private giveBack({ call, held, meter }: Hold): void {
    const usedMs = meter?.usedMs ?? 0
    this.tell(held.map((one) => settlement(one, call.id, '', usedMs)))
    for (const one of held) one.reserved.length = 0
  }

  private tell(settlements: readonly Settlement[]): void {
    for (const { party, back } of settlements) for (const { day, ms } of back) this.minutes.add(party, day, -ms, false)
    const tell = async (): Promise<void> => {
      // A renewal under way may name the call.
      await this.renewing
      await this.options.connection.ask('limits', (client) =>
        Promise.all(
          settlements.map(({ party, callId, start, back }) =>
            settleScript.run(client, keysOf(party), [
              callId,
              start,
              ...back.flatMap(({ day, ms }) => fieldsOf(party, day).flatMap((field) => [field, ms])),
            ]),
          ),
        ),
      )
    }
    tell().catch(() => {
      // What Redis may have heard all the same is not told again: rather a minute too many than one too few.
      if (this.options.connection.up) return
      for (const { party, back } of settlements) for (const { day, ms } of back) this.minutes.owe(party, day, -ms)
      this.schedule()
    })
  }

  private schedule(): void {
    if (this.stopped || this.timer !== undefined) return
    if (this.holds.size === 0 && this.starts.size === 0 && !this.minutes.indebted) return
    this.timer = this.options.clock.after(this.options.renewMs, () => {
      this.timer = undefined
      this.starts.prune(this.options.clock.now())
      this.minutes.prune(this.today)
      this.renew()
      this.schedule()
    })
  }

  /** Renews every channel of this edge, and pays what it owes, in one round trip. */
  private renew(): void {
    if (this.renewing !== undefined || this.stopped) return
    const { connection, leaseMs } = this.options
    if (!connection.up || (this.calls.size === 0 && !this.minutes.indebted)) return
    const renewals: { key: string; calls: string[] }[] = []
    for (const [key, calls] of this.calls) {
      const all = [...calls]
      for (let i = 0; i < all.length; i += RENEW_CHUNK) renewals.push({ key, calls: all.slice(i, i + RENEW_CHUNK) })
    }
    const debts = this.minutes.takeDebts()
    this.renewing = connection
      .ask(
        'limits',
        (client) =>
          Promise.all([
            ...renewals.map(({ key, calls }) => renewScript.run(client, [key], [leaseMs, ...calls])),
            ...debts.map((debt) => settleScript.run(client, keysOf(debt.party), ['', '', ...debt.pairs])),
          ]),
        { patient: true },
      )
      .catch(() => this.minutes.owesStill(debts))
      .finally(() => {
        this.renewing = undefined
      })
  }
}
