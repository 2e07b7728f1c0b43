import type { Agent } from '../model/agent.js'
import { AddressIndex } from './address-index.js'
import { NameIndex } from './name-index.js'

/** The agents in memory, as they were last known, found by what they are known by. */
export class KnownAgents {
  private readonly addresses = new AddressIndex()
  private readonly users = new NameIndex()

  /** @param get the agent of an id, as far as memory has it */
  constructor(readonly get: (id: string) => Agent | undefined) {}

  /** Makes this the agent of `id`; undefined takes it out. */
  set(id: string, agent: Agent | undefined): void {
    this.addresses.set(id, agent?.allowed_addresses ?? [])
    this.users.set(id, agent?.auth?.username)
  }

  /** Those whose calls may come from this source address, those with the longest prefix first. */
  atAddress(address: string): Agent[] {
    return this.addresses.find(address).flatMap((id) => this.get(id) ?? [])
  }

  /** Those that have this digest user. */
  ofUser(username: string): Agent[] {
    return this.users.find(username).flatMap((id) => this.get(id) ?? [])
  }
}
