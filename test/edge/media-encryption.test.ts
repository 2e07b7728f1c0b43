import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encryptionOf } from '../../src/edge/sdp-encryption.js'
import type { MediaEncryption } from '../../src/model/media-encryption.js'
import { Bench, turn } from './bench.js'
import { OriginateBench } from './originate-bench.js'
import { OutboundBench } from './outbound-bench.js'
import { type Dialog, type Incoming, SDP } from './scripted-server.js'

const KEY = 'inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const CRYPTO = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`
const PRINT = 'a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B'

/** A session of these lines, each `m=` one and what belongs to it. */
const sdp = (...lines: string[]): string =>
  ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...lines, ''].join('\r\n')

const SAVP = sdp('m=audio 4000 RTP/SAVP 0', CRYPTO)
const DTLS = sdp('m=audio 4000 UDP/TLS/RTP/SAVPF 0', PRINT)
const CLEAR = SDP

const Streams = suite('Encryption of a session description')

/** `clear`, `encrypted`, `both`, `none` or `unreadable`. */
function kindOf(text: string): string {
  const found = encryptionOf(text)
  if (found === undefined) return 'unreadable'
  const { clear, encrypted } = found
  return clear !== undefined
    ? encrypted !== undefined
      ? 'both'
      : 'clear'
    : encrypted !== undefined
      ? 'encrypted'
      : 'none'
}

for (const [what, text, kind] of [
  ['RTP/SAVP with a=crypto', SAVP, 'encrypted'],
  ['RTP/SAVPF with a fingerprint', sdp('m=audio 4000 RTP/SAVPF 0', PRINT), 'encrypted'],
  ['RTP/SAVP with MIKEY', sdp('m=audio 4000 RTP/SAVP 0', 'a=key-mgmt:mikey AQAF'), 'encrypted'],
  ['UDP/TLS/RTP/SAVPF with a fingerprint', DTLS, 'encrypted'],
  ['a fingerprint of the whole session', sdp(PRINT, 'm=audio 4000 UDP/TLS/RTP/SAVP 0'), 'encrypted'],
  ['fax over DTLS with a fingerprint', sdp('m=image 4000 UDP/TLS/UDPTL t38', PRINT), 'encrypted'],
  ['RTP/AVP', sdp('m=audio 4000 RTP/AVP 0'), 'clear'],
  ['RTP/AVP that offers keys too (RFC 8643)', sdp('m=audio 4000 RTP/AVP 0', CRYPTO), 'clear'],
  ['RTP/AVP on which nothing flows but RTCP', sdp('m=audio 4000 RTP/AVP 0', 'a=inactive'), 'clear'],
  ['fax in clear', sdp('m=image 4000 udptl t38'), 'clear'],
  ['RTP/SAVP without keys', sdp('m=audio 4000 RTP/SAVP 0'), 'both'],
  ['DTLS without a fingerprint', sdp('m=audio 4000 UDP/TLS/RTP/SAVP 0', CRYPTO), 'both'],
  ['keys that encrypt nothing', sdp('m=audio 4000 RTP/SAVP 0', `${CRYPTO} UNENCRYPTED_SRTP`), 'both'],
  ['the same behind a tab', sdp('m=audio 4000 RTP/SAVP 0', `${CRYPTO}\tUNENCRYPTED_SRTP`), 'both'],
  ['RTCP in clear', sdp('m=audio 4000 RTP/SAVP 0', `${CRYPTO} unencrypted_srtcp`), 'both'],
  ['one choice that encrypts nothing', sdp('m=audio 4000 RTP/SAVP 0', CRYPTO, `a=crypto:2 NULL ${KEY}`), 'both'],
  ['a second stream in clear', sdp('m=audio 4000 RTP/SAVP 0', CRYPTO, 'm=video 4002 RTP/AVP 99'), 'both'],
  ['a second stream that is taken out', sdp('m=audio 4000 RTP/SAVP 0', CRYPTO, 'm=video 0 RTP/AVP 99'), 'encrypted'],
  ['a bundled one in clear (RFC 8843)', sdp('m=audio 0 RTP/AVP 0', 'a=bundle-only'), 'clear'],
  ['only streams that are taken out', sdp('m=audio 0 RTP/AVP 0'), 'none'],
  ['a line hidden behind a bare CR', sdp('m=audio 4000 RTP/SAVP 0', `${CRYPTO}\rm=audio 4002 RTP/AVP 0`), 'unreadable'],
  ['nonsense', 'nonsense', 'unreadable'],
] as const)
  Streams(`${what}: ${kind}`, () => assert.is(kindOf(text), kind))

Streams('takes time in proportion to its length, whatever it holds', () => {
  const many = sdp(
    ...Array.from({ length: 60 }, () => [
      'm=audio 4000 RTP/SAVP 0',
      ...Array.from({ length: 30 }, () => CRYPTO),
    ]).flat(),
  )
  const startedAt = performance.now()
  for (let n = 0; n < 50; n++) encryptionOf(many)
  assert.ok(performance.now() - startedAt < 2_000)
})

Streams.run()

const Calls = suite('media_encryption of a call')

const trunk = (media_encryption: MediaEncryption) => ({ trunk: { media_encryption } })
const agent = (media_encryption: MediaEncryption) => ({ agent: { media_encryption } })

/** A refusal as its caller sees it. */
function assertRefused(invite: Incoming, text: string): void {
  assert.is(invite.final?.status, 488)
  assert.match(invite.final?.headers['Warning'] ?? '', `399 signalbox "${text}"`)
}

Calls('an offer that the policy of either leg rules out is refused 488, and reaches nobody', async () => {
  for (const [options, offer, code, text] of [
    [trunk('required'), CLEAR, 'media_not_encrypted', 'Media must be encrypted'],
    [agent('required'), CLEAR, 'media_not_encrypted', 'Media must be encrypted'],
    [trunk('required'), 'nonsense', 'media_not_encrypted', 'Media must be encrypted'],
    [trunk('disabled'), SAVP, 'media_encrypted', 'Media must not be encrypted'],
    [agent('disabled'), DTLS, 'media_encrypted', 'Media must not be encrypted'],
    [{ ...trunk('required'), ...agent('disabled') }, SAVP, 'media_encrypted', 'Media must not be encrypted'],
  ] as const) {
    const bench = new Bench(options)
    const invite = await bench.call(Bench.invite({}, offer))
    assertRefused(invite, text)
    assert.is(bench.server.out.length, 0)
    assert.equal([bench.cdr.result, bench.cdr.ended_by, bench.cdr.leg_a_status], [code, 'edge', 488])
    assert.match(bench.cdr.end_reason, /^media_encryption of (trunk pbx-1|agent front) is (required|disabled), and /)
    assert.not.match(JSON.stringify([bench.cdr, bench.log, invite.final]), 'd0RmdmcmVCsp')
    assert.is(bench.leaks, '')
  }
})

Calls('an offer that fits passes untouched, and without a policy everything does', async () => {
  for (const [options, offer] of [
    [trunk('required'), SAVP],
    [{ ...trunk('required'), ...agent('required') }, DTLS],
    [trunk('disabled'), CLEAR],
    [{}, SAVP],
    [{}, CLEAR],
    [{}, 'nonsense'],
  ] as const) {
    const bench = new Bench(options)
    await bench.call(Bench.invite({}, offer))
    assert.is(bench.server.last.options.body, offer)
    bench.server.last.answer(offer)
    assert.is(bench.server.callerDialogs.length, 1)
  }
})

Calls('an agent that answers in clear what was offered encrypted is hung up, the caller refused', async () => {
  const bench = new Bench(trunk('required'))
  const invite = await bench.call(Bench.invite({}, SAVP))
  const b = bench.server.last.answer(CLEAR)
  assertRefused(invite, 'Media must be encrypted')
  assert.is(b.byes.length, 1)
  assert.is(bench.cdr.result, 'media_not_encrypted')
  assert.is(bench.leaks, '')
})

Calls('early media in clear end the call too: leg B is cancelled', async () => {
  const bench = new Bench(trunk('required'))
  const invite = await bench.call(Bench.invite({}, SAVP))
  bench.server.last.ring(183, {}, CLEAR)
  assertRefused(invite, 'Media must be encrypted')
  assert.ok(bench.server.last.cancelled)
  assert.is(bench.cdr.result, 'media_not_encrypted')
  bench.server.last.refuse(487)
  assert.is(bench.leaks, '')
})

Calls('an offer in the 200, and an answer in the ACK, are held to it as well', async () => {
  const offered = new Bench(trunk('required'))
  const invite = await offered.call(Bench.invite({}, ''))
  offered.server.last.offer(CLEAR)
  assertRefused(invite, 'Media must be encrypted')
  assert.ok(offered.server.last.abandoned)
  assert.is(offered.leaks, '')

  const answered = new Bench(agent('disabled'))
  await answered.call(Bench.invite({}, ''))
  answered.server.last.offer(CLEAR)
  const a = answered.server.callerDialogs.at(-1)!
  a.acknowledge(SAVP)
  assert.ok(answered.server.last.abandoned)
  assert.is(a.byes.length, 1)
  assert.is(answered.cdr.result, 'media_encrypted')
  assert.is(answered.leaks, '')
})

async function connected(): Promise<{ bench: Bench; a: Dialog; b: Dialog }> {
  const bench = new Bench(trunk('required'))
  await bench.call(Bench.invite({}, SAVP))
  const b = bench.server.last.answer(SAVP)
  const a = bench.server.callerDialogs.at(-1)!
  a.acknowledge()
  return { bench, a, b }
}

Calls(
  'a re-INVITE or UPDATE that would leave the encryption out is refused 488 from either side; the call goes on',
  async () => {
    const { bench, a, b } = await connected()
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      for (const method of ['INVITE', 'UPDATE']) {
        const request = from.receive(method, {}, CLEAR)
        assertRefused(request, 'Media must be encrypted')
        assert.is(to.sent.length, 0)
      }
    const hold = a.receive('INVITE', {}, SAVP)
    b.sent.at(-1)?.respond(200, 'OK', {}, SAVP)
    assert.is(hold.final?.status, 200)
    assert.is(bench.cdrs.length, 0)
    a.hangUp()
    assert.is(bench.cdr.result, 'answered')
    assert.is(bench.leaks, '')
  },
)

Calls('an answer to a re-INVITE that leaves it out ends the call on both legs', async () => {
  const { bench, a, b } = await connected()
  const request = a.receive('INVITE', {}, SAVP)
  b.sent.at(-1)?.respond(200, 'OK', {}, CLEAR)
  assert.is(request.final?.status, 487)
  assert.equal([a.byes.length, b.byes.length], [1, 1])
  assert.is(bench.cdr.result, 'media_not_encrypted')
  assert.is(bench.leaks, '')

  const other = await connected()
  const asking = other.a.receive('INVITE', { CSeq: '7 INVITE' }, '')
  other.b.sent.at(-1)?.respond(200, 'OK', {}, SAVP)
  assert.is(asking.final?.body, SAVP)
  other.a.acknowledge(CLEAR, { CSeq: '7 ACK' })
  assert.is(other.b.sent.at(-1)?.ack, '', 'its 200 has an ACK')
  assert.equal([other.a.byes.length, other.b.byes.length], [1, 1])
  assert.is(other.bench.cdr.result, 'media_not_encrypted')
  assert.is(other.bench.leaks, '')
})

Calls("a call of an agent is held to the policy of the number's trunk", async () => {
  const refused = new OutboundBench({ media_encryption: 'required' })
  assertRefused(await refused.call(), 'Media must be encrypted')
  assert.is(refused.bench.server.out.length, 0)
  const downgraded = new OutboundBench({ media_encryption: 'required' })
  const invite = await downgraded.call(OutboundBench.invite({}, SAVP))
  const b = downgraded.bench.server.last.answer(CLEAR)
  assertRefused(invite, 'Media must be encrypted')
  assert.is(b.byes.length, 1)
  assert.is(downgraded.bench.cdr.result, 'media_not_encrypted')
})

Calls('so is a call that is placed for an agent: its offer, and the answers of the destination', async () => {
  const offer = new OriginateBench(trunk('required'))
  await offer.originate()
  offer.agent.offer(CLEAR)
  await turn()
  assert.is(offer.server.out.length, 1, 'the destination is not called')
  assert.is(offer.cdr.result, 'media_not_encrypted')

  const answer = new OriginateBench({ ...trunk('required'), ...agent('required') })
  await answer.originate()
  answer.agent.offer(SAVP)
  await turn()
  const b = answer.server.last.answer(CLEAR)
  assert.is(b.byes.length, 1)
  assert.equal([answer.cdr.result, answer.cdr.duration_s], ['media_not_encrypted', 0])

  const good = new OriginateBench(trunk('required'))
  await good.originate()
  good.agent.offer(SAVP)
  await turn()
  good.server.last.answer(SAVP)
  assert.is(good.state, 'answered')
  const request = good.a.receive('INVITE', {}, CLEAR)
  assertRefused(request, 'Media must be encrypted')
})

Calls.run()
