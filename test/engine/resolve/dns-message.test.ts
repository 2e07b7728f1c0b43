import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeQuestion, replyHead, replyRecords } from '../../../src/engine/resolve/dns-message.js'
import type { Question } from '../../../src/engine/resolve/dns-message.js'
import { encodeName, readName } from '../../../src/engine/resolve/dns-name.js'
import { dnsAnswer, type DnsRecord, toQuestion, u16, wireName } from '../../support/dns-answer.js'

const Message = suite('DNS messages')

const name = 'pbx.example.com'
const asked = wireName('pbx', 'example', 'com')
const forA = { id: 7, name: asked, type: 'A' } as const
const a = (address: readonly number[], more: Partial<DnsRecord> = {}): DnsRecord => ({
  owner: toQuestion,
  type: 'A',
  data: Buffer.from(address),
  ...more,
})
const cname = (owner: Buffer, to: Buffer, ttlS = 60): DnsRecord => ({ owner, type: 'CNAME', ttlS, data: to })

Message('a question is what RFC 1035 and RFC 6891 say', () => {
  const question: Question = { id: 0x1234, name, type: 'SRV' }
  const head = '123401000001000000000000'
  const body = `${asked.toString('hex')}00210001`
  assert.is(encodeQuestion(question, false).toString('hex'), head + body)
  const extended = encodeQuestion(question, true).toString('hex')
  assert.is(extended, `${head.slice(0, -4)}0001${body}00002904d0000000000000`)
})

Message('a name that no question can hold is refused', () => {
  for (const bad of ['a..b', '.a', 'a b', 'a\u0000b', 'a\\b', 'ä.example', `${'a'.repeat(64)}.com`, 'abc.'.repeat(64)])
    assert.throws(
      () => encodeName(bad),
      (error: unknown) => error instanceof RangeError,
      bad,
    )
  assert.equal([encodeName('.'), encodeName(''), encodeName('a.')], [Buffer.of(0), Buffer.of(0), wireName('a')])
})

Message('only an answer to the very question is one: id, name, type, class, and that it is an answer at all', () => {
  const question: Question = { id: 7, name, type: 'A' }
  const good = dnsAnswer(forA, [])
  assert.equal(replyHead(good, question), { code: 0, truncated: false })
  assert.equal(replyHead(dnsAnswer(forA, [], { flags: 0x8383 }), question), { code: 3, truncated: true })
  const upper = dnsAnswer({ ...forA, name: wireName('PBX', 'Example', 'com') }, [])
  assert.ok(replyHead(upper, question), 'names are the same in any case')
  const others = [
    dnsAnswer({ ...forA, id: 8 }, []),
    dnsAnswer({ ...forA, type: 'AAAA' }, []),
    dnsAnswer({ ...forA, name: wireName('pbx', 'example', 'org') }, []),
    dnsAnswer({ ...forA, name: wireName('pbx.example.com') }, []),
    dnsAnswer(forA, [], { flags: 0x0100 }),
    dnsAnswer(forA, [], { flags: 0x8980 }),
    good.subarray(0, 11),
    good.subarray(0, 20),
    Buffer.alloc(0),
  ]
  for (const [i, bytes] of others.entries()) assert.is(replyHead(bytes, question), undefined, `${i}`)
})

Message('an error without the question is one to it, but never "there is none"', () => {
  const question: Question = { id: 7, name, type: 'A' }
  const bare = (flags: number): Buffer => u16(7, flags, 0, 0, 0, 0)
  assert.equal(replyHead(bare(0x8181), question), { code: 1, truncated: false })
  assert.is(replyHead(bare(0x8180), question), undefined)
  assert.is(replyHead(bare(0x8183), question), undefined)
})

Message('records of each type are read, and the least time to live', () => {
  const two = dnsAnswer(forA, [a([192, 0, 2, 1], { ttlS: 300 }), a([192, 0, 2, 2], { ttlS: 30 })])
  assert.equal(replyRecords(two, name, 'A'), {
    records: ['192.0.2.1', '192.0.2.2'],
    ttlS: 30,
    aliases: 0,
    openAlias: undefined,
  })
  const six = { owner: toQuestion, type: 'AAAA', data: Buffer.from('20010db8000000000000000000000001', 'hex') } as const
  assert.equal(replyRecords(dnsAnswer({ ...forA, type: 'AAAA' }, [six]), name, 'AAAA').records, ['2001:db8::1'])
  const srv = {
    owner: toQuestion,
    type: 'SRV',
    data: Buffer.concat([u16(1, 2, 5060), Buffer.of(1, 0x61), toQuestion]),
  } as const
  assert.equal(replyRecords(dnsAnswer({ ...forA, type: 'SRV' }, [srv]), name, 'SRV').records, [
    { priority: 1, weight: 2, port: 5060, name: 'a.pbx.example.com' },
  ])
  const texts = Buffer.from('\x01S\x07SIP+D2U\x00', 'latin1')
  const naptr = {
    owner: toQuestion,
    type: 'NAPTR',
    data: Buffer.concat([u16(10, 20), texts, wireName('_sip', 'x')]),
  } as const
  assert.equal(replyRecords(dnsAnswer({ ...forA, type: 'NAPTR' }, [naptr]), name, 'NAPTR').records, [
    { order: 10, preference: 20, flags: 'S', service: 'SIP+D2U', regexp: '', replacement: '_sip.x' },
  ])
})

Message('a time to live past 2^31 counts as none (RFC 2181 8)', () => {
  assert.is(replyRecords(dnsAnswer(forA, [a([192, 0, 2, 1], { ttlS: 0x80000000 })]), name, 'A').ttlS, 0)
})

Message('records of other names, types and classes are no answer', () => {
  const others = [
    a([192, 0, 2, 1], { owner: wireName('evil', 'example') }),
    a([192, 0, 2, 2], { class: 3 }),
    { owner: toQuestion, type: 'SRV', data: Buffer.alloc(7) } as const,
  ]
  assert.equal(replyRecords(dnsAnswer(forA, others), name, 'A').records, [])
})

Message('aliases are followed in any order, the least time to live along them holds', () => {
  const [b, c] = [wireName('b'), wireName('c')]
  const records = [a([192, 0, 2, 1], { owner: c, ttlS: 90 }), cname(b, c, 20), cname(toQuestion, b, 40)]
  assert.equal(replyRecords(dnsAnswer(forA, records), name, 'A'), {
    records: ['192.0.2.1'],
    ttlS: 20,
    aliases: 2,
    openAlias: undefined,
  })
  const open = replyRecords(dnsAnswer(forA, [cname(toQuestion, b, 40)]), name, 'A')
  assert.equal([open.openAlias, open.records, open.ttlS], ['b', [], 40])
})

Message('aliases that lead round are followed for a bounded way', () => {
  const round = replyRecords(
    dnsAnswer(forA, [cname(toQuestion, wireName('b')), cname(wireName('b'), toQuestion)]),
    name,
    'A',
  )
  assert.equal([round.aliases, round.records], [9, []])
})

Message('"there is none" holds for the lesser of the SOA’s minimum and its own time (RFC 2308 5)', () => {
  const soa = (ttlS: number, minimumS: number): DnsRecord => {
    const numbers = Buffer.alloc(20)
    numbers.writeUInt32BE(minimumS, 16)
    return {
      owner: wireName('com'),
      type: 'SOA',
      ttlS,
      data: Buffer.concat([wireName('ns'), wireName('host'), numbers]),
    }
  }
  const none = (...authority: DnsRecord[]) =>
    replyRecords(dnsAnswer(forA, [], { flags: 0x8183, authority }), name, 'A').ttlS
  assert.equal([none(soa(900, 60)), none(soa(30, 60)), none()], [60, 30, Infinity])
  const alias = dnsAnswer(forA, [cname(toQuestion, wireName('b'), 40)], { authority: [soa(900, 60)] })
  const nodata = replyRecords(alias, name, 'A')
  assert.equal([nodata.openAlias, nodata.ttlS], [undefined, 40], 'the server knows that the alias has none')
})

Message('names that text could not hold are refused; good records beside them stand', () => {
  const target = (name: Buffer): DnsRecord => ({
    owner: toQuestion,
    type: 'SRV',
    data: Buffer.concat([u16(1, 2, 5060), name]),
  })
  const forSrv = { ...forA, type: 'SRV' } as const
  const hostile = ['a.b', 'a b', 'a\u0000', 'a\r\nX: y', 'a\\b', '\u00ff', '\u007f'].map((label) =>
    target(wireName(label)),
  )
  assert.equal(
    replyRecords(dnsAnswer(forSrv, [...hostile, target(wireName('good'))]), name, 'SRV').records.map((one) => one.name),
    ['good'],
  )
  for (const record of hostile)
    assert.throws(() => replyRecords(dnsAnswer(forSrv, [record]), name, 'SRV'), 'no record of the answer is of use')
  const alias = replyRecords(dnsAnswer(forA, [cname(toQuestion, wireName('a b'))]), name, 'A')
  assert.equal([alias.records, alias.openAlias], [[], undefined])
})

Message('data of the wrong length is left out', () => {
  const wrong = [a([192, 0, 2]), a([192, 0, 2, 1, 0]), a([])]
  assert.equal(replyRecords(dnsAnswer(forA, [...wrong, a([192, 0, 2, 9])]), name, 'A').records, ['192.0.2.9'])
  assert.throws(() => replyRecords(dnsAnswer(forA, wrong), name, 'A'))
  const cut = { owner: toQuestion, type: 'NAPTR', data: Buffer.from([0, 1, 0, 1, 200, 0x61]) } as const
  assert.throws(() => replyRecords(dnsAnswer({ ...forA, type: 'NAPTR' }, [cut]), name, 'NAPTR'))
})

Message('an answer that is cut off, or promises more records than it has, makes no sense', () => {
  const whole = dnsAnswer(forA, [a([192, 0, 2, 1]), a([192, 0, 2, 2])])
  for (let length = asked.length + 16; length < whole.length; length++)
    assert.throws(() => replyRecords(whole.subarray(0, length), name, 'A'), undefined, `${length} bytes`)
  assert.throws(() => replyRecords(dnsAnswer(forA, [a([192, 0, 2, 1])], { count: 2 }), name, 'A'))
})

Message('compression that goes round, forward or on and on ends', () => {
  const bytes = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)
  const itself = bytes(Buffer.alloc(12), Buffer.of(0xc0, 12))
  assert.throws(() => readName(itself, 12), 'does not go back')
  const forward = bytes(Buffer.alloc(12), Buffer.of(0xc0, 14, 1, 0x61, 0))
  assert.throws(() => readName(forward, 12), 'does not go back')
  const round = bytes(Buffer.alloc(12), Buffer.of(1, 0x61, 0xc0, 12))
  assert.throws(() => readName(round, 12), 'does not go back')
  assert.throws(() => readName(round, 14), 'does not go back')
  const chain = bytes(Buffer.of(0), ...Array.from({ length: 100 }, (_, i) => Buffer.of(0xc0, i === 0 ? 0 : i * 2 - 1)))
  assert.is(readName(chain, 41).text, '')
  assert.throws(() => readName(chain, 199), 'does not go back')
  assert.throws(() => readName(Buffer.from([0x80, 1, 0]), 0), 'unknown kind')
  assert.throws(() => readName(Buffer.from([5, 0x61]), 0))
  const long = Buffer.concat([
    ...Array.from({ length: 5 }, () => wireName('a'.repeat(60)).subarray(0, -1)),
    Buffer.of(0),
  ])
  assert.throws(() => readName(long, 0), 'too long')
})

Message('a thousand records are read in linear time, 64 of them looked at', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => a([10, 0, i >> 8, i & 255]))
  const reply = replyRecords(dnsAnswer(forA, many), name, 'A')
  assert.equal([reply.records.length, reply.records[63]], [64, '10.0.0.63'])
  const cut = dnsAnswer(forA, many).subarray(0, 12 + asked.length + 4 + 64 * 16)
  assert.is(replyRecords(cut, name, 'A').records.length, 64, 'what follows is not read at all')
  const strangers = many.map((record) => ({ ...record, owner: wireName('x'.repeat(30), 'example') }))
  assert.equal(replyRecords(dnsAnswer(forA, strangers), name, 'A').records, [])
})

Message('the largest answer there may be, of the longest names, is read within milliseconds', () => {
  const longest = wireName(...Array.from({ length: 126 }, () => 'a'))
  const strangers = Array.from({ length: 4_000 }, () => a([10, 0, 0, 1]))
  const bytes = dnsAnswer({ ...forA, name: longest }, strangers)
  assert.ok(bytes.length > 60_000)
  const timeOnce = (): number => {
    const began = performance.now()
    assert.equal(replyRecords(bytes, name, 'A').records, [])
    return performance.now() - began
  }
  const took = Math.min(...Array.from({ length: 5 }, timeOnce))
  assert.ok(took < 60, `${took} ms`)
})

Message('past 1,024 records nothing is read', () => {
  const strangers = Array.from({ length: 1_024 }, () => a([10, 0, 0, 1], { owner: wireName('x') }))
  const ours = a([192, 0, 2, 1])
  assert.equal(replyRecords(dnsAnswer(forA, [...strangers.slice(1), ours]), name, 'A').records, ['192.0.2.1'])
  assert.equal(replyRecords(dnsAnswer(forA, [...strangers, ours]), name, 'A').records, [])
})

Message('bytes turned at random never do worse than a RangeError', () => {
  const good = dnsAnswer(forA, [cname(toQuestion, wireName('b')), a([192, 0, 2, 1], { owner: wireName('b') })])
  let state = 1
  const random = (below: number): number => (state = (state * 48_271) % 0x7fffffff) % below
  for (let i = 0; i < 5_000; i++) {
    const bytes = Buffer.from(good)
    for (let changes = 0; changes <= random(4); changes++) bytes[random(bytes.length)] = random(256)
    try {
      replyHead(bytes, { id: 7, name, type: 'A' })
      replyRecords(bytes, name, 'A')
    } catch (error) {
      assert.instance(error, RangeError)
    }
  }
})

Message.run()
