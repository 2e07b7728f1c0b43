/** One page of a list, ordered by account and id (CDRs: newest first). */
export interface Page<T> {
  readonly items: T[]
  /** Give it back as `cursor` for the next page; null: this was the last one. A page may be short, even empty, and have a next. */
  readonly next_cursor: string | null
  /** Records met on the way that do not parse, with the reason; they are left out of `items`. */
  readonly invalid?: InvalidRecord[]
}

export interface InvalidRecord {
  readonly id: string
  readonly why: string
}

export interface PageRequest {
  /** Opaque; from `next_cursor`. Another's or a malformed one is refused with INVALID. */
  readonly cursor?: string | undefined
  /** Items at most, 1 to 1,000. */
  readonly limit: number
  /** Of this account alone; all accounts when left out. */
  readonly accountId?: string | undefined
}
