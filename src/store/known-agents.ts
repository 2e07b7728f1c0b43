import type { Agent } from '../model/agent.js'
import { AddressIndex } from './address-index.js'
import { NameIndex } from './name-index.js'
import type { Kept } from './record-cache.js'

/** Hears of an agent, as `TrunkListener` does of a trunk. */
export type AgentListener = (id: string, agent: Agent | undefined, gone: boolean) => void

/** The agents in memory, as they were last known, found by what they are known by. */
export class KnownAgents {
  private readonly addresses = new AddressIndex()
  private readonly users = new NameIndex()
  private readonly listeners = new Set<AgentListener>()

  /** @param get the agent of an id, as far as memory has it */
  constructor(readonly get: (id: string) => Agent | undefined) {}

  /** Makes this the agent of `id`; undefined takes it out. */
  set(id: string, agent: Agent | undefined, kept: Kept = agent === undefined ? 'absent' : 'read'): void {
    this.addresses.set(id, agent?.allowed_addresses ?? [])
    this.users.set(id, agent?.auth?.username)
    for (const listener of [...this.listeners]) listener(id, agent, kept === 'absent')
  }

  listen(listener: AgentListener): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
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
