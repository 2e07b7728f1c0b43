import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FrameError, FrameReader, frame } from '../../../src/engine/control/frames.js'

const Frames = suite('Frames')

const PAYLOADS = [
  'a1|ping',
  'b2|sip||\r\nINVITE sip:a@b SIP/2.0\r\n\r\nbody with # and 3# in it',
  '\xf0\x9f\x98\x80'.repeat(3),
  // No UTF-8 at all.
  'c3|sip|\xff\xc3\x28\xf0\x9f#',
]

function read(chunks: readonly Buffer[], limit = 1_000_000): string[] {
  const payloads: string[] = []
  const reader = new FrameReader(limit, (payload) => payloads.push(payload))
  for (const chunk of chunks) reader.push(chunk)
  return payloads
}

Frames('[10.5/1] counts bytes, not characters', () => {
  assert.is(frame('\xf0\x9f\x98\x80'), '4#\xf0\x9f\x98\x80')
})

Frames('[10.5/1] come out the same however the stream is split', () => {
  const stream = Buffer.from(PAYLOADS.map(frame).join(''), 'latin1')
  for (let size = 1; size <= stream.length; size++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
    assert.equal(read(chunks), PAYLOADS, `chunks of ${size} bytes`)
  }
})

Frames('[10.5/1] a thousand in one chunk are read one by one', () => {
  assert.is(read([Buffer.from(frame('a|ping').repeat(1000), 'latin1')]).length, 1000)
})

Frames('a prefix that is no length, is empty or is over the limit breaks the stream', () => {
  for (const text of ['#abc', 'x5#abcde', '-5#abcde', '12345678#', '0#', ' 5#abcde', '0x5#abcde'])
    assert.throws(
      () => read([Buffer.from(text)]),
      (error: unknown) => error instanceof FrameError,
      text,
    )
  assert.throws(
    () => read([Buffer.from('101#')], 100),
    (error: unknown) => error instanceof FrameError,
  )
})

Frames('a large frame in many small chunks costs linear time', () => {
  // Time of this process alone: others may have the processor meanwhile.
  const cost = (bytes: number): number => {
    const stream = Buffer.from(frame('x'.repeat(bytes)), 'latin1')
    const started = process.cpuUsage()
    for (let run = 0; run < 3; run++) {
      const reader = new FrameReader(10_000_000, () => {})
      for (let at = 0; at < stream.length; at += 64) reader.push(stream.subarray(at, at + 64))
    }
    return process.cpuUsage(started).user
  }
  cost(100_000)
  const best = (bytes: number): number => Math.min(cost(bytes), cost(bytes), cost(bytes), cost(bytes))
  assert.ok(best(1_600_000) < 24 * Math.max(1_000, best(200_000)), 'eight times the bytes, not 64 times the time')
})

Frames.run()
