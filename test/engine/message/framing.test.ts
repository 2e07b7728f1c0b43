import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StreamFramer } from '../../../src/engine/message/framing.js'
import { defaultLimits, type Limits } from '../../../src/engine/message/parse.js'
import { sipRequest } from '../../support/sip-lines.js'

interface Heard {
  readonly framer: StreamFramer
  /** One word an event: 'OPTIONS', '200', '400 Bad To Header', 'ping', 'broken 400 Bad Line End'. */
  readonly events: string[]
  readonly bodies: string[]
  readonly bytes: number[]
}

function listen(limits: Partial<Limits> = {}): Heard {
  const events: string[] = []
  const bodies: string[] = []
  const bytes: number[] = []
  const framer = new StreamFramer(
    { ...defaultLimits, ...limits },
    {
      message: (parsed, length) => {
        bytes.push(length)
        if (!parsed.ok)
          events.push(`${parsed.status} ${parsed.reason}${parsed.request === undefined ? ' unanswered' : ''}`)
        else {
          events.push(parsed.message.kind === 'request' ? parsed.message.method : String(parsed.message.status))
          bodies.push(parsed.message.body)
        }
      },
      ping: () => events.push('ping'),
      broken: (reason, answer, status) =>
        events.push(answer === undefined ? `broken ${reason}` : `broken ${status} ${reason}`),
    },
  )
  return { framer, events, bodies, bytes }
}

/** Events when the bytes come whole, one by one, and in threes: framing must not depend on it. */
function eventsOf(bytes: Buffer | string, limits: Partial<Limits> = {}): string[] {
  const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  const ways = [all.length, 1, 3].map((size) => {
    const { framer, events } = listen(limits)
    for (let at = 0; at < all.length; at += size) framer.push(all.subarray(at, at + size))
    return events.filter((event) => event !== 'ping')
  })
  assert.equal(ways[1], ways[0])
  assert.equal(ways[2], ways[0])
  return ways[0] ?? []
}

const options = sipRequest()
const message = sipRequest({
  startLine: 'MESSAGE sip:a@b SIP/2.0',
  headers: { CSeq: 'CSeq: 1 MESSAGE' },
  body: 'a\r\n\r\nOPTIONS sip:evil@x SIP/2.0\r\n\r\n',
})
const ok = sipRequest({ startLine: 'SIP/2.0 200 OK' })

const Framer = suite('StreamFramer')

Framer('messages are cut by Content-Length, and a body that looks like a message stays a body', () => {
  const { framer, events, bodies, bytes } = listen()
  framer.push(Buffer.concat([options, message, ok]))
  assert.equal(events, ['OPTIONS', 'MESSAGE', '200'])
  assert.is(bodies[1], 'a\r\n\r\nOPTIONS sip:evil@x SIP/2.0\r\n\r\n')
  assert.equal(bytes, [options.length, message.length, ok.length])
  assert.is(framer.partial, false)
})

Framer('any chunking gives the same messages', () => {
  const all = Buffer.concat([options, message, Buffer.from('\r\n'), ok, message])
  for (let size = 1; size <= all.length; size += 1 + Math.floor(size / 7)) {
    const { framer, events, bodies } = listen()
    for (let at = 0; at < all.length; at += size) framer.push(all.subarray(at, at + size))
    assert.equal(events, ['OPTIONS', 'MESSAGE', '200', 'MESSAGE'], `chunks of ${size}`)
    assert.is(bodies[3], bodies[1])
  }
})

Framer('a chunk may be overwritten once it was taken', () => {
  const { framer, events } = listen()
  const chunk = Buffer.from(message.subarray(0, 50))
  framer.push(chunk)
  chunk.fill(0)
  framer.push(message.subarray(50))
  assert.equal(events, ['MESSAGE'])
})

Framer('it says whether it holds an unfinished message', () => {
  const { framer } = listen()
  assert.is(framer.partial, false)
  framer.push(Buffer.from('\r'))
  framer.push(Buffer.from('\n'))
  assert.is(framer.partial, false)
  framer.push(message.subarray(0, 1))
  assert.is(framer.partial, true)
  framer.push(message.subarray(1, message.length - 1))
  assert.is(framer.partial, true)
  framer.push(message.subarray(message.length - 1))
  assert.is(framer.partial, false)
  framer.push(Buffer.concat([message, options.subarray(0, 9)]))
  assert.is(framer.partial, true)
})

Framer('a double CRLF between messages asks for a pong, a single one for nothing (RFC 5626 4.4.1)', () => {
  const { framer, events } = listen()
  framer.push(Buffer.from('\r\n\r\n'))
  assert.equal(events, ['ping'])
  framer.push(Buffer.from('\r\n'))
  framer.push(options)
  framer.push(Buffer.from('\r\n'))
  framer.push(options)
  assert.equal(events, ['ping', 'OPTIONS', 'OPTIONS'])
  for (const part of ['\r', '\n', '\r', '\n']) framer.push(Buffer.from(part))
  assert.equal(events, ['ping', 'OPTIONS', 'OPTIONS', 'ping'])
})

Framer('a run of double CRLFs in one chunk asks for one pong', () => {
  const { framer, events } = listen()
  framer.push(Buffer.concat([Buffer.from('\r\n'.repeat(30_000)), options]))
  assert.equal(events, ['ping', 'OPTIONS'])
})

Framer('a message that is refused for what it says leaves the framing alone', () => {
  const bad = sipRequest({ headers: { To: 'To: <' }, body: 'OPTIONS sip:evil@x SIP/2.0\r\n\r\n' })
  const version = sipRequest({ startLine: 'OPTIONS sip:a@b SIP/7.0' })
  const space = sipRequest({ startLine: 'OPTIONS sip:a@b SIP/2.0  ' })
  const status = sipRequest({ startLine: 'SIP/2.0 4294967301 x' })
  assert.equal(eventsOf(Buffer.concat([bad, version, space, status, options])), [
    '400 Bad To Header',
    '505 Version Not Supported',
    '400 Bad Request-Line',
    '400 Bad Request-Line unanswered',
    'OPTIONS',
  ])
})

const good = options.toString('latin1')
const breaking: [string, string, string][] = [
  ['a negative Content-Length', good.replace('Length: 0', 'Length: -999'), 'broken 400 Bad Content-Length Header'],
  ['a Content-Length with a sign', good.replace('Length: 0', 'Length: +0'), 'broken 400 Bad Content-Length Header'],
  ['a hexadecimal Content-Length', good.replace('Length: 0', 'Length: 0x0'), 'broken 400 Bad Content-Length Header'],
  ['an empty Content-Length', good.replace('Length: 0', 'Length:'), 'broken 400 Bad Content-Length Header'],
  [
    'two Content-Lengths that differ',
    good.replace('Length: 0', 'Length: 0\r\nl: 5'),
    'broken 400 Bad Content-Length Header',
  ],
  ['a list of two that differ', good.replace('Length: 0', 'Length: 0, 5'), 'broken 400 Bad Content-Length Header'],
  ['no Content-Length (18.3)', good.replace('Content-Length: 0\r\n', ''), 'broken 411 Length Required'],
  ['a Content-Length of 9 GB', good.replace('Length: 0', 'Length: 9999999999'), 'broken 413 Request Entity Too Large'],
  [
    'a Content-Length of a thousand digits',
    good.replace('Length: 0', `Length: ${'9'.repeat(1_000)}`),
    'broken 413 Request Entity Too Large',
  ],
  [
    'a Content-Length just past the message limit',
    good.replace('Length: 0', 'Length: 65535'),
    'broken 513 Message Too Large',
  ],
  ['a line end that is LF alone', good.replace('70\r\n', '70\n'), 'broken 400 Bad Line End'],
  ['line ends that are all LF', good.replaceAll('\r\n', '\n'), 'broken 400 Bad Line End'],
  ['a CR alone', good.replace('70\r\n', '70\rX: y\r\n'), 'broken 400 Bad Line End'],
  ['a header line without a colon', good.replace('CSeq', 'No-Colon\r\nCSeq'), 'broken 400 Bad Header Line'],
  [
    'a header name with a NUL, which could hide a Content-Length',
    good.replace('Content-Length', 'Content-Length\0'),
    'broken 400 Bad Header Line',
  ],
  ['a folded line before any header', good.replace('Via', ' Via'), 'broken Bad Header Line'],
  [
    'a response without Content-Length',
    ok.toString('latin1').replace('Content-Length: 0\r\n', ''),
    'broken Length Required',
  ],
  [
    'an ACK without Content-Length',
    good.replace('OPTIONS sip', 'ACK sip').replace('Content-Length: 0\r\n', ''),
    'broken Length Required',
  ],
  ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'broken Bad Request-Line'],
  ['a TLS hello', '\x16\x03\x01\x02\0', 'broken Bad Request-Line'],
  ['a stray LF', '\n', 'broken Bad Request-Line'],
  ['a stray CR', '\r\r\n', 'broken Bad Request-Line'],
  ['a stray space', ` ${good}`, 'broken Bad Request-Line'],
]
for (const [what, bytes, event] of breaking)
  Framer(`${what} breaks the stream, and nothing after it is read`, () => {
    assert.equal(eventsOf(bytes + good.repeat(3)), [event])
    assert.equal(eventsOf(good + bytes + good), ['OPTIONS', event])
  })

Framer(
  'bytes after a message that are no message break the stream: a body that is longer than said is not read as one',
  () => {
    const short = sipRequest({
      headers: { 'Content-Length': 'Content-Length: 3' },
      body: 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n',
    })
    const lines = short.toString('latin1') + good
    assert.equal(eventsOf(lines), ['OPTIONS', 'broken Bad Request-Line'])
  },
)

Framer('refuses on streams and in datagrams for the same reason: limits', () => {
  const long = sipRequest({ extra: [`X-Long: ${'x'.repeat(200)}`], body: '12345' })
  assert.equal(eventsOf(long, { maxHeaders: 7 }), ['broken 513 Too Many Headers'])
  assert.equal(eventsOf(long, { maxHeaderLineBytes: 100 }), ['broken 513 Header Too Large'])
  assert.equal(eventsOf(long, { maxBodyBytes: 4 }), ['broken 413 Request Entity Too Large'])
  assert.equal(eventsOf(long, { maxMessageBytes: long.length - 1 }), ['broken 513 Message Too Large'])
  assert.equal(eventsOf(long, { maxMessageBytes: long.length }), ['OPTIONS'])
})

Framer('a head that never ends is broken off at the limit, with an answer when a Via has come', () => {
  const head = good.slice(0, good.indexOf('\r\n\r\n') + 2)
  const { framer, events } = listen({ maxMessageBytes: 2_000 })
  framer.push(Buffer.from(head))
  for (let line = 0; line < 300 && events.length === 0; line++) framer.push(Buffer.from(`X-${line}: y\r\n`))
  assert.equal(events, ['broken 513 Message Too Large'])
  assert.is(framer.partial, false)
})

Framer('a first line that never ends is broken off at its own limit', () => {
  const { framer, events } = listen({ maxStartLineBytes: 100 })
  framer.push(Buffer.from('OPTIONS sip:'))
  for (let i = 0; i < 200; i++) framer.push(Buffer.from('a'))
  assert.equal(events, ['broken Request-URI Too Long'])
})

Framer('a long Request-URI whose line ends is answered with 414 and the stream goes on', () => {
  const long = sipRequest({ startLine: `OPTIONS sip:${'a'.repeat(200)}@b SIP/2.0` })
  const { framer, events } = listen({ maxStartLineBytes: 100 })
  framer.push(Buffer.concat([long, options]))
  assert.equal(events, ['414 Request-URI Too Long', 'OPTIONS'])
})

Framer('a message that does not come to its end in time is broken off, with 400 when it can be answered', () => {
  for (const [sent, event] of [
    [message.subarray(0, message.length - 1), 'broken 400 Incomplete Message'],
    [options.subarray(0, options.length - 2), 'broken 400 Incomplete Message'],
    [options.subarray(0, 120), 'broken 400 Incomplete Message'],
    [options.subarray(0, 20), 'broken Incomplete Message'],
    [ok.subarray(0, ok.length - 1), 'broken Incomplete Message'],
  ] as const) {
    const { framer, events } = listen()
    framer.push(sent)
    assert.equal(events, [])
    framer.timeOut()
    assert.equal(events, [event])
    framer.timeOut()
    framer.push(options)
    assert.equal(events, [event])
  }
})

Framer('timeOut means nothing when no message is held', () => {
  const { framer, events } = listen()
  framer.push(options)
  framer.timeOut()
  framer.push(options)
  assert.equal(events, ['OPTIONS', 'OPTIONS'])
})

Framer('stop, also out of the sink, ends it', () => {
  let seen = 0
  const framer: StreamFramer = new StreamFramer(defaultLimits, {
    message: () => {
      seen++
      framer.stop()
    },
    ping: () => seen++,
    broken: () => seen++,
  })
  framer.push(Buffer.concat([options, options, Buffer.from('\r\n\r\n\0')]))
  framer.push(options)
  assert.is(seen, 1)
  assert.is(framer.partial, false)
})

Framer('stop out of a ping ends it too', () => {
  const seen: string[] = []
  const framer: StreamFramer = new StreamFramer(defaultLimits, {
    message: () => seen.push('message'),
    ping: () => {
      seen.push('ping')
      framer.stop()
    },
    broken: () => seen.push('broken'),
  })
  framer.push(Buffer.concat([Buffer.from('\r\n\r\n'), options]))
  assert.equal(seen, ['ping'])
})

Framer('a sink that throws does not upset the framing', () => {
  let seen = 0
  const framer = new StreamFramer(defaultLimits, {
    message: () => {
      seen++
      throw new Error('sink')
    },
    ping: () => undefined,
    broken: () => assert.unreachable(),
  })
  framer.push(options.subarray(0, 10))
  assert.throws(() => framer.push(Buffer.concat([options.subarray(10), options.subarray(0, 30)])), /sink/)
  assert.is(framer.partial, true)
  assert.throws(() => framer.push(options.subarray(30)), /sink/)
  assert.is(seen, 2)
})

Framer.run()
