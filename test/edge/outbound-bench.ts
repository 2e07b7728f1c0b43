import { AgentAuth } from '../../src/edge/agent-auth.js'
import { OutboundCalls } from '../../src/edge/outbound.js'
import type { Trunk } from '../../src/model/trunk.js'
import { AgentIdentifier } from '../../src/routing/identify-agent.js'
import type { LimitedTrunk, Met } from '../../src/store/limits.js'
import { DigestVerifier } from '../../src/trunks/digest/verifier.js'
import type { Target } from '../../src/trunks/target.js'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { awayLimits } from '../support/away-limits.js'
import { RoutingBench } from '../support/routing-bench.js'
import { Bench, type BenchOptions, NUMBER, turn } from './bench.js'
import { type Dialog, Incoming, type Outgoing, SDP } from './scripted-server.js'

export const DESTINATION = '+13125550199'
export const PASSWORD = 'secret of the tests'

/** The address scripted requests come from. */
const SOURCE = '127.0.0.1'

const target = (last: number): Target => ({ transport: 'udp', address: `192.0.2.${last}`, port: 5060, settled: true })

/** An edge that takes calls of the agent `front`, at 127.0.0.1, to a trunk with two servers. */
export class OutboundBench {
  readonly routing = new RoutingBench()
  readonly bench: Bench
  readonly limited: LimitedTrunk[] = []
  readonly released: string[] = []
  /** A limit that its calls meet; undefined: those of an edge that is alone. */
  met: Met | undefined
  challenged = 0
  password: () => Promise<string | undefined> = () => Promise.resolve(PASSWORD)

  /** @param trunk fields of its trunk */
  constructor(trunk: Partial<Trunk> = {}, options: Partial<BenchOptions> = {}) {
    const { routing } = this
    routing.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', allowed_addresses: ['192.0.2.0/24'], ...trunk })
    routing.addAgent('front', { allowed_addresses: [`${SOURCE}/32`] })
    routing.addNumber(NUMBER, { outbound_agent_ids: ['front'] })
    this.bench = new Bench({
      decide: (request) => routing.router.decide(request),
      ...options,
      outbound: (bench) => this.outbound(bench),
    })
  }

  /** An INVITE as an agent sends it; lines given override, '' removes. */
  static invite(lines: Readonly<Record<string, string>> = {}, body = SDP, to = DESTINATION): Incoming {
    const parties = { From: `"Ann" <sip:${NUMBER}@agent.local>;tag=a1`, To: `<sip:${to}@127.0.0.1>` }
    const invite = Bench.invite({ ...parties, ...lines }, body)
    return new Incoming('INVITE', `sip:${to}@127.0.0.1`, invite.lines, body)
  }

  /** A call of the agent; comes back when it has been dialled, or refused. */
  async call(invite = OutboundBench.invite()): Promise<Incoming> {
    this.bench.server.receive(invite)
    for (let i = 0; i < 12; i++) await turn()
    return invite
  }

  /** A call that has been answered and acknowledged. */
  async answered(invite = OutboundBench.invite()): Promise<{ invite: Incoming; a: Dialog; b: Dialog; out: Outgoing }> {
    await this.call(invite)
    const out = this.bench.server.last
    const b = out.answer()
    const a = this.bench.server.callerDialogs.at(-1)!
    a.acknowledge()
    return { invite, a, b, out }
  }

  private outbound(bench: Bench): OutboundCalls {
    const { clock, server } = bench
    const limits = awayLimits(clock)
    const identifier = new AgentIdentifier(this.routing)
    return new OutboundCalls({
      identifier,
      metrics: { challenges: { inc: () => void (this.challenged += 1) } },
      router: this.routing.outbound,
      auth: new AgentAuth({
        verifier: new DigestVerifier({ clock }),
        behind: (username, listed) => identifier.behind(username, listed),
        passwordOf: () => this.password(),
      }),
      limits: {
        take: (call) => {
          if (call.trunk !== undefined) this.limited.push(call.trunk)
          return this.met === undefined ? limits.take(call) : Promise.resolve(this.met)
        },
        answered: (callId) => limits.answered(callId),
        release: (callId) => {
          this.released.push(callId)
          limits.release(callId)
        },
      },
      ringTimeoutMs: 60_000,
      dialling: {
        clock,
        inviter: { invite: (_trunk, ...rest) => server.invite(...rest) },
        paths: { of: () => Promise.resolve({ targets: [target(1), target(2)], routes: [] }) },
        health: new TargetHealth({ clock, avoidMs: 30_000 }),
        settings: {
          silenceMs: 4_000,
          maxRedirects: 3,
          cancelWaitMs: 1_000,
          userAgent: 'signalbox',
          sessionTimers: null,
        },
      },
    })
  }
}
