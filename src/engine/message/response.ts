import { isToken } from './chars.js'
import { Headers } from './headers.js'
import type { SipRequest } from './message.js'
import { SipResponse } from './message.js'
import { reasonPhrase } from './reason.js'

/**
 * A response to `request` as RFC 3261 8.2.6 wants it: its Vias, From, To, Call-ID and CSeq, Timestamp in a 100, Record-Route from 101
 * to 299 (12.1.1). Headers the request lacks are left out, so that a bad request can be answered too.
 * @param toTag goes into To when that has none.
 * @throws {RangeError} when `toTag` is no token.
 */
export function createResponse(request: SipRequest, status: number, reason?: string, toTag?: string): SipResponse {
  if (toTag !== undefined && !isToken(toTag)) throw new RangeError(`tag ${JSON.stringify(toTag)} is not a token`)
  const headers = new Headers()
  const keepsRoute = status > 100 && status < 300
  const given = request.headers
  for (let line = 0; line < given.count; line++) {
    const name = given.nameAt(line)
    const value = given.valueAt(line)
    switch (name.canonical) {
      case 'via':
        headers.appendLine(name, value)
        break
      case 'from':
      case 'call-id':
      case 'cseq':
        // A bad request may have several.
        if (!headers.has(name.canonical)) headers.appendLine(name, value)
        break
      case 'to': {
        if (headers.has('to')) break
        const to = toTag === undefined ? undefined : request.findTo()
        // A To that cannot be read goes back as it came: a tag behind an open quote would be part of the quoted string.
        const tagged = to === undefined || to.params.has('tag') ? value : `${value};tag=${toTag}`
        headers.appendLine(name, tagged)
        break
      }
      case 'timestamp':
        if (status === 100) headers.appendLine(name, value)
        break
      case 'record-route':
        if (keepsRoute) headers.appendLine(name, value)
        break
    }
  }
  return new SipResponse(status, reason ?? reasonPhrase(status), headers)
}
