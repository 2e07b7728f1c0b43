import type { PhoneNumber } from '../model/number.js'
import type { Directory, Found, FoundFrom } from '../store/directory.js'

const ORDER: readonly FoundFrom[] = ['memory', 'redis', 'stale']

/** The look-ups of one decision: from memory as long as that can tell, else for all candidates left in one round trip. */
export class Lookups {
  /** What Redis was asked for. */
  private found: Map<string, Found<PhoneNumber>> | undefined
  private from: FoundFrom | undefined

  constructor(private readonly directory: Pick<Directory, 'warmNumber' | 'numbers'>) {}

  /** The least certain place an answer came from; `unavailable` when there was none, undefined when nothing was asked. */
  get worst(): FoundFrom | undefined {
    return this.from
  }

  /** Counts an answer that was got elsewhere, and gives it back. */
  count<T>(found: Found<T>): Found<T> {
    if (this.from === undefined || ORDER.indexOf(found.from) > ORDER.indexOf(this.from)) this.from = found.from
    return found
  }

  /** What is known without asking Redis: most numbers are in memory. */
  known(phoneNumber: string): Found<PhoneNumber> | undefined {
    const known = this.found?.get(phoneNumber) ?? this.directory.warmNumber(phoneNumber)
    return known === undefined ? undefined : this.count(known)
  }

  /** @param others asked with it when memory cannot answer for it: what will be wanted next if it is not there */
  async find(phoneNumber: string, others: () => readonly string[]): Promise<Found<PhoneNumber>> {
    const known = this.known(phoneNumber)
    if (known !== undefined) return known
    const asked = (this.found ??= new Map<string, Found<PhoneNumber>>())
    const wanted = [...new Set([phoneNumber, ...others()])].filter(
      (candidate) => !asked.has(candidate) && this.directory.warmNumber(candidate) === undefined,
    )
    const answers = await this.directory.numbers(wanted)
    wanted.forEach((candidate, i) => asked.set(candidate, answers[i] ?? { from: 'unavailable' }))
    return this.count(asked.get(phoneNumber) ?? { from: 'unavailable' })
  }
}
