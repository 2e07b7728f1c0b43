import type { Agent } from '../../src/model/agent.js'
import type { PhoneNumber } from '../../src/model/number.js'
import type { Trunk } from '../../src/model/trunk.js'
import type { RoutingTable } from '../../src/routing/deciding.js'
import type { AgentTable } from '../../src/routing/identify-agent.js'
import { OutboundRouter } from '../../src/routing/outbound.js'
import { Router, type InboundRequest } from '../../src/routing/router.js'
import type { Found, FoundFrom } from '../../src/store/directory.js'
import { KnownAgents } from '../../src/store/known-agents.js'
import { matchAddress } from '../../src/trunks/identify.js'
import type { TrunkAt } from '../../src/trunks/known-sources.js'
import { KeptLog, KeptMetrics, newAgent, newNumber, newTrunk } from './store-bench.js'

const times = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' }

/** A routing table of records that are given, which counts what it is asked. */
export class RoutingBench implements RoutingTable, AgentTable {
  readonly log = new KeptLog()
  readonly metrics = new KeptMetrics()
  /** What addresses are to trunks besides being allowed. */
  readonly besides = new Map<string, TrunkAt[]>()
  /** The only port that bindings of these addresses are at. */
  readonly boundPorts = new Map<string, number>()
  readonly router = new Router({
    directory: this,
    metrics: this.metrics,
    logger: this.log,
    sources: {
      trunksAt: (address, flow) => {
        const isThere = flow === undefined || (this.boundPorts.get(address) ?? flow.port) === flow.port
        return (this.besides.get(address) ?? []).filter(({ what }) => what === 'server' || isThere)
      },
    },
  })
  readonly outbound = new OutboundRouter({ directory: this, metrics: this.metrics, logger: this.log })
  readonly numberRecords = new Map<string, PhoneNumber | string>()
  readonly trunkRecords = new Map<string, Trunk | string>()
  readonly agentRecords = new Map<string, Agent | string>()
  readonly knownAgents = new KnownAgents((id) => {
    const agent = this.agentRecords.get(id)
    return typeof agent === 'string' ? undefined : agent
  })
  /** Candidates asked for in one round trip, for each. */
  readonly questions: string[][] = []
  /** Numbers that memory can answer for. */
  readonly warm = new Set<string>()
  /** Trunks that are in Redis and not yet in memory. */
  readonly coldTrunks = new Set<string>()
  knowsTrunks = true
  /** Where cold answers come from. */
  from: FoundFrom = 'redis'

  constructor() {
    this.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1/32'] })
    this.addAgent('front')
    this.addNumber('+14155550100')
  }

  addNumber(phoneNumber: string, fields: Parameters<typeof newNumber>[1] = {}): void {
    this.numberRecords.set(phoneNumber, { ...newNumber(phoneNumber, fields), ...times })
  }

  addTrunk(id: string, fields: Parameters<typeof newTrunk>[1] = {}): void {
    this.trunkRecords.set(id, { ...newTrunk(id, fields), ...times })
  }

  addAgent(id: string, fields: Parameters<typeof newAgent>[1] = {}): void {
    const agent: Agent = { ...newAgent(id, fields), ...times }
    this.agentRecords.set(id, agent)
    this.knownAgents.set(id, agent)
  }

  warmNumber(phoneNumber: string): Found<PhoneNumber> | undefined {
    return this.warm.has(phoneNumber) ? found(this.numberRecords, phoneNumber, 'memory') : undefined
  }

  async numbers(candidates: readonly string[]): Promise<Found<PhoneNumber>[]> {
    this.questions.push([...candidates])
    return candidates.map((candidate) => found(this.numberRecords, candidate, this.from))
  }

  async agent(id: string): Promise<Found<Agent>> {
    return found(this.agentRecords, id, this.from === 'unavailable' ? 'stale' : 'memory')
  }

  async trunk(id: string): Promise<Found<Trunk>> {
    return found(this.trunkRecords, id, this.coldTrunks.has(id) ? this.from : 'memory')
  }

  lastTrunk(id: string): Trunk | undefined {
    const trunk = this.trunkRecords.get(id)
    return typeof trunk === 'string' || this.coldTrunks.has(id) ? undefined : trunk
  }

  /** Contact tokens, and the trunks they name. */
  readonly tokens = new Map<string, string>()

  trunkOfToken(token: string): Trunk | undefined {
    const trunk = this.trunkRecords.get(this.tokens.get(token) ?? '')
    return typeof trunk === 'string' ? undefined : trunk
  }

  trunksForAddress(address: string): Trunk[] {
    return [...this.trunkRecords.values()].filter(
      (trunk): trunk is Trunk =>
        typeof trunk !== 'string' && !this.coldTrunks.has(trunk.id) && matchAddress(trunk, address).matched,
    )
  }
}

function found<T>(records: ReadonlyMap<string, T | string>, id: string, from: FoundFrom): Found<T> {
  if (from === 'unavailable') return { from }
  const record = records.get(id)
  if (record === undefined) return { from }
  return typeof record === 'string' ? { invalid: record, from } : { value: record as T, from }
}

/** A request from 127.0.0.1 unless told otherwise. */
export function inviteTo(
  requestUri: string,
  headers: Readonly<Record<string, string>> = {},
  sourceAddress = '127.0.0.1',
): InboundRequest {
  return {
    requestUri,
    header: (name) => headers[name.toLowerCase()],
    sourceAddress,
  }
}
