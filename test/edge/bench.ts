import { Calls } from '../../src/edge/calls.js'
import { Edge } from '../../src/edge/edge.js'
import type { OutboundCalls } from '../../src/edge/outbound.js'
import type { CallLimiter } from '../../src/edge/call-limits.js'
import type { TrunkAuth } from '../../src/edge/trunk-auth.js'
import { defaultEdgeSettings, type EdgeSettings } from '../../src/edge/settings.js'
import { agentSchema, type Agent } from '../../src/model/agent.js'
import { cdrSchema, type Cdr } from '../../src/model/call.js'
import { decisionSchema, type Decision } from '../../src/model/decision.js'
import { trunkSchema, type Trunk } from '../../src/model/trunk.js'
import { eventSchema, type SignalboxEvent } from '../../src/model/event.js'
import type { VerdictCode } from '../../src/model/verdict.js'
import type { InboundRequest, Routed } from '../../src/routing/router.js'
import { awayLimits } from '../support/away-limits.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Dialog, Incoming, type Outgoing, SDP, ScriptedServer } from './scripted-server.js'

const AT = '2026-01-01T00:00:00.000Z'
export const NUMBER = '+14155550100'

const trace: Decision['trace'] = {
  source_address: '127.0.0.1',
  trunks_tried: [],
  identified_by: 'address',
  sources_read: [],
  nearest_miss: null,
  looked_up: 'memory',
}

export interface BenchOptions {
  readonly agent?: Partial<Agent>
  readonly trunk?: Partial<Trunk>
  readonly targets?: readonly string[]
  readonly refuse?: VerdictCode
  readonly settings?: Partial<EdgeSettings>
  readonly maxCalls?: number
  /** What the router does in place of deciding. */
  readonly decide?: (request: InboundRequest) => Promise<Routed>
  /** Default: those of an edge that is alone. */
  readonly limits?: CallLimiter
  readonly maxCallSeconds?: number
  readonly trunkAuth?: (bench: Bench) => Pick<TrunkAuth, 'prove'>
  /** Takes calls of agents. */
  readonly outbound?: (bench: Bench) => Pick<OutboundCalls, 'take'>
}

interface Counted {
  labels: Record<string, string>
}

/** An edge between a scripted SIP server and a scripted router, with everything it leaves behind. */
export class Bench {
  readonly clock = new ManualClock()
  readonly server = new ScriptedServer()
  readonly cdrs: Cdr[] = []
  readonly counted: Counted[] = []
  active = 0
  readonly relaySeconds: number[] = []
  readonly setupSeconds: number[] = []
  readonly log: { level: string; fields: Record<string, unknown>; message: string }[] = []
  readonly routed: InboundRequest[] = []
  readonly events: SignalboxEvent[] = []
  readonly calls: Calls
  readonly edge: Edge

  constructor(private readonly options: BenchOptions = {}) {
    this.calls = new Calls({ maxCalls: options.maxCalls ?? 100 })
    const write = (level: string) => (fields: object, message: string) =>
      void this.log.push({ level, fields: fields as Record<string, unknown>, message })
    this.edge = new Edge({
      srf: this.server,
      router: { decide: (request) => this.decide(request) },
      calls: this.calls,
      cdrs: { append: (cdr) => void this.cdrs.push(cdrSchema.parse(cdr)) },
      metrics: {
        callsTotal: { inc: (labels) => void this.counted.push({ labels }) },
        callsActive: { inc: () => void (this.active += 1), dec: () => void (this.active -= 1) },
        inviteRelaySeconds: { observe: (seconds) => void this.relaySeconds.push(seconds) },
        setupSeconds: { observe: (seconds) => void this.setupSeconds.push(seconds) },
      },
      logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      clock: this.clock,
      settings: { ...defaultEdgeSettings, ...options.settings },
      limits: options.limits ?? awayLimits(this.clock),
      maxCallSeconds: options.maxCallSeconds,
      outbound: options.outbound?.(this),
      trunkAuth: options.trunkAuth?.(this),
      events: { publish: (event) => void this.events.push(eventSchema.parse(event)) },
    })
    this.edge.start()
  }

  /** An INVITE as a PBX sends it; lines given override, '' removes. */
  static invite(lines: Readonly<Record<string, string>> = {}, body = SDP): Incoming {
    const all: Record<string, string> = {
      From: '"Ann" <sip:+13125550199@127.0.0.1>;tag=a1',
      To: `<sip:${NUMBER}@127.0.0.1>`,
      'Call-ID': 'leg-a',
      CSeq: '1 INVITE',
      Contact: '<sip:+13125550199@127.0.0.1:5071>',
      'Max-Forwards': '70',
      ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }),
      ...lines,
    }
    const kept = Object.entries(all).filter(([, value]) => value !== '')
    return new Incoming('INVITE', `sip:${NUMBER}@127.0.0.1`, Object.fromEntries(kept), body)
  }

  /** A call arrives; comes back when routing has had its turn. */
  async call(invite = Bench.invite()): Promise<Incoming> {
    this.server.receive(invite)
    await turn()
    return invite
  }

  /** A call that has been answered and acknowledged. */
  async answered(invite = Bench.invite()): Promise<{ invite: Incoming; a: Dialog; b: Dialog; out: Outgoing }> {
    await this.call(invite)
    const out = this.server.last
    const b = out.answer()
    const a = this.server.callerDialogs.at(-1)!
    a.acknowledge()
    return { invite, a, b, out }
  }

  get cdr(): Cdr {
    if (this.cdrs.length !== 1) throw new Error(`${this.cdrs.length} records`)
    return this.cdrs[0]!
  }

  /** What a call that is over must not leave behind, in words; '' when all is clean. */
  get leaks(): string {
    const left: string[] = []
    if (this.calls.size !== 0) left.push(`${this.calls.size} calls`)
    if (this.active !== 0) left.push(`gauge ${this.active}`)
    if (this.clock.pending !== 0) left.push(`${this.clock.pending} timers`)
    if (this.server.openDialogs.length !== 0) left.push(`${this.server.openDialogs.length} dialogs`)
    if (this.cdrs.length !== this.counted.length)
      left.push(`${this.cdrs.length} records of ${this.counted.length} calls`)
    const errors = this.log.filter(({ level }) => level === 'error')
    if (errors.length !== 0) left.push(`errors ${JSON.stringify(errors)}`)
    return left.join(', ')
  }

  private decide(request: InboundRequest): Promise<Routed> {
    this.routed.push(request)
    if (this.options.decide !== undefined) return this.options.decide(request)
    return Promise.resolve(this.decision)
  }

  get decision(): Routed {
    const { refuse, targets = ['sip:agent@127.0.0.1:5090'] } = this.options
    const agent = agentSchema.parse({
      id: 'front',
      sip_uri: targets[0] ?? 'sip:agent@127.0.0.1:5090',
      created_at: AT,
      updated_at: AT,
      ...this.options.agent,
    })
    const trunk = trunkSchema.parse({ id: 'pbx-1', created_at: AT, updated_at: AT, ...this.options.trunk })
    const decision = decisionSchema.parse({
      outcome: refuse === undefined ? 'agent' : 'refused',
      code: refuse ?? null,
      sip_status: null,
      detail: refuse === undefined ? 'to front' : `refused for the test: trunk secret-trunk of another customer`,
      account_id: 'default',
      phone_number: NUMBER,
      trunk_id: 'pbx-1',
      agent_id: 'front',
      targets: [...targets],
      trace,
    })
    return refuse === undefined ? { decision, trunk, agent } : { decision }
  }
}

/** Lets promises that are settled have their turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
