import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import type { Host } from './host.js'
import type { Chart } from './machine.js'
import { legacyKey } from './matching.js'
import { ServerMachine, type ServerCause } from './server-machine.js'

type State = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'
type Timer = 'G' | 'H' | 'I' | 'L'
type Event = 'request' | 'ack' | '1xx' | '2xx' | '3xx-6xx' | 'repeat2xx' | Timer | 'transportError'
type Action = 'send' | 'resend' | 'ackUp' | 'tellRepeat' | 'timedOut' | 'unreachable'

/**
 * RFC 3261 figure 7 as RFC 6026 redrew it. `request`: the INVITE came once more; `repeat2xx`: the core sends its 2xx once
 * more. The 100 is the core's.
 */
export const inviteServer: Chart<State, Event, Action, Timer> = {
  rows: {
    proceeding: {
      request: ['proceeding', 'resend', 'tellRepeat'],
      '1xx': ['proceeding', 'send'],
      '2xx': ['accepted', 'send'],
      '3xx-6xx': ['completed', 'send'],
      transportError: ['proceeding', 'unreachable'],
    },
    accepted: {
      request: ['accepted', 'tellRepeat'],
      ack: ['accepted', 'ackUp'],
      repeat2xx: ['accepted', 'send'],
      L: ['terminated'],
      transportError: ['accepted', 'unreachable'],
    },
    completed: {
      request: ['completed', 'resend', 'tellRepeat'],
      ack: ['confirmed'],
      G: ['completed', 'resend'],
      H: ['terminated', 'timedOut'],
      transportError: ['completed', 'unreachable'],
    },
    confirmed: {
      I: ['terminated'],
    },
    terminated: {},
  },
  timersOf: { proceeding: [], accepted: ['L'], completed: ['G', 'H'], confirmed: ['I'], terminated: [] },
}

/** An INVITE that was received (RFC 3261 17.2.1, RFC 6026). */
export class InviteServer extends ServerMachine<State, Event, Action, Timer> {
  override readonly invite = true
  private ackKey: string | undefined

  constructor(
    host: Host,
    key: string,
    request: SipRequest,
    flow: Flow,
    /** Its branch is none of RFC 3261: the ACK is found by what else it has in common. */
    private readonly legacy: boolean,
  ) {
    super(inviteServer, 'proceeding', host, key, request, flow)
  }

  override respond(response: SipResponse): boolean {
    const { status } = response
    if (!this.step(status < 200 ? '1xx' : status < 300 ? '2xx' : '3xx-6xx', { response })) return false
    if (this.legacy && this.state === 'completed') {
      this.ackKey = legacyKey(this.request, 'INVITE', response.toTag)
      this.host.expectAck(this.ackKey, this)
    }
    return true
  }

  override retransmit2xx(response: SipResponse): boolean {
    if (!this.step('repeat2xx', { response })) return false
    this.host.counts.repeatedResponses++
    return true
  }

  override repeated(): void {
    this.step('request')
  }

  /** An ACK came that belongs to this INVITE. */
  acknowledged(ack: SipRequest, flow: Flow): void {
    this.step('ack', { ack, flow })
  }

  override stop(): void {
    if (this.ackKey !== undefined) this.host.forgetAck(this.ackKey)
    super.stop()
  }

  protected override lengthOf(timer: Timer, fired: number): number | undefined {
    const { t1Ms, t2Ms, t4Ms, t1x64Ms } = this.host.timers
    switch (timer) {
      case 'G':
        return this.flow.reliable ? undefined : Math.min(t1Ms * 2 ** fired, t2Ms)
      case 'I':
        return this.flow.reliable ? 0 : t4Ms
      case 'H':
      case 'L':
        return t1x64Ms
    }
  }

  protected override act(action: Action, cause: ServerCause | undefined): void {
    switch (action) {
      case 'send':
        this.send(cause)
        // Repeats of a 2xx are the core's.
        if (this.state === 'accepted') this.text = undefined
        return
      case 'resend':
        return this.resend()
      case 'ackUp':
        if (cause?.ack !== undefined) this.host.ackUp(cause.ack, cause.flow ?? this.flow)
        return
      case 'tellRepeat':
        return this.tellRepeat()
      case 'timedOut':
        return this.timedOut()
      case 'unreachable':
        return this.unreachable(cause)
    }
  }

  protected override entered(state: State): void {
    if (state === 'confirmed') this.text = undefined
    super.entered(state)
  }
}
