import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import type { Host } from './host.js'
import type { Chart } from './machine.js'
import { ServerMachine, type ServerCause } from './server-machine.js'

type State = 'trying' | 'proceeding' | 'completed' | 'terminated'
type Timer = 'J'
type Event = 'request' | '1xx' | '2xx-6xx' | Timer | 'transportError'
type Action = 'send' | 'resend' | 'tellRepeat' | 'unreachable'

/** RFC 3261 figure 8; a transport error leaves the state as it is (RFC 6026 8.8). `request`: it came once more. */
export const nonInviteServer: Chart<State, Event, Action, Timer> = {
  rows: {
    trying: {
      request: ['trying', 'tellRepeat'],
      '1xx': ['proceeding', 'send'],
      '2xx-6xx': ['completed', 'send'],
    },
    proceeding: {
      request: ['proceeding', 'resend', 'tellRepeat'],
      '1xx': ['proceeding', 'send'],
      '2xx-6xx': ['completed', 'send'],
      transportError: ['proceeding', 'unreachable'],
    },
    completed: {
      request: ['completed', 'resend', 'tellRepeat'],
      J: ['terminated'],
      transportError: ['completed', 'unreachable'],
    },
    terminated: {},
  },
  timersOf: { trying: [], proceeding: [], completed: ['J'], terminated: [] },
}

/** A request other than INVITE and ACK that was received (RFC 3261 17.2.2). */
export class NonInviteServer extends ServerMachine<State, Event, Action, Timer> {
  override readonly invite = false

  constructor(host: Host, key: string, request: SipRequest, flow: Flow) {
    super(nonInviteServer, 'trying', host, key, request, flow)
  }

  override respond(response: SipResponse): boolean {
    return this.step(response.status < 200 ? '1xx' : '2xx-6xx', { response })
  }

  override retransmit2xx(): boolean {
    return false
  }

  override repeated(): void {
    this.step('request')
  }

  protected override lengthOf(): number {
    return this.flow.reliable ? 0 : this.host.timers.t1x64Ms
  }

  protected override act(action: Action, cause: ServerCause | undefined): void {
    switch (action) {
      case 'send':
        return this.send(cause)
      case 'resend':
        return this.resend()
      case 'tellRepeat':
        return this.tellRepeat()
      case 'unreachable':
        return this.unreachable(cause)
    }
  }
}
