import type { Clock } from '../clock.js'
import type { CallRecords, RecordRole, RecordSource, StopReason } from '../dialog/call-record.js'
import { newId } from '../dialog/tokens.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'
import type { Connections } from './connections.js'
import { recordMessage } from './leader.js'

/** Hands records of calls to the applications that ask for them (`route|cdr:start`), each to one, in turn. */
export class Cdrs implements CallRecords {
  constructor(
    private readonly apps: Connections,
    private readonly clock: Clock,
  ) {}

  attempt(invite: SipRequest, source: RecordSource): void {
    this.send('cdr:attempt', source, undefined, invite)
  }

  start(ok: SipResponse, source: RecordSource, role: RecordRole): void {
    this.send('cdr:start', source, role, ok)
  }

  stop(message: SipMessage, source: RecordSource, reason: StopReason): void {
    this.send('cdr:stop', source, reason, message)
  }

  private send(event: string, source: RecordSource, detail: string | undefined, message: SipMessage): void {
    this.apps.choose(event)?.send(recordMessage(newId(), event, source, this.clock.date(), detail, message))
  }
}
