import type { Clock } from '../engine/index.js'
import { localId } from '../model/account.js'
import { agentSchema, type Agent } from '../model/agent.js'
import type { Connection } from './connection.js'
import { JsonRecords, type Kind, type Untimed } from './json-records.js'
import { keys } from './keys.js'
import { Numbers } from './numbers.js'
import type { Page, PageRequest } from './page.js'
import { removeUnused } from './references.js'

/** An agent without the times, which the store sets. */
export type NewAgent = Untimed<Agent>

export const agentKind: Kind<Agent> = { noun: 'agent', schema: agentSchema, key: keys.agent, index: keys.agentIndex }

/** Agents: one JSON string each, `signalbox:agent:<id>`. Every method throws StoreError: UNAVAILABLE, INVALID. */
export class Agents {
  private readonly connection: Connection
  private readonly records: JsonRecords<Agent>
  private readonly numbers: Numbers

  constructor({ connection, clock }: { connection: Connection; clock: Clock }) {
    this.connection = connection
    this.records = new JsonRecords(agentKind, connection, clock)
    this.numbers = new Numbers({ connection, clock })
  }

  get(id: string): Promise<Agent | undefined> {
    return this.records.get(id)
  }

  /** Adds the agent or takes the place of the one with that id (`created_at` stays). */
  async put(agent: NewAgent): Promise<{ agent: Agent; created: boolean; before: Agent | undefined }> {
    const { record, created, before } = await this.records.put(agent)
    return { agent: record, created, before }
  }

  /** @throws {StoreError} EXISTS */
  create(agent: NewAgent): Promise<Agent> {
    return this.records.create(agent)
  }

  /** Atomic, as `Numbers.update`. @throws {StoreError} NOT_FOUND */
  update(id: string, change: (current: Agent) => Agent): Promise<Agent> {
    return this.records.update(id, change)
  }

  /** Removes the agent and its password. False when there was none. @throws {StoreError} IN_USE while numbers name it, inbound or outbound. */
  async remove(id: string): Promise<boolean> {
    const { records } = this
    const { removed } = await removeUnused<Agent>(
      this.numbers,
      `agent ${localId(id)}`,
      { agentId: id },
      {
        get: () => records.get(id),
        remove: () => records.remove(id),
        putBack: (agent) => records.put(agent),
      },
    )
    await this.connection.ask('remove', (client) => client.del(keys.agentSecret(id)), { patient: true })
    return removed
  }

  list(request: PageRequest): Promise<Page<Agent>> {
    return this.records.list(request)
  }
}
