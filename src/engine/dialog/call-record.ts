import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'

/** Which side a message of a call came from: a peer, or here. */
export type RecordSource = 'network' | 'application'
/** What we are in the call that has begun. */
export type RecordRole = 'uac' | 'uas' | 'proxy-uac' | 'proxy-uas'
/** Why a call is over; the names are the control protocol's. */
export type StopReason =
  | 'call-rejected'
  | 'call-canceled'
  | 'normal-release'
  | 'session-expired'
  | 'system-initiated-termination'
  | 'system-error-initiated-termination'

/** Where records of calls go: one to each event, with the message that it was. */
export interface CallRecords {
  attempt(invite: SipRequest, source: RecordSource): void
  start(ok: SipResponse, source: RecordSource, role: RecordRole): void
  stop(message: SipMessage, source: RecordSource, reason: StopReason): void
}

/** The records of one INVITE and of the call that may come of it: an attempt, at most one start, and one stop. */
export class CallRecord {
  private state: 'attempted' | 'started' | 'stopped' = 'attempted'

  constructor(
    private readonly records: CallRecords,
    invite: SipRequest,
    source: RecordSource,
  ) {
    records.attempt(invite, source)
  }

  /** The INVITE has this final response. */
  answered(response: SipResponse, source: RecordSource, role: RecordRole): void {
    const { status } = response
    if (status >= 300) return this.stopped(response, source, status === 487 ? 'call-canceled' : 'call-rejected')
    if (this.state !== 'attempted') return
    this.state = 'started'
    this.records.start(response, source, role)
  }

  /** It is over. Idempotent. */
  stopped(message: SipMessage, source: RecordSource, reason: StopReason): void {
    if (this.state === 'stopped') return
    this.state = 'stopped'
    this.records.stop(message, source, reason)
  }
}

/** How a dialog that we end on our own account is recorded, by the text of its BYE's Reason. */
export function stopReasonOf(text: string): StopReason {
  if (text === 'Session timer expired') return 'session-expired'
  return text === 'ACK-BYE due to cancel race condition' || text === 'CANCEL after 200 OK'
    ? 'system-initiated-termination'
    : 'system-error-initiated-termination'
}
