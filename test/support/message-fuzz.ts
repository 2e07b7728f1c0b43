import * as assert from 'uvu/assert'
import { StreamFramer } from '../../src/engine/message/framing.js'
import { createResponse, serialise, type SipMessage } from '../../src/engine/message/message.js'
import { defaultLimits, parseDatagram, type Parsed } from '../../src/engine/message/parse.js'
import { type Dice, mutate } from './mutations.js'

/**
 * Parses `count` mutations of `seeds` over datagrams and streams and holds each to what is always true. Throws with the bytes of the
 * first that breaks it. Gives how many were accepted and the longest time one took, in milliseconds.
 */
export function fuzz(seeds: readonly Buffer[], count: number, dice: Dice): { accepted: number; slowestMs: number } {
  let accepted = 0
  let slowestMs = 0
  for (let i = 0; i < count; i++) {
    const bytes = mutate(dice.pick(seeds), dice.pick(seeds), dice)
    try {
      slowestMs = Math.max(slowestMs, quickestOf(5, bytes))
      const parsed = parseDatagram(bytes, defaultLimits)
      if (parsed !== undefined) checkParsed(parsed)
      if (parsed?.ok === true) accepted++
      checkStream(bytes, parsed, dice)
    } catch (error) {
      throw new Error(`mutation ${i}: ${JSON.stringify(bytes.toString('latin1'))}`, { cause: error })
    }
  }
  return { accepted, slowestMs }
}

/** Milliseconds a parse takes, tried again when it seems slow: the machine may have been busy. */
function quickestOf(tries: number, bytes: Buffer): number {
  let quickestMs = Infinity
  for (let left = tries; left > 0 && quickestMs > 1; left--) {
    const startMs = performance.now()
    parseDatagram(bytes, defaultLimits)
    quickestMs = Math.min(quickestMs, performance.now() - startMs)
  }
  return quickestMs
}

/** What is true of whatever came of a message, good or refused. */
export function checkParsed(parsed: Parsed): void {
  if (parsed.ok) {
    checkMessage(parsed.message)
    return
  }
  if (parsed.request === undefined) return
  assert.is.not(parsed.request.topVia.host, '')
  checkLineEnds(serialise(createResponse(parsed.request, parsed.status, parsed.reason, 'tag')))
}

/** What is accepted has everything, and goes out as something that is accepted and says the same. */
function checkMessage(message: SipMessage): void {
  assert.is.not(message.topVia.host, '')
  assert.is.not(message.from.uri, '')
  assert.is.not(message.to.uri, '')
  assert.is.not(message.callId, '')
  assert.is(/[\s|,;\0]/.test(`${message.callId}${message.fromTag}${message.toTag}`), false)
  assert.is.not(message.cseq.method, '')
  const text = serialise(message)
  checkLineEnds(text.slice(0, text.length - message.body.length))
  const again = parseDatagram(Buffer.from(text, 'latin1'), {
    ...defaultLimits,
    maxMessageBytes: 1e6,
    maxHeaderLineBytes: 1e6,
  })
  if (again?.ok !== true) throw new Error(`not read back: ${again?.reason}`)
  assert.is(serialise(again.message), text)
  assert.is(again.message.body, message.body)
  if (message.kind === 'request') checkLineEnds(serialise(createResponse(message, 200, undefined, 'tag')))
}

function checkLineEnds(head: string): void {
  assert.not.ok(/[^\r]\n|\r(?!\n)/.test(head))
}

/** However a stream is chunked, it gives the same; and its first message is the datagram's when the lengths agree. */
export function checkStream(bytes: Buffer, datagram: Parsed | undefined, dice: Dice): void {
  const whole = streamEvents(bytes, () => bytes.length)
  const parts = streamEvents(bytes, () => 1 + dice.roll(80))
  // What is past a limit is not waited for to its end: when that is noticed, and what else is by then, depends on the chunks.
  const long = [whole, parts].map((events) => events.findIndex((event) => isPastLimit.test(event)))
  const alike = Math.min(...long.filter((at) => at >= 0))
  assert.equal(parts.slice(0, alike), whole.slice(0, alike))
  if (datagram?.ok !== true || !datagram.message.headers.has('content-length')) return
  assert.is(whole[0], serialise(datagram.message))
}

const isPastLimit = /Request-URI Too Long|Message Too Large/

function streamEvents(bytes: Buffer, size: () => number): string[] {
  const events: string[] = []
  const framer = new StreamFramer(defaultLimits, {
    message: (parsed) => {
      checkParsed(parsed)
      events.push(
        parsed.ok ? serialise(parsed.message) : `${parsed.status} ${parsed.reason} ${parsed.request !== undefined}`,
      )
    },
    ping: () => undefined,
    broken: (reason, answer, status) => {
      if (answer !== undefined) checkLineEnds(serialise(createResponse(answer, status ?? 0, reason, 'tag')))
      events.push(`broken ${status} ${reason}`)
    },
  })
  for (let at = 0; at < bytes.length;) {
    const end = at + size()
    framer.push(bytes.subarray(at, end))
    at = end
  }
  framer.timeOut()
  return events
}
