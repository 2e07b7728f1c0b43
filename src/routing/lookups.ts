import type { PhoneNumber } from '../model/number.js'
import type { Directory, Found, FoundFrom } from '../store/directory.js'

const ORDER: readonly FoundFrom[] = ['memory', 'redis', 'stale']

/** The look-ups of one decision: from memory as long as that can tell, else for all candidates left in one round trip. */
export class Lookups {
  private readonly found = new Map<string, Found<PhoneNumber>>()
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

  /** @param others asked with it when memory cannot answer for it: what will be wanted next if it is not there */
  async find(phoneNumber: string, others: () => readonly string[]): Promise<Found<PhoneNumber>> {
    const known = this.found.get(phoneNumber) ?? this.warm(phoneNumber)
    if (known !== undefined) return this.count(known)
    const wanted = [...new Set([phoneNumber, ...others()])].filter(
      (candidate) => !this.found.has(candidate) && this.warm(candidate) === undefined,
    )
    const answers = await this.directory.numbers(wanted)
    wanted.forEach((candidate, i) => this.found.set(candidate, answers[i] ?? { from: 'unavailable' }))
    return this.count(this.found.get(phoneNumber) ?? { from: 'unavailable' })
  }

  private warm(phoneNumber: string): Found<PhoneNumber> | undefined {
    const warm = this.directory.warmNumber(phoneNumber)
    if (warm !== undefined) this.found.set(phoneNumber, warm)
    return warm
  }
}
