import { FrameError, FrameReader } from '../../../src/engine/control/frames.js'
import { readProxyCommand } from '../../../src/engine/control/proxy-command.js'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import type { Dice } from '../../support/mutations.js'
import { breaksLine, diceOf, must, type Reader, same } from '../reader.js'

const LIMIT = 1_000_000

/** What applications send: frames, and the SIP text in them. */
export const control: Reader = {
  name: 'control',
  read(bytes) {
    const whole = framesOf(bytes, undefined)
    must(same(framesOf(bytes, diceOf(bytes)), whole), 'however they are cut, the frames are the same')
    for (const payload of whole.payloads) checkText(payload)
    return !whole.broken && whole.payloads.length > 0
  },
}

function framesOf(bytes: Buffer, dice: Dice | undefined): { payloads: string[]; broken: boolean } {
  const payloads: string[] = []
  const reader = new FrameReader(LIMIT, (payload) => payloads.push(payload))
  try {
    for (let at = 0; at < bytes.length;) {
      const end = at + (dice === undefined ? bytes.length : 1 + dice.roll(60))
      reader.push(bytes.subarray(at, end))
      at = end
    }
    return { payloads, broken: false }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    return { payloads, broken: true }
  }
}

function checkText(payload: string): void {
  const end = payload.indexOf('\r\n')
  const { headers, routes = [], startLine } = readAppText(end < 0 ? payload : payload.slice(end + 2))
  must(!startLine.includes('\r\n'), 'a start line is one line')
  for (const { name, spelling, value } of headers) {
    must(/^[A-Za-z0-9!%*_+`'~.-]+$/.test(spelling) && name !== '', 'a header has a name', spelling)
    must(!breaksLine(value), 'a value is one line', value)
    must(!['via', 'record-route', 'rseq', 'content-length'].includes(name), 'an application writes none of ours', name)
  }
  const fields = (end < 0 ? payload : payload.slice(0, end)).split('|')
  const proxy = readProxyCommand(fields, end < 0 ? '' : payload.slice(end + 2))
  if (typeof proxy === 'string') must(!breaksLine(proxy) && proxy.length < 100, 'a refusal is one short line', proxy)
  else {
    const { destinations, finalTimeoutMs = 1, provisionalTimeoutMs = 1 } = proxy.options
    must(destinations.length > 0 && destinations.length <= 30, 'destinations are bounded', destinations.length)
    for (const ms of [finalTimeoutMs, provisionalTimeoutMs]) must(ms > 0 && ms <= 3_600_000, 'a time is bounded', ms)
  }
  for (const route of routes) must(!breaksLine(route), 'a Route is one line', route)
}
