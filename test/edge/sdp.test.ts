import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inactiveAnswer, inactiveOffer, isSdp, sameMedia, staysWithin } from '../../src/edge/sdp.js'

const Sdp = suite('Session descriptions')

const lines = (...text: string[]): string => `${text.join('\r\n')}\r\n`
const session = (...media: string[]): string =>
  lines('v=0', 'o=a 1 1 IN IP4 192.0.2.1', 's=call', 'c=IN IP4 192.0.2.1', 't=0 0', ...media)
const AUDIO = [
  'm=audio 4000 RTP/AVP 0 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-15',
]

Sdp('an interim answer has every stream of the offer, in its order, and lets nothing flow', () => {
  const offer = session(
    ...AUDIO,
    'a=sendrecv',
    'a=mid:a1',
    'm=video 4002/2 RTP/AVPF 96 97',
    'c=IN IP6 2001:db8::1',
    'a=rtpmap:96 VP8/90000',
    'a=ice-ufrag:x',
    'm=audio 0 RTP/AVP 8',
    'm=audio 4004 RTP/SAVP 0',
    'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret',
    'm=application 4006 TCP/BFCP *',
  )
  assert.equal(inactiveAnswer(offer, 77)?.split('\r\n'), [
    'v=0',
    'o=- 77 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'm=audio 9 RTP/AVP 0 101',
    'c=IN IP4 0.0.0.0',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=mid:a1',
    'a=inactive',
    'm=video 9 RTP/AVPF 96 97',
    'c=IN IP6 ::',
    'a=rtpmap:96 VP8/90000',
    'a=inactive',
    'm=audio 0 RTP/AVP 8',
    'm=audio 0 RTP/SAVP 0',
    'm=application 0 TCP/BFCP *',
    '',
  ])
})

Sdp('an interim answer keeps the times of the offer, and is small whatever the offer is', () => {
  assert.match(
    inactiveAnswer(lines('v=0', 's=-', 't=10 20', 't=30 40', 'm=audio 4 RTP/AVP 0'), 1) ?? '',
    't=10 20\r\nm=',
  )
  const formats = Array.from({ length: 200 }, (_, at) => at).join(' ')
  const answer = inactiveAnswer(session(`m=audio 4 RTP/AVP ${formats}`), 1) ?? ''
  assert.match(answer, /m=audio 9 RTP\/AVP 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\r\n/)
  assert.ok(isSdp(answer))
})

Sdp('what is no description, or larger than any sensible one, is none', () => {
  for (const text of [
    '',
    'v=0',
    'v=0\r\n',
    'hello',
    'v=1\r\nm=audio 4 RTP/AVP 0\r\n',
    session('m=audio 70000 RTP/AVP 0'),
    session('m=audio x RTP/AVP 0'),
    session('m=audio 4 RTP/AVP'),
    session('m=audio 4  RTP/AVP 0'),
    session('m=audio 4 RTP/AVP 0\u0000'),
    session('nonsense', 'm=audio 4 RTP/AVP 0'),
    session(...Array.from({ length: 65 }, () => 'm=audio 4 RTP/AVP 0')),
    session('m=audio 4 RTP/AVP 0', ...Array.from({ length: 2_000 }, () => 'a=x')),
    session('m=audio 4 RTP/AVP 0', `a=${'x'.repeat(65_535)}`),
  ]) {
    assert.is(isSdp(text), false, text.slice(0, 100))
    assert.is(inactiveAnswer(text, 1), undefined)
    assert.is(staysWithin(text, session(...AUDIO)), false)
  }
  for (const inLine of ['\r', '\0']) assert.is(isSdp(`v=0\nm=audio 4 RTP/AVP 0\na=rtpmap:0 P${inLine}a=b\n`), false)
  assert.ok(isSdp('v=0\nm=audio 4 RTP/AVP 0\n'))
  assert.ok(isSdp(inactiveOffer(1)))
})

Sdp('two descriptions say the same whoever wrote them and however often, but not when a port differs', () => {
  const again = session(...AUDIO)
    .replace('o=a 1 1', 'o=b 2 7')
    .replaceAll('\r\n', '\n')
  assert.ok(sameMedia(session(...AUDIO), again))
  assert.not(sameMedia(session(...AUDIO), again.replace('4000', '4002')))
  assert.not(sameMedia(session(...AUDIO), session(...AUDIO, 'a=sendonly')))
  assert.not(sameMedia('x', 'y'))
})

Sdp('an answer from where the offer was, with fewer formats, is nothing new for whoever has the offer', () => {
  const offer = session(...AUDIO)
  const answer = session('m=audio 4000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000')
  assert.ok(staysWithin(offer, offer))
  assert.ok(staysWithin(answer, offer))
  assert.ok(staysWithin(lines('v=0', 'o=x 9 9 IN IP4 h', 's=-', 'm=audio 4000 RTP/AVP 0', 'c=IN IP4 192.0.2.1'), offer))
  assert.ok(staysWithin(session('m=audio 4000 RTP/AVP 0', 'a=sendrecv'), offer))
  for (const [what, said] of [
    ['port', session('m=audio 4002 RTP/AVP 0')],
    ['address', session('m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.0.2.2')],
    ['direction', session('m=audio 4000 RTP/AVP 0', 'a=sendonly')],
    ['refused', session('m=audio 0 RTP/AVP 0')],
    ['format', session('m=audio 4000 RTP/AVP 8')],
    ['meaning of a format', session('m=audio 4000 RTP/AVP 101', 'a=rtpmap:101 opus/48000/2')],
    ['key', session('m=audio 4000 RTP/AVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:other')],
    ['media', session('m=video 4000 RTP/AVP 0')],
    ['protocol', session('m=audio 4000 RTP/SAVP 0')],
    ['number of streams', session(...AUDIO, 'm=video 0 RTP/AVP 96')],
  ] as const)
    assert.is(staysWithin(said, offer), false, what)
})

Sdp('is read in linear time', () => {
  const startedMs = performance.now()
  for (const hostile of [
    'a=rtpmap:' + '1'.repeat(60_000),
    ' '.repeat(60_000),
    'm=' + ' '.repeat(60_000),
    '=\r'.repeat(30_000),
  ])
    for (let at = 0; at < 20; at++) inactiveAnswer(session('m=audio 4 RTP/AVP 0', hostile), 1)
  assert.ok(performance.now() - startedMs < 1_000)
})

Sdp.run()
