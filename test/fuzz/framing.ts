import { StreamFramer } from '../../src/engine/message/framing.js'
import { serialise } from '../../src/engine/message/message.js'
import { defaultLimits, parseDatagram } from '../../src/engine/message/parse.js'
import { type Dice } from '../support/mutations.js'
import { keepCrasher, seedsOf } from './corpus.js'
import { breathe, type Defect, MOST_DEFECTS, type Part, type Result, type Run, whyOf } from './part.js'
import { must } from './reader.js'

/** Content-Lengths that lie, or are none at all. Whoever trusts one of them reads the next message out of a body. */
export const LIES: readonly string[] = [
  ...['-1', '+5', '0x10', '5, 13', '5;x', '5.0', '1e3', '', ' ', '00000000000000000000000000000000005x', '٣', '5 13', 'five'],
  ...['4294967296', '4294967328', '2147483648', '9223372036854775808', '18446744073709551616', '99999999999999999999'],
  ...['65536', '70000', '1000000'],
] // prettier-ignore

/** What a stream gave: messages as they came out, and why it was broken off. */
export interface Heard {
  readonly messages: readonly string[]
  readonly broken: string | undefined
  readonly pings: number
}

/** Pushes the bytes in pieces of the sizes that `size` gives. */
export function hear(bytes: Buffer, size: () => number): Heard {
  const messages: string[] = []
  let broken: string | undefined
  let pings = 0
  const framer = new StreamFramer(defaultLimits, {
    message: (parsed) => messages.push(parsed.ok ? serialise(parsed.message) : `${parsed.status} ${parsed.reason}`),
    ping: () => void (pings += 1),
    broken: (reason, _answer, status) => (broken = `${status ?? ''} ${reason}`),
  })
  for (let at = 0; at < bytes.length;) {
    const end = at + size()
    framer.push(bytes.subarray(at, end))
    at = end
  }
  return { messages, broken, pings }
}

/** A well-formed message with `Content-Length: <length>`, and its body. */
export function withLength(seed: Buffer, length: string): Buffer {
  const text = seed.toString('latin1')
  return Buffer.from(text.replace(/^(?:content-length|l)[ \t]*:[^\r\n]*/im, `Content-Length: ${length}`), 'latin1')
}

/** Seeds that come whole and alone out of a stream. */
export const wholeMessages = (): Buffer[] =>
  seedsOf('sip')
    .map(({ bytes }) => bytes)
    .filter((bytes) => {
      const { messages, broken } = hear(bytes, () => bytes.length)
      return messages.length === 1 && broken === undefined && parseDatagram(bytes, defaultLimits)?.ok === true
    })

/** Messages in one run of bytes, keep-alives between them, come out each as it went in, wherever the bytes are cut. */
export function checkRun(seeds: readonly Buffer[], dice: Dice): Buffer {
  const chosen = Array.from({ length: 1 + dice.roll(10) }, () => dice.pick(seeds))
  const parts = chosen.flatMap((one) => [one, Buffer.from('\r\n\r\n'.repeat(dice.roll(3)))])
  const bytes = Buffer.concat(parts)
  const expected = chosen.map((one) => hear(one, () => one.length).messages[0])
  const most = dice.pick([1, 3, 40, 2_000])
  const { messages, broken } = hear(bytes, () => 1 + dice.roll(most))
  try {
    must(broken === undefined, 'the stream stays whole', broken)
    must(messages.length === expected.length, 'as many messages come out as went in', messages.length)
    must(messages.join('') === expected.join(''), 'each as it went in')
  } catch (error) {
    throw new Broken(bytes, error)
  }
  return bytes
}

/** After a length that lies nothing is read: neither the body nor the message that follows. */
export function checkLie(seed: Buffer, next: Buffer, dice: Dice): Buffer {
  const bytes = Buffer.concat([withLength(seed, dice.pick(LIES)), next])
  const { messages, broken } = hear(bytes, () => 1 + dice.roll(200))
  try {
    must(
      messages.every((text) => !text.startsWith('SIP/2.0') && /^[45]\d\d /.test(text)),
      'nothing is read',
      messages,
    )
    must(messages.length + (broken === undefined ? 0 : 1) <= 1, 'and nothing after it', messages)
  } catch (error) {
    throw new Broken(bytes, error)
  }
  return bytes
}

/** What broke a rule, and the bytes that did. */
class Broken extends Error {
  constructor(
    readonly bytes: Buffer,
    cause: unknown,
  ) {
    super('framing', { cause })
  }
}

/** Streams: lengths that lie, cuts anywhere, many messages in one segment. */
export const framing: Part = {
  name: 'framing',
  unit: 'messages',
  share: 0.05,
  async run({ dice, over, progress }: Run): Promise<Result> {
    const seeds = wholeMessages()
    const defects: Defect[] = []
    let count = 0
    let bytes = 0
    while (!over() && defects.length < MOST_DEFECTS) {
      for (let i = 0; i < 20; i++) {
        try {
          bytes += checkRun(seeds, dice).length
          bytes += checkLie(dice.pick(seeds), dice.pick(seeds), dice).length
        } catch (error) {
          const file = error instanceof Broken ? keepCrasher('sip', error.bytes) : ''
          defects.push({ what: 'framing', why: whyOf((error as Error).cause ?? error), file })
        }
        count += 7
      }
      progress(count)
      await breathe()
    }
    return { count, facts: { megabytes: Math.round(bytes / 1e6), seeds: seeds.length }, defects }
  },
}
