import * as assert from 'uvu/assert'
import type { CallLimiter } from '../../src/edge/call-limits.js'
import type { LimitedCall, Met } from '../../src/store/limits.js'
import { Bench, turn } from '../edge/bench.js'
import { ANSWER, type Dialog, type Incoming, type Outgoing, Response, SDP } from '../edge/scripted-server.js'
import { createDice } from './random-dice.js'

const REFUSALS = [302, 400, 401, 403, 404, 407, 408, 422, 480, 481, 486, 487, 488, 491, 500, 503, 504, 600, 603, 607]
const METHODS = ['INVITE', 'INVITE', 'UPDATE', 'INFO', 'REFER', 'NOTIFY', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'BOGUS']
const HELD = SDP.replace('4000', '0').replace('1 1 IN', '1 2 IN')
const BODIES = [SDP, ANSWER, HELD, '', 'nonsense', 'v=0\r\n']
const MORE: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  { Contact: '<sip:moved@127.0.0.1:5099>' },
  { Contact: '*' },
  { Require: 'timer' },
  { 'Session-Expires': '90;refresher=uac', Supported: 'timer' },
  { 'Session-Expires': '120;refresher=uas', 'Min-SE': '100' },
  { Reason: 'Q.850;cause=16' },
  { 'WWW-Authenticate': 'Digest realm="x", nonce="n"' },
  { 'Retry-After': '5' },
]

/** Channels of a trunk that are given or not, at once or late. */
class RandomChannels implements CallLimiter {
  readonly held = new Set<string>()
  readonly waiting: Array<() => void> = []

  constructor(private readonly dice: (limit: number) => number) {}

  take({ id }: LimitedCall): Promise<Met | undefined> {
    this.held.add(id)
    const met = this.dice(12) === 0 ? ({ of: 'trunk', id: 'pbx-1', limit: 'channel_limit' } as const) : undefined
    if (this.dice(3) > 0) return Promise.resolve(met)
    return new Promise((resolve) => this.waiting.push(() => resolve(met)))
  }

  answered(): void {}

  release(callId: string): void {
    this.held.delete(callId)
  }

  settle(): void {
    for (const go of this.waiting.splice(0)) go()
  }
}

/** Calls through the edge, their far ends and their SIP server doing whatever they may, in an order that the seed decides. */
export class EdgeWorld {
  readonly bench: Bench
  private readonly dice: (limit: number) => number
  private readonly channels: RandomChannels
  private readonly invites: Incoming[] = []
  /** What we have answered of the requests the edge sent in dialogs. */
  private readonly settled = new Set<object>()
  private readonly acknowledged = new Set<object>()
  /** The server has refused, or lost, what the edge answered an INVITE. */
  private unheard = false
  private readonly accepts: Array<() => void> = []

  constructor(seed: number) {
    this.dice = createDice(seed)
    this.channels = new RandomChannels(this.dice)
    const uris = ['sip:agent@127.0.0.1:5090', 'sip:agent@127.0.0.1:5091', 'sip:agent@127.0.0.1:5092']
    const refresher = this.pick(['edge', 'peer'] as const)
    const sessionTimers = this.pick([null, { expiresS: 120, minSeS: 90, refresher }])
    this.bench = new Bench({
      targets: uris.slice(0, 1 + this.dice(3)),
      limits: this.channels,
      trunk: { channel_limit: 3 },
      maxCalls: this.pick([2, 100]),
      settings: { ringTimeoutMs: this.pick([5_000, 30_000]), sessionTimers },
      ...(this.dice(12) === 0 ? { refuse: 'NUMBER_UNKNOWN' } : {}),
    })
    this.bench.server.echoes = this.dice(5) > 0
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.dice(from.length)] as T
  }

  async step(): Promise<void> {
    switch (this.dice(14)) {
      case 0:
        this.callComes()
        break
      case 1:
      case 2:
      case 3:
        this.agentAnswers()
        break
      case 4:
        this.callerActs()
        break
      case 5:
      case 6:
      case 7:
        this.dialogActs()
        break
      case 8:
      case 9:
        this.responds()
        break
      case 10:
        this.bench.clock.advance(this.pick([1, 20, 500, 1_000, 5_000, 32_000, 130_000]))
        break
      case 11:
        this.serverActs()
        break
      case 12:
        this.operatorActs()
        break
      default:
        this.channels.settle()
    }
    await turn()
    this.collectAccepts()
  }

  private callComes(): void {
    if (this.invites.length >= 4) return
    const lines = {
      'Call-ID': `leg-a-${this.invites.length}`,
      ...(this.dice(3) === 0 ? { Supported: '100rel, timer' } : {}),
      ...(this.dice(6) === 0 ? { Require: '100rel' } : {}),
      ...(this.dice(4) === 0 ? { 'Session-Expires': '1800', Supported: 'timer' } : {}),
      ...(this.dice(20) === 0 ? { Contact: '' } : {}),
    }
    const invite = Bench.invite(lines, this.dice(5) === 0 ? '' : SDP)
    if (this.dice(20) === 0) invite.refuseAnswers = new Error('Response not sent due to unknown transaction')
    this.invites.push(invite)
    this.bench.server.receive(invite)
  }

  private get ringing(): Outgoing[] {
    return this.bench.server.out.filter(({ over }) => !over)
  }

  private agentAnswers(): void {
    if (this.ringing.length === 0) return
    const out = this.pick(this.ringing)
    const reliable = out.options.body !== '' && this.dice(3) === 0 ? { Require: '100rel', RSeq: '1' } : {}
    switch (this.dice(7)) {
      case 0:
        return out.ring(180, reliable)
      case 1:
        return out.ring(183, reliable, ANSWER)
      case 2:
      case 3:
        if (out.options.body === '') return out.offer(this.pick([ANSWER, '', 'nonsense']))
        out.answer(this.pick([ANSWER, ANSWER, '', 'nonsense']), this.pick(MORE))
        return
      case 4:
        return out.fail()
      case 5:
        if (out.cancelled !== undefined) return out.refuse(487)
        return
      default:
        return out.refuse(this.pick(REFUSALS), 'No', this.pick(MORE))
    }
  }

  private callerActs(): void {
    if (this.invites.length === 0) return
    const invite = this.pick(this.invites)
    if (this.dice(2) === 0) return this.pick(invite.given)?.prack?.()
    if (!invite.answered && this.dice(3) === 0) invite.cancel(this.pick(MORE))
  }

  private get dialogs(): Dialog[] {
    const agents = this.bench.server.out.flatMap(({ dialog }) => (dialog === undefined ? [] : [dialog]))
    return [...agents, ...this.bench.server.callerDialogs]
  }

  private dialogActs(): void {
    for (const out of this.bench.server.out) if (out.offers && this.dice(8) === 0) return out.hangUpEarly()
    const open = this.dialogs.filter(({ ended }) => !ended)
    if (open.length === 0) return
    const dialog = this.pick(open)
    switch (this.dice(9)) {
      case 0:
        return dialog.hangUp(this.pick(MORE))
      case 1:
        return dialog.endByServer(this.pick(['ACK timeout', 'CANCEL after 200 OK', 'Session timer expired']))
      case 2:
      case 3:
      case 4:
        // The first ACK of an answered call belongs to the caller's leg, once; that of a re-INVITE to either.
        if (!this.bench.server.callerDialogs.includes(dialog) && this.dice(4) > 0) return
        this.acknowledged.add(dialog)
        return dialog.acknowledge(this.pick(['', '', ANSWER]), { CSeq: `${1 + this.dice(4)} ACK` })
      default:
        dialog.receive(this.pick(METHODS), this.pick(MORE), this.pick(BODIES))
    }
  }

  /** The far end answers a request of the edge's, or the server cannot send it. */
  private responds(): void {
    const open = this.dialogs.flatMap(({ sent }) => sent.filter((entry) => !this.settled.has(entry)))
    if (open.length === 0) return
    const entry = this.pick(open)
    this.settled.add(entry)
    const { method } = entry.request
    switch (this.dice(6)) {
      case 0:
        return entry.fail({ dialogGone: this.dice(2) === 0, message: 'unable to find dialog for dialog id provided' })
      case 1:
      case 2:
        return entry.respond(this.pick(REFUSALS), 'No', this.pick(MORE))
      default:
        return entry.respond(method === 'REFER' ? 202 : 200, 'OK', this.pick(MORE), this.pick(BODIES))
    }
  }

  private serverActs(): void {
    const { server } = this.bench
    switch (this.dice(8)) {
      case 0:
        server.acceptance = this.pick<Error | 'sent' | 'held'>([
          'sent',
          'sent',
          'held',
          new Error('Response not sent due to unknown transaction'),
        ])
        this.unheard ||= server.acceptance instanceof Error
        return
      case 1:
      case 2:
      case 3:
        return this.releaseAccept()
      case 4:
        for (const out of this.ringing) if (!server.echoes && this.dice(2) === 0) out.echo()
        return
      case 5:
        if (this.dice(4) === 0) this.loseServer()
        return
      default:
        for (const dialog of this.dialogs) dialog.byeAnswers.push(new Response(this.pick([200, 401, 481, 500]), 'No'))
    }
  }

  /** The 200s that the server has not said anything about yet. */
  private collectAccepts(): void {
    const { server } = this.bench
    if (server.releaseAccept !== undefined) this.accepts.push(server.releaseAccept)
    server.releaseAccept = undefined
  }

  private releaseAccept(): void {
    this.collectAccepts()
    this.accepts.shift()?.()
  }

  /** The connection is lost: nothing of what was under way comes any more. */
  private loseServer(): void {
    const { server } = this.bench
    this.collectAccepts()
    this.accepts.length = 0
    this.unheard = true
    server.lose()
    for (const dialog of this.dialogs) dialog.ended = true
    for (const out of this.ringing) out.fail('the connection is lost')
    for (const entry of this.dialogs.flatMap(({ sent }) => sent)) this.settled.add(entry)
  }

  private operatorActs(): void {
    if (this.dice(6) > 0) return
    for (const call of this.bench.calls.all())
      if (this.dice(2) === 0) call.hangUp('OPERATOR_HUNG_UP', 'hung up by the test')
  }

  /** Everybody does what is left to them; then time runs out. */
  async end(): Promise<void> {
    const { server, clock, calls } = this.bench
    for (let round = 0; round < 60; round++) {
      this.channels.settle()
      while (this.accepts.length > 0) this.releaseAccept()
      for (const out of this.ringing) out.refuse(out.cancelled === undefined ? 480 : 487)
      for (const dialog of this.dialogs)
        for (const entry of dialog.sent)
          if (!this.settled.has(entry)) {
            this.settled.add(entry)
            entry.respond(481, 'Gone')
          }
      for (const out of server.out) if (out.offers && !out.abandoned && out.acked === undefined) out.hangUpEarly()
      for (const dialog of server.callerDialogs)
        if (!dialog.ended && !this.acknowledged.has(dialog)) {
          this.acknowledged.add(dialog)
          dialog.acknowledge()
        }
      if (round > 2) for (const dialog of this.dialogs) if (!dialog.ended) dialog.hangUp()
      await turn()
      this.collectAccepts()
      if (round > 3) clock.advance(40_000)
      await turn()
      if (round > 6 && calls.size === 0 && clock.pending === 0) return
    }
  }

  check(label: string): void {
    const { bench } = this
    assert.is(bench.leaks, '', label)
    assert.equal([...this.channels.held], [], `${label}: channels that are not given back`)
    const ids = bench.cdrs.map(({ call_id }) => call_id)
    assert.is(new Set(ids).size, ids.length, `${label}: one record a call`)
    if (this.unheard) return
    for (const invite of this.invites)
      assert.ok(invite.answered || invite.refuseAnswers !== undefined, `${label}: every INVITE has its final answer`)
  }
}
