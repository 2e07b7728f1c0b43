import { Calls } from '../../src/edge/calls.js'
import type { OriginateRequest } from '../../src/edge/originated.js'
import { Originator, type Originated } from '../../src/edge/originator.js'
import { defaultEdgeSettings, type EdgeSettings } from '../../src/edge/settings.js'
import { TrunkDial } from '../../src/edge/trunk-dial.js'
import { agentSchema, type Agent } from '../../src/model/agent.js'
import { cdrSchema, liveCallSchema, type Cdr } from '../../src/model/call.js'
import { eventSchema, type SignalboxEvent } from '../../src/model/event.js'
import { numberSchema } from '../../src/model/number.js'
import { trunkSchema, type Trunk } from '../../src/model/trunk.js'
import type { VerdictCode } from '../../src/model/verdict.js'
import type { OutboundDecision, OutboundRequest } from '../../src/routing/outbound-plan.js'
import type { Met } from '../../src/store/limits.js'
import { awayLimits } from '../support/away-limits.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Dialog, type Outgoing, ScriptedServer } from './scripted-server.js'

const AT = '2026-01-01T00:00:00.000Z'
export const NUMBER = '+14155550100'
export const DESTINATION = '+13125550199'

const sdpOf = (who: string, port: number, formats: string, direction = ''): string =>
  [
    'v=0',
    `o=${who} ${port} 1 IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP ${formats}`,
    ...(formats.split(' ').includes('101') ? ['a=rtpmap:101 telephone-event/8000'] : []),
    ...(direction === '' ? [] : [`a=${direction}`]),
    '',
  ].join('\r\n')

/** What the agent offers. */
export const OFFER = sdpOf('agent', 4000, '0 8 101')
/** What the destination answers. */
export const ANSWER = sdpOf('dest', 6000, '0 101')
/** What another branch of the destination answers. */
export const OTHER = sdpOf('fork', 6100, '8')
/** The agent's answer to a re-INVITE, from where it was before. */
export const AGENT_AGAIN = sdpOf('agent', 4000, '0 101')
/** The agent's answer from elsewhere. */
export const AGENT_MOVED = sdpOf('agent', 4200, '0 101')

export interface BenchOptions {
  readonly agent?: Partial<Agent>
  readonly trunk?: Partial<Trunk>
  readonly refuse?: VerdictCode
  readonly settings?: Partial<EdgeSettings>
  readonly maxCalls?: number
  readonly request?: Partial<OriginateRequest>
  /** A limit that it meets; undefined: those of an edge that is alone. */
  readonly met?: Met
}

/** Lets promises that are settled go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Calls asked for over the API, between a scripted SIP server and a scripted router. */
export class OriginateBench {
  readonly clock = new ManualClock()
  readonly server = new ScriptedServer()
  readonly cdrs: Cdr[] = []
  readonly events: SignalboxEvent[] = []
  readonly errors: unknown[] = []
  readonly taken = new Set<string>()
  readonly released: string[] = []
  readonly asked: OutboundRequest[] = []
  readonly calls: Calls
  readonly originator: Originator
  active = 0
  ended = 0
  stopping = false

  constructor(private readonly options: BenchOptions = {}) {
    const { clock, server } = this
    const settings = { ...defaultEdgeSettings, ...options.settings }
    this.calls = new Calls({ maxCalls: options.maxCalls ?? 100 })
    const ignore = (): void => {}
    const limits = awayLimits(clock)
    this.originator = new Originator({
      server,
      clock,
      settings,
      calls: this.calls,
      cdrs: { append: (cdr) => void this.cdrs.push(cdrSchema.parse(cdr)) },
      events: { publish: (event) => void this.events.push(eventSchema.parse(event)) },
      metrics: {
        callsTotal: { inc: () => void (this.ended += 1) },
        callsActive: { inc: () => void (this.active += 1), dec: () => void (this.active -= 1) },
        inviteRelaySeconds: { observe: ignore },
        setupSeconds: { observe: ignore },
      },
      logger: { debug: ignore, info: ignore, warn: ignore, error: (fields) => void this.errors.push(fields) },
      router: {
        decide: async (request) => {
          this.asked.push(request)
          return this.decision
        },
      },
      limits: {
        take: (call) => {
          this.taken.add(call.id)
          return options.met === undefined ? limits.take(call) : Promise.resolve(options.met)
        },
        answered: (id) => limits.answered(id),
        release: (id) => {
          this.released.push(id)
          this.taken.delete(id)
          limits.release(id)
        },
      },
      stopping: () => this.stopping,
      dialTrunk: ({ plan, offer, headers, privacy, ringTimeoutMs, run }, events) =>
        new TrunkDial(
          {
            clock,
            inviter: { invite: (_trunk, uri, invite, origin, on) => server.invite(uri, invite, origin, on) },
            paths: {
              of: async () => ({
                targets: [{ transport: 'udp', address: '127.0.0.1', port: 5065, settled: true }],
                routes: [],
              }),
            },
            health: { failed: ignore, answered: ignore, note: ignore },
            settings: {
              silenceMs: 4_000,
              maxRedirects: 3,
              cancelWaitMs: settings.cancelWaitMs,
              userAgent: null,
              sessionTimers: null,
            },
          },
          { plan, message: offer, headers, privacy, reliable: true, ringTimeoutMs: ringTimeoutMs ?? 120_000, run },
          events,
        ),
    })
  }

  get decision(): OutboundDecision {
    const { refuse } = this.options
    const trace: OutboundDecision['trace'] = {
      source_address: null,
      identified_by: 'api',
      agents_tried: [],
      presented: { source: 'from', value: NUMBER, normalised: [NUMBER], found: NUMBER },
      destination: { value: DESTINATION, normalised: DESTINATION },
      nearest_miss: null,
      looked_up: 'memory',
    }
    if (refuse !== undefined) return { code: refuse, detail: `refused: ${refuse}`, trace }
    const times = { created_at: AT, updated_at: AT }
    return {
      detail: 'agent front calls',
      trace,
      plan: {
        agent: agentSchema.parse({ id: 'front', sip_uri: 'sip:agent@127.0.0.1:5090', ...times, ...this.options.agent }),
        number: numberSchema.parse({ phone_number: NUMBER, trunk_id: 'pbx', outbound_agent_ids: ['front'], ...times }),
        trunk: trunkSchema.parse({ id: 'pbx', sip_domain: 'pbx.example.com', ...times, ...this.options.trunk }),
        destination: { kind: 'e164', value: DESTINATION },
      },
    }
  }

  /** Asks for a call; comes back when the agent's INVITE is on its way, or why it is not. */
  async originate(request: Partial<OriginateRequest> = {}): Promise<Originated> {
    const originated = await this.originator.originate({
      agentId: 'front',
      from: NUMBER,
      to: DESTINATION,
      headers: {},
      ringTimeoutMs: undefined,
      privacy: false,
      sourceAddress: '127.0.0.9',
      ...this.options.request,
      ...request,
    })
    if (originated.call !== undefined) liveCallSchema.parse(originated.call)
    return originated
  }

  /** The INVITE to the agent. */
  get agent(): Outgoing {
    return this.server.out[0]!
  }

  /** The agent's dialog. */
  get a(): Dialog {
    return this.agent.dialog!
  }

  /** The agent answers with its offer; comes back with the INVITE to the destination. */
  async offered(offer = OFFER): Promise<Outgoing> {
    await this.originate()
    this.agent.offer(offer)
    await turn()
    return this.server.last
  }

  /** A call between both; the destination's answer reached the agent in its ACK. */
  async answered(): Promise<{ a: Dialog; b: Dialog; out: Outgoing }> {
    const out = await this.offered()
    const b = out.answer(ANSWER)
    return { a: this.a, b, out }
  }

  get state(): string | undefined {
    return this.calls.list()[0]?.state
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
    if (this.cdrs.length !== this.ended) left.push(`${this.cdrs.length} records of ${this.ended} calls`)
    if (this.taken.size > 0) left.push('a channel of the trunk')
    if (this.errors.length !== 0) left.push(`errors ${JSON.stringify(this.errors)}`)
    for (const { acked, abandoned, offers } of this.server.out)
      if (offers && acked === undefined && !abandoned) left.push('an offer without ACK')
    return left.join(', ')
  }
}
