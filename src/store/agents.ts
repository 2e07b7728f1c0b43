import type { Clock } from '../engine/clock.js'
import type { Agent } from '../model/agent.js'
import type { Connection } from './connection.js'
import type { Page, PageRequest } from './page.js'

export type NewAgent = Omit<Agent, 'created_at' | 'updated_at'>

/** Agents: one JSON string each, `signalbox:agent:<id>`. Every method throws StoreError: UNAVAILABLE, INVALID. */
export declare class Agents {
  constructor(options: { connection: Connection; clock: Clock })
  get(id: string): Promise<Agent | undefined>
  /** Adds the agent or takes the place of the one with that id (in the same account, else EXISTS; `created_at` stays). */
  put(agent: NewAgent): Promise<{ agent: Agent; created: boolean }>
  /** @throws {StoreError} EXISTS */
  create(agent: NewAgent): Promise<Agent>
  /** Atomic, as `Numbers.update`. @throws {StoreError} NOT_FOUND */
  update(id: string, change: (current: Agent) => Agent): Promise<Agent>
  /** False when there was none. @throws {StoreError} IN_USE while numbers name it, inbound or outbound. */
  remove(id: string): Promise<boolean>
  list(request: PageRequest): Promise<Page<Agent>>
}
