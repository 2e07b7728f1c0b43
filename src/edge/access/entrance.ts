import type { DoorRequest, Protocol } from '../../engine/index.js'
import { verdicts } from '../../model/verdict.js'
import { hasToTag } from '../guard.js'
import { toBytes } from '../header-value.js'
import type { CallLogger } from '../ports.js'
import { refusalHeaders } from '../reason.js'
import type { SipInvite, SipRequest } from '../sip-server.js'
import type { EdgeDoor } from './edge-door.js'

/**
 * The door where the SIP server is somebody else's, who has answered 100 and keeps state by the time we hear of a request: leaving it
 * unanswered would keep that for longest. So whatever unknown sources are to get, it is 403 here; no call comes of it, and no record.
 */
export class Entrance {
  constructor(
    private readonly door: Pick<EdgeDoor, 'knows' | 'admits' | 'busy'>,
    private readonly logger: Pick<CallLogger, 'error'>,
  ) {}

  invite(invite: SipInvite, comesIn: () => void): void {
    this.pass(invite, () => {
      const busy = hasToTag(invite) ? undefined : this.door.busy()
      if (busy === undefined || busy === 'drop') return comesIn()
      invite.answer(busy.status, busy.reason, { headers: Object.fromEntries(busy.headers) })
    })
  }

  request(request: SipRequest, comesIn: () => void): void {
    this.pass(request, comesIn)
  }

  private pass(request: SipRequest | SipInvite, comesIn: () => void): void {
    // What belongs to a dialog is answered as before: 481 when there is none any more.
    if (this.door.knows(request.sourceAddress) || hasToTag(request)) return comesIn()
    let cancelled = false
    if ('onCancel' in request) request.onCancel(() => (cancelled = true))
    this.door.admits(atDoor(request)).then(
      (admitted) => {
        if (cancelled || request.answered) return
        if (admitted) return comesIn()
        const { status, reason } = verdicts.SOURCE_UNKNOWN
        request.answer(status, reason, { headers: refusalHeaders('SOURCE_UNKNOWN', status) })
      },
      (error: unknown) => {
        this.logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'request not judged')
        if (!cancelled && !request.answered) request.answer(500, 'Server Internal Error')
      },
    )
  }
}

function atDoor(request: SipRequest): DoorRequest {
  return {
    method: request.method,
    requestUri: toBytes(request.uri),
    callId: request.callId,
    sourceAddress: request.sourceAddress,
    protocol: request.protocol as Protocol,
    malformed: false,
    body: request.body,
    header(name) {
      const value = request.header(name)
      return value === undefined ? undefined : toBytes(value)
    },
  }
}
