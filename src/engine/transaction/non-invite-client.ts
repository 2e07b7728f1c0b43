import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import { ClientMachine, type ClientCause } from './client-machine.js'
import { nobody, type ClientUser } from './client-transaction.js'
import type { Host } from './host.js'
import type { Chart } from './machine.js'

type State = 'trying' | 'proceeding' | 'completed' | 'terminated'
type Timer = 'E' | 'F' | 'K'
type Event = '1xx' | '2xx-6xx' | 'abandon' | Timer | 'transportError'
type Action = 'resend' | 'passUp' | 'timedOut' | 'unreachable'

/** RFC 3261 figure 6. */
export const nonInviteClient: Chart<State, Event, Action, Timer> = {
  rows: {
    trying: {
      '1xx': ['proceeding', 'passUp'],
      '2xx-6xx': ['completed', 'passUp'],
      abandon: ['terminated'],
      E: ['trying', 'resend'],
      F: ['terminated', 'timedOut'],
      transportError: ['terminated', 'unreachable'],
    },
    proceeding: {
      '1xx': ['proceeding', 'passUp'],
      '2xx-6xx': ['completed', 'passUp'],
      E: ['proceeding', 'resend'],
      F: ['terminated', 'timedOut'],
      transportError: ['terminated', 'unreachable'],
    },
    completed: {
      K: ['terminated'],
    },
    terminated: {},
  },
  timersOf: { trying: ['E', 'F'], proceeding: ['E', 'F'], completed: ['K'], terminated: [] },
}

/** A request other than INVITE and ACK on its way (RFC 3261 17.1.2). */
export class NonInviteClient extends ClientMachine<State, Event, Action, Timer> {
  constructor(host: Host, request: SipRequest, flow: Flow, branch: string, user: ClientUser) {
    super(nonInviteClient, 'trying', host, request, flow, branch, user)
  }

  override heard(response: SipResponse, flow: Flow): void {
    this.step(response.status < 200 ? '1xx' : '2xx-6xx', { response, flow })
  }

  /** Only an INVITE is worth cancelling (RFC 3261 9.1). */
  override cancel(): boolean {
    return false
  }

  override abandon(): void {
    if (this.state !== 'trying') return
    this.user = nobody
    this.step('abandon')
  }

  protected override lengthOf(timer: Timer, fired: number): number | undefined {
    const { t1Ms, t2Ms, t4Ms, t1x64Ms } = this.host.timers
    switch (timer) {
      case 'E':
        if (this.flow.reliable) return undefined
        return this.state === 'trying' ? Math.min(t1Ms * 2 ** fired, t2Ms) : t2Ms
      case 'F':
        return t1x64Ms
      case 'K':
        return this.flow.reliable ? 0 : t4Ms
    }
  }

  protected override entered(state: State): void {
    if (state === 'completed') this.text = undefined
    super.entered(state)
  }

  protected override act(action: Action, cause: ClientCause | undefined): void {
    switch (action) {
      case 'resend':
        return this.resend()
      case 'passUp':
        return this.passUp(cause)
      case 'timedOut':
        return this.timedOut()
      case 'unreachable':
        return this.unreachable(cause)
    }
  }
}
