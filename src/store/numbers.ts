import type { Clock } from '../engine/clock.js'
import type { PhoneNumber } from '../model/number.js'
import type { Connection } from './connection.js'
import type { Page, PageRequest } from './page.js'

/** A number without the times, which the store sets. */
export type NewNumber = Omit<PhoneNumber, 'created_at' | 'updated_at'>

/**
 * The routing table: one Redis hash a number, `signalbox:did:<phone_number>`.
 * Every method throws StoreError: UNAVAILABLE, and INVALID for a record that does not parse.
 */
export declare class Numbers {
  constructor(options: { connection: Connection; clock: Clock })
  get(phoneNumber: string): Promise<PhoneNumber | undefined>
  /**
   * Adds a number. One that is there already is replaced when `replaceInbound` is set (in the same account; `created_at` stays).
   * @throws {StoreError} CONFLICT naming the agent when the number is there with another inbound agent; EXISTS when it is there otherwise.
   */
  create(number: NewNumber, options?: { replaceInbound?: boolean }): Promise<PhoneNumber>
  /**
   * Applies `change` to the present record as one atomic step; `change` may run again when another writer came between, and may throw.
   * `phone_number`, `account_id` and `created_at` stay, `updated_at` is set.
   * @throws {StoreError} NOT_FOUND
   */
  update(phoneNumber: string, change: (current: PhoneNumber) => PhoneNumber): Promise<PhoneNumber>
  /**
   * Gives the number to `agentId` for inbound calls; null takes it away.
   * @throws {StoreError} NOT_FOUND; CONFLICT naming the present agent when it has another and `replace` is not set
   */
  assignInbound(phoneNumber: string, agentId: string | null, options?: { replace?: boolean }): Promise<PhoneNumber>
  /** Removes the number, also one whose record does not parse. False when there was none. */
  remove(phoneNumber: string): Promise<boolean>
  list(
    request: PageRequest & { trunkId?: string | undefined; agentId?: string | undefined },
  ): Promise<Page<PhoneNumber>>
}
