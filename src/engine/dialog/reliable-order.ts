import type { SipResponse } from '../message/message.js'

/** The order of the reliable provisional responses to one INVITE, in one dialog (RFC 3262 4). */
export class ReliableOrder {
  private last: number | undefined

  /** Whether the response is to be handed on: repeats, and those that come before their turn, are not. */
  takes(response: SipResponse): boolean {
    const text = response.headers.get('rseq')
    if (text === undefined) return true
    const rseq = Number(text)
    if (!Number.isInteger(rseq) || (this.last !== undefined && rseq !== this.last + 1)) return false
    this.last = rseq
    return true
  }
}
