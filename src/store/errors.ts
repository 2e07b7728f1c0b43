/**
 * What went wrong with a record:
 * - `NOT_FOUND` there is no such record; `EXISTS` there is one already
 * - `CONFLICT` the number has another inbound agent (`detail.inbound_agent_id`) and the request does not replace it
 * - `IN_USE` numbers refer to it (`detail.numbers`, the first 20)
 * - `UNAVAILABLE` Redis is away or did not answer in time; the write may or may not have happened
 * - `INVALID` the record in Redis, a cursor or an id is not what it should be
 */
export type StoreErrorCode = 'NOT_FOUND' | 'EXISTS' | 'CONFLICT' | 'IN_USE' | 'UNAVAILABLE' | 'INVALID'

export interface StoreErrorDetail {
  /** CONFLICT, EXISTS: the agent the number has now. */
  readonly inbound_agent_id?: string | null
  /** INVALID: whose the record says it is, where it can say that. */
  readonly account_id?: string
  /** IN_USE: numbers that refer to the record, at most 20. */
  readonly numbers?: readonly string[]
}

/** An operation on the store that did not succeed, by a stable code. */
export class StoreError extends Error {
  override readonly name = 'StoreError'

  constructor(
    readonly code: StoreErrorCode,
    message: string,
    readonly detail: StoreErrorDetail = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
