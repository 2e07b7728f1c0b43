import type { SipResponse } from '../message/message.js'

/** 4xx that tell the caller what to do about it, and so are worth more than others (RFC 3261 16.7 step 6). */
const TELLING = new Set([401, 407, 415, 420, 484])

function rankOf(status: number): number {
  if (status >= 600) return 0
  if (TELLING.has(status)) return 1
  if (status >= 500) return 3
  return status >= 400 ? 2 : 4
}

export const isChallenge = (status: number): boolean => status === 401 || status === 407

/** The best of the responses that are no 2xx so far: 6xx, then those that tell what is wanted, other 4xx, 5xx, 3xx; of equals the first. */
export class BestResponse {
  private chosen: SipResponse | undefined
  /** Header lines of every challenge: the caller has to answer all of them (RFC 3261 16.7 step 7). */
  private readonly challenges: SipResponse[] = []

  add(response: SipResponse): void {
    if (isChallenge(response.status)) this.challenges.push(response)
    if (this.chosen === undefined || rankOf(response.status) < rankOf(this.chosen.status)) this.chosen = response
  }

  /** What goes to the caller; undefined: nobody has answered. */
  take(): SipResponse | undefined {
    const { chosen } = this
    if (chosen === undefined || !isChallenge(chosen.status)) return chosen
    for (const other of this.challenges) {
      if (other === chosen) continue
      for (const name of ['www-authenticate', 'proxy-authenticate'])
        for (const value of other.headers.getAll(name)) chosen.headers.append(name, value)
    }
    return chosen
  }
}
