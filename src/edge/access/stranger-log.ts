import { parseNameAddr, type Clock, type DoorRequest } from '../../engine/index.js'
import { hideContactTokens } from '../../model/contact-token.js'
import { printable } from '../../model/printable.js'
import { numberOf } from '../headers.js'
import type { CallLogger } from '../ports.js'
import type { SourceLedger } from './source-ledger.js'

export interface StrangerLogOptions {
  readonly clock: Clock
  readonly logger: Pick<CallLogger, 'info' | 'warn'>
  readonly ledger: Pick<SourceLedger, 'unsaid' | 'find'>
}

/** Milliseconds between two lines about one source. */
const LINE_EVERY_MS = 60_000
/** Lines a second about all of them. */
const LINES_A_SECOND = 10
const MAX_SHOWN = 64

/** Tells of who was turned away: a line a source a minute, and few altogether, whatever is sent. None is longer than 1 kB. */
export class StrangerLog {
  private lines = LINES_A_SECOND
  private atMs = 0
  private unsaid = 0

  constructor(private readonly options: StrangerLogOptions) {}

  /**
   * @param reason why it was turned away
   * @param answer what it got: a status, or `none`
   */
  tell(request: DoorRequest, reason: string, answer: string): void {
    const { ledger, logger } = this.options
    const { sourceAddress, method } = request
    const ofSource = ledger.unsaid(sourceAddress, LINE_EVERY_MS)
    // Whoever is banned says nothing more: that is told each time.
    const ban = reason === 'unknown_source' ? undefined : ledger.find(sourceAddress)
    if (ofSource === undefined && ban === undefined) return
    if (!this.mayWrite()) return
    const fields = {
      sourceAddress,
      method: printable(method, 16),
      dialled: dialledUser(request),
      userAgent: printable(request.header('user-agent') ?? '', MAX_SHOWN),
      callId: printable(request.callId, MAX_SHOWN),
      reason,
      answer,
      requests: ofSource ?? 1,
      unsaid: this.unsaid,
    }
    this.unsaid = 0
    if (ban === undefined) logger.info(fields, 'Unknown source turned away')
    else logger.warn({ ...fields, banSeconds: ban.seconds, offences: ban.offences }, 'Unknown source banned')
  }

  private mayWrite(): boolean {
    const now = this.options.clock.now()
    this.lines = Math.min(LINES_A_SECOND, this.lines + ((now - this.atMs) / 1000) * LINES_A_SECOND)
    this.atMs = now
    if (this.lines < 1) {
      this.unsaid++
      return false
    }
    this.lines--
    return true
  }
}

/** Whom a request calls, or registers: the user of its Request-URI, else of To. */
export function dialledUser(request: DoorRequest): string {
  const user = numberOf(request.requestUri) || numberOf(parseNameAddr(request.header('to') ?? '')?.uri ?? '')
  return hideContactTokens(printable(user, MAX_SHOWN))
}
