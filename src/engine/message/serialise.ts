import { isReasonPhrase, isToken, isVisible } from './chars.js'
import type { SipMessage } from './message.js'

/**
 * The message as it goes on the wire, a byte string. Header lines keep order and spelling; Content-Length is the real length, in place
 * of the first one that is there, else last.
 * @throws {RangeError} when method, Request-URI, status or reason phrase could not stand in a start line.
 */
export function serialise(message: SipMessage): string {
  const { headers, body } = message
  let text =
    message.kind === 'request' ? requestLine(message.method, message.uri) : statusLine(message.status, message.reason)
  let lengthWritten = false
  for (let line = 0; line < headers.count; line++) {
    const { canonical, head } = headers.nameAt(line)
    if (canonical !== 'content-length') {
      text += head
      text += headers.valueAt(line)
    } else if (!lengthWritten) {
      text += `${head}${body.length}`
      lengthWritten = true
    }
  }
  return lengthWritten ? `${text}\r\n\r\n${body}` : `${text}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

function requestLine(method: string, uri: string): string {
  if (!isToken(method)) throw new RangeError(`method ${JSON.stringify(method)} is not a token`)
  if (uri === '' || !isVisible(uri)) throw new RangeError(`Request-URI ${JSON.stringify(uri)} is empty or holds space`)
  return `${method} ${uri} SIP/2.0`
}

function statusLine(status: number, reason: string): string {
  if (!Number.isInteger(status) || status < 100 || status > 699)
    throw new RangeError(`status ${status} is not between 100 and 699`)
  if (!isReasonPhrase(reason)) throw new RangeError(`reason phrase ${JSON.stringify(reason)} holds a control character`)
  return `SIP/2.0 ${status} ${reason}`
}
