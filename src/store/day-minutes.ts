import { LEAST_MS } from './limit-scripts.js'
import { nameOf, type Party } from './limited-party.js'

/** What there was of a day's minutes for a call. */
export type Reserved =
  { readonly day: number; readonly ms: number; readonly met?: undefined } | { readonly met: 'minutes' | 'outbound' }

interface Sums {
  readonly party: Pick<Party, 'of' | 'id'>
  day: number
  /** Milliseconds of all calls, and of calls placed, as far as this edge knows. */
  all: number
  outbound: number
  /** Of these what Redis has not been told. */
  owed: number
  owedOutbound: number
}

/** What Redis has not been told of a party's minutes; less than nothing where some are to be given back. */
export interface Debt {
  readonly party: Pick<Party, 'of' | 'id'>
  readonly day: number
  readonly ms: number
  readonly outboundMs: number
  /** As the script that settles wants it: a field, and what it gets back. */
  readonly pairs: readonly (string | number)[]
}

/**
 * The minutes of this day, by party, as this edge knows them: what Redis last said and what has been reserved since, which is what is
 * gone by while Redis is away.
 */
export class DayMinutes {
  private readonly sums = new Map<string, Sums>()

  /** Whether there is anything that Redis has not been told. */
  get indebted(): boolean {
    for (const { owed, owedOutbound } of this.sums.values()) if (owed !== 0 || owedOutbound !== 0) return true
    return false
  }

  /** What Redis says of a day: its sums. */
  told(party: Party, day: number, all: number, outbound: number): void {
    const sums = this.of(party, day)
    if (sums.day !== day) return
    if (party.minutesMs !== null) sums.all = all
    if (party.outboundMs !== null) sums.outbound = outbound
  }

  /** Reserves up to so many milliseconds by what this edge alone knows; Redis is told when it is back. */
  reserve(party: Party, today: number, wantedMs: number): Reserved {
    const sums = this.of(party, today)
    const { minutesMs, outboundMs } = party
    let ms = wantedMs
    if (minutesMs !== null) ms = Math.min(ms, minutesMs - sums.all)
    if (ms < LEAST_MS) return { met: 'minutes' }
    if (outboundMs !== null) ms = Math.min(ms, outboundMs - sums.outbound)
    if (ms < LEAST_MS) return { met: 'outbound' }
    this.add(party, sums.day, ms, true)
    return { day: sums.day, ms }
  }

  /** Counts what was reserved, or given back where it is less than nothing. @param owed whether Redis does not know it */
  add(party: Party, day: number, ms: number, owed: boolean): void {
    const sums = this.of(party, day)
    if (sums.day !== day) return
    if (party.minutesMs !== null) {
      sums.all = Math.max(0, sums.all + ms)
      if (owed) sums.owed += ms
    }
    if (party.outboundMs !== null) {
      sums.outbound = Math.max(0, sums.outbound + ms)
      if (owed) sums.owedOutbound += ms
    }
  }

  /** Something that is counted here could not be told. */
  owe(party: Party, day: number, ms: number): void {
    const sums = this.sums.get(nameOf(party))
    if (sums?.day !== day) return
    if (party.minutesMs !== null) sums.owed += ms
    if (party.outboundMs !== null) sums.owedOutbound += ms
  }

  /** Takes all that Redis has not been told. */
  takeDebts(): Debt[] {
    const debts: Debt[] = []
    for (const sums of this.sums.values()) {
      const { party, day, owed, owedOutbound } = sums
      if (owed === 0 && owedOutbound === 0) continue
      const pairs = [
        ...(owed === 0 ? [] : [String(day), -owed]),
        ...(owedOutbound === 0 ? [] : [`${day}:outbound`, -owedOutbound]),
      ]
      debts.push({ party, day, ms: owed, outboundMs: owedOutbound, pairs })
      sums.owed = 0
      sums.owedOutbound = 0
    }
    return debts
  }

  /** Redis may not have heard of them: what was had is owed still, what was to be given back is not. */
  owesStill(debts: readonly Debt[]): void {
    for (const { party, day, ms, outboundMs } of debts) {
      const sums = this.sums.get(nameOf(party))
      if (sums?.day !== day) continue
      sums.owed += Math.max(0, ms)
      sums.owedOutbound += Math.max(0, outboundMs)
    }
  }

  /** Forgets days that are over. */
  prune(today: number): void {
    for (const [name, { day }] of this.sums) if (day < today) this.sums.delete(name)
  }

  /** The sums of that day, or of the later one that has begun. */
  private of(party: Party, day: number): Sums {
    const name = nameOf(party)
    let sums = this.sums.get(name)
    if (sums === undefined || sums.day < day) {
      sums = { party: { of: party.of, id: party.id }, day, all: 0, outbound: 0, owed: 0, owedOutbound: 0 }
      this.sums.set(name, sums)
    }
    return sums
  }
}
