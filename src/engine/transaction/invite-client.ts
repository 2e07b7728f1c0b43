import { serialise, type SipRequest, type SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import { ClientMachine, type ClientCause } from './client-machine.js'
import { nobody, type ClientUser } from './client-transaction.js'
import type { Host } from './host.js'
import type { Chart } from './machine.js'
import { ackTo, cancelOf } from './own-requests.js'

type State =
  'calling' | 'withdrawn' | 'abandoned' | 'proceeding' | 'cancelling' | 'accepted' | 'completed' | 'terminated'
/** `answerToCancel` is the 64*T1 of RFC 3261 9.1, which has no letter there. */
type Timer = 'A' | 'B' | 'C' | 'D' | 'M' | 'answerToCancel'
type Event = '100' | '101-199' | '2xx' | '3xx-6xx' | 'cancel' | 'abandon' | Timer | 'transportError'
type Action = 'resend' | 'restartC' | 'sendCancel' | 'ack' | 'passUp' | 'timedOut' | 'unreachable'

/**
 * RFC 3261 figure 5 with RFC 6026 (`accepted`), and RFC 3261 9.1 as two states: `withdrawn` is `calling` with a CANCEL
 * that waits for the first 1xx, `cancelling` is `proceeding` with the CANCEL sent. `abandoned` is `withdrawn`
 * without repeats: nobody waits for a peer so silent. Timer C is RFC 3261 16.6.
 */
export const inviteClient: Chart<State, Event, Action, Timer> = {
  rows: {
    calling: {
      '100': ['proceeding', 'passUp'],
      '101-199': ['proceeding', 'passUp'],
      '2xx': ['accepted', 'passUp'],
      '3xx-6xx': ['completed', 'ack', 'passUp'],
      cancel: ['withdrawn'],
      abandon: ['abandoned'],
      A: ['calling', 'resend'],
      B: ['terminated', 'timedOut'],
      transportError: ['terminated', 'unreachable'],
    },
    withdrawn: {
      '100': ['cancelling', 'sendCancel', 'passUp'],
      '101-199': ['cancelling', 'sendCancel', 'passUp'],
      '2xx': ['accepted', 'passUp'],
      '3xx-6xx': ['completed', 'ack', 'passUp'],
      cancel: ['withdrawn'],
      abandon: ['abandoned'],
      A: ['withdrawn', 'resend'],
      B: ['terminated', 'timedOut'],
      transportError: ['terminated', 'unreachable'],
    },
    abandoned: {
      '100': ['cancelling', 'sendCancel'],
      '101-199': ['cancelling', 'sendCancel'],
      '2xx': ['accepted', 'passUp'],
      '3xx-6xx': ['completed', 'ack'],
      B: ['terminated'],
      transportError: ['terminated'],
    },
    proceeding: {
      '100': ['proceeding', 'passUp'],
      '101-199': ['proceeding', 'restartC', 'passUp'],
      '2xx': ['accepted', 'passUp'],
      '3xx-6xx': ['completed', 'ack', 'passUp'],
      cancel: ['cancelling', 'sendCancel'],
      C: ['cancelling', 'sendCancel'],
    },
    cancelling: {
      '100': ['cancelling', 'passUp'],
      '101-199': ['cancelling', 'passUp'],
      '2xx': ['accepted', 'passUp'],
      '3xx-6xx': ['completed', 'ack', 'passUp'],
      cancel: ['cancelling'],
      answerToCancel: ['terminated', 'timedOut'],
    },
    accepted: {
      '2xx': ['accepted', 'passUp'],
      M: ['terminated'],
    },
    completed: {
      '3xx-6xx': ['completed', 'ack'],
      D: ['terminated'],
      // The figure informs the user. It has its final response already, and one outcome is what it is promised.
      transportError: ['terminated'],
    },
    terminated: {},
  },
  timersOf: {
    calling: ['A', 'B'],
    withdrawn: ['A', 'B'],
    abandoned: ['B'],
    proceeding: ['C'],
    cancelling: ['answerToCancel'],
    accepted: ['M'],
    completed: ['D'],
    terminated: [],
  },
}

/** An INVITE on its way (RFC 3261 17.1.1, RFC 6026). */
export class InviteClient extends ClientMachine<State, Event, Action, Timer> {
  private cancelHeaders: ((cancel: SipRequest) => void) | undefined

  constructor(host: Host, request: SipRequest, flow: Flow, branch: string, user: ClientUser) {
    super(inviteClient, 'calling', host, request, flow, branch, user)
  }

  override heard(response: SipResponse, flow: Flow): void {
    this.step(eventOf(response.status), { response, flow })
  }

  override cancel(headers?: (cancel: SipRequest) => void): boolean {
    if (this.state === 'calling' || this.state === 'proceeding') this.cancelHeaders = headers
    return this.step('cancel')
  }

  override abandon(late: (response: SipResponse, flow: Flow) => void): void {
    if (this.state !== 'calling' && this.state !== 'withdrawn') return
    const response: ClientUser['response'] = (given, flow) => {
      if (given.status >= 200 && given.status < 300) late(given, flow)
    }
    this.user = { ...nobody, response }
    this.step('abandon')
  }

  override stop(): void {
    this.cancelHeaders = undefined
    super.stop()
  }

  protected override lengthOf(timer: Timer, fired: number): number | undefined {
    const { t1Ms, t1x64Ms, timerCMs, timerDMs } = this.host.timers
    switch (timer) {
      case 'A':
        return this.flow.reliable ? undefined : t1Ms * 2 ** fired
      case 'C':
        return timerCMs
      case 'D':
        return this.flow.reliable ? 0 : timerDMs
      case 'B':
      case 'M':
      case 'answerToCancel':
        return t1x64Ms
    }
  }

  protected override entered(state: State): void {
    if (state !== 'withdrawn') this.text = undefined
    super.entered(state)
  }

  protected override act(action: Action, cause: ClientCause | undefined): void {
    switch (action) {
      case 'resend':
        return this.resend()
      case 'restartC':
        return this.restart('C')
      case 'sendCancel':
        return this.sendCancel()
      case 'ack':
        if (cause?.response) this.send(serialise(ackTo(this.request, cause.response)))
        return
      case 'passUp':
        return this.passUp(cause)
      case 'timedOut':
        return this.timedOut()
      case 'unreachable':
        return this.unreachable(cause)
    }
  }

  private sendCancel(): void {
    const cancel = cancelOf(this.request)
    const headers = this.cancelHeaders
    this.cancelHeaders = undefined
    try {
      headers?.(cancel)
    } catch (error) {
      this.host.report(error)
    }
    this.host.openCancel(cancel, this.flow, this.branch)
  }
}

function eventOf(status: number): '100' | '101-199' | '2xx' | '3xx-6xx' {
  if (status === 100) return '100'
  if (status < 200) return '101-199'
  return status < 300 ? '2xx' : '3xx-6xx'
}
