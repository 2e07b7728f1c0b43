import type { Clock } from '../engine/clock.js'
import type { Trunk, TrunkFields } from '../model/trunk.js'
import type { Connection } from './connection.js'
import type { Page, PageRequest } from './page.js'

export type NewTrunk = Omit<Trunk, 'created_at' | 'updated_at'>

/** Trunks: one JSON string each, `signalbox:trunk:<id>`. Every method throws StoreError: UNAVAILABLE, INVALID. */
export declare class Trunks {
  constructor(options: { connection: Connection; clock: Clock })
  get(id: string): Promise<Trunk | undefined>
  /** Adds the trunk or takes the place of the one with that id (in the same account, else EXISTS; `created_at` stays). */
  put(trunk: NewTrunk): Promise<{ trunk: Trunk; created: boolean }>
  /** @throws {StoreError} EXISTS */
  create(trunk: NewTrunk): Promise<Trunk>
  /** A trunk of the account whose fields (all of TrunkFields, the label too) are equal to these. */
  findEqual(fields: TrunkFields, accountId: string): Promise<Trunk | undefined>
  /** The account's trunk with equal fields, else this one, added: imports running at the same time end with one trunk. */
  findOrCreate(trunk: NewTrunk): Promise<{ trunk: Trunk; created: boolean }>
  /** Atomic, as `Numbers.update`. @throws {StoreError} NOT_FOUND */
  update(id: string, change: (current: Trunk) => Trunk): Promise<Trunk>
  /** False when there was none. @throws {StoreError} IN_USE while numbers name it. */
  remove(id: string): Promise<boolean>
  list(request: PageRequest): Promise<Page<Trunk>>
}
