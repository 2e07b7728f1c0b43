import type { LegName } from './bridge.js'
import type { DialogEnd, DialogEvents, SipMessage, SipRequest } from './sip-server.js'

/** Who hears what comes in on the legs of a call. */
export interface LegListener {
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
  requested(leg: LegName, request: SipRequest): void
  acknowledged(leg: LegName, ack: SipMessage): void
  /** Takes care by itself of what is thrown. */
  legEnded(leg: LegName, end: DialogEnd): void
}

/** What comes in on one leg's dialog. It stays for as long as the call: one object, and no functions of its own. */
export class LegEvents implements DialogEvents {
  constructor(
    private readonly leg: LegName,
    private readonly listener: LegListener,
  ) {}

  request(request: SipRequest): void {
    this.listener.run(() => this.listener.requested(this.leg, request))
  }

  acknowledged(ack: SipMessage): void {
    this.listener.run(() => this.listener.acknowledged(this.leg, ack))
  }

  ended(end: DialogEnd): void {
    this.listener.legEnded(this.leg, end)
  }
}
