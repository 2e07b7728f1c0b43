import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseNameAddr, parseUri } from '../../src/engine/index.js'
import { staysOnItsLeg } from '../../src/edge/crossing.js'
import { callerOf, dialledNumber, numberOf } from '../../src/edge/headers.js'
import { Bench, NUMBER } from './bench.js'
import { Message } from './scripted-server.js'

const Headers = suite('Headers to the agent')

const ADDRESS = '203.0.113.77'

/** Values that try to leave their header, in the spirit of every injection list. */
const hostile: readonly string[] = [
  'a\r\nX-Evil: 1',
  'a\nX-Evil: 1',
  'a\rX-Evil: 1',
  'a%0d%0aX-Evil:%201',
  'a\u2028X-Evil: 1',
  'a\u0000b',
  'a\u0085b',
  'sip:u@127.0.0.1?Route=%3Csip:127.0.0.9%3E',
  'sip:u@127.0.0.1;maddr=127.0.0.9',
  '"><sip:evil@127.0.0.9>',
  'u@h>;tag=x',
  'a, <sip:b@127.0.0.9>',
  'a;b=c',
  '\\"',
  '<script>alert(1)</script>',
  '${jndi:x}',
  '*3\r\n$3\r\nSET\r\n',
  '__proto__',
  'constructor',
  '\ud800',
  '\u0661\u0662\u0663',
  '\uff0b4412',
  'tel:+1;phone-context=x',
  'a'.repeat(70_000),
]

async function sent(lines: Record<string, string>, options: ConstructorParameters<typeof Bench>[0] = {}) {
  const bench = new Bench(options)
  await bench.call(Bench.invite(lines))
  return bench.server.last
}

const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8')

/** Whether a header block is what we meant: one line a header, token names, no stray bytes, nothing of the evil. */
function isSound(headers: Record<string, string>): boolean {
  return Object.entries(headers).every(
    ([name, value]) =>
      /^[A-Za-z0-9-]+$/.test(name) &&
      !/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(value) &&
      wellFormed(value) === value &&
      name !== 'X-Evil',
  )
}

Headers('say who calls, for which number, under which call id', async () => {
  const bench = new Bench()
  await bench.call()
  const out = bench.server.last
  assert.is(out.header('from'), '"Ann" <sip:+13125550199@localhost>')
  assert.is(out.header('to'), `<sip:${NUMBER}@127.0.0.1:5090>`)
  assert.is(out.header('x-signalbox-number'), NUMBER)
  assert.is(out.header('x-signalbox-caller'), '+13125550199')
  assert.is(out.header('x-signalbox-call-id'), bench.calls.list()[0]?.call_id)
  assert.is(out.header('content-type'), 'application/sdp')
  assert.is(out.header('contact'), undefined)
})

Headers('carry Max-Forwards minus one, from 70 when there is none (RFC 3261 16.6)', async () => {
  assert.is((await sent({ 'Max-Forwards': '12' })).header('max-forwards'), '11')
  assert.is((await sent({ 'Max-Forwards': '' })).header('max-forwards'), '69')
})

Headers('carry the caller’s X- headers and User-to-User', async () => {
  const out = await sent({ 'X-Account': '42', 'x-lower': 'y', 'User-to-User': '0043;encoding=hex', Subject: 'no' })
  assert.is(out.header('x-account'), '42')
  assert.is(out.header('x-lower'), 'y')
  assert.is(out.header('user-to-user'), '0043;encoding=hex')
  assert.is(out.header('subject'), undefined)
})

Headers('carry what the configuration names besides, but never what names addresses', async () => {
  const lines = { Subject: 'hello', 'P-Asserted-Identity': `<sip:x@${ADDRESS}>` }
  const out = await sent(lines, { settings: { forwardHeaders: ['subject', 'P-Asserted-Identity', 'Via'] } })
  assert.is(out.header('subject'), 'hello')
  assert.not(JSON.stringify(out.options.headers).includes(ADDRESS))
})

const TRUSTED = {
  'P-Asserted-Identity': `"Bob \\"x\\"" <sip:+4930123456@${ADDRESS};user=phone>, <tel:+4930123456>`,
  'Remote-Party-ID': `<sip:666@${ADDRESS}>;party=calling`,
  Diversion: `<sip:+14155550177@${ADDRESS}:5060>;reason=unconditional;counter=1;x="${ADDRESS}", <tel:+14155550178>;reason="no-answer"`,
}

Headers(
  '[A3] of a trunk that is not trusted, who it asserts to call or to have diverted is nobody’s word',
  async () => {
    const bench = new Bench({})
    await bench.call(Bench.invite(TRUSTED))
    const out = bench.server.last
    assert.is(out.header('x-signalbox-caller'), '+13125550199')
    for (const name of ['P-Asserted-Identity', 'Remote-Party-ID', 'Diversion', 'History-Info'])
      assert.is(out.header(name), undefined, name)
    assert.is(bench.calls.list()[0]?.from, '+13125550199')
  },
)

Headers('of a trusted trunk, the agent and the record have who it asserts, without its addresses', async () => {
  const bench = new Bench({ trunk: { trust_identity: true } })
  await bench.call(Bench.invite(TRUSTED))
  const out = bench.server.last
  assert.is(out.header('x-signalbox-caller'), '+4930123456')
  assert.is(out.header('from'), '"Bob \\"x\\"" <sip:+4930123456@localhost>')
  assert.is(out.header('p-asserted-identity'), '"Bob \\"x\\"" <sip:+4930123456@anonymous.invalid>')
  assert.is(
    out.header('diversion'),
    '<sip:+14155550177@anonymous.invalid>;reason=unconditional;counter=1, <tel:+14155550178>;reason="no-answer"',
  )
  assert.is(bench.calls.list()[0]?.from, '+4930123456')
  assert.not(JSON.stringify(out.options.headers).includes(ADDRESS))
  const hidden = await sent({ ...TRUSTED, Privacy: 'id' }, { trunk: { trust_identity: true } })
  assert.is(hidden.header('x-signalbox-caller'), 'anonymous')
  assert.not(JSON.stringify(hidden.options.headers).includes('4930123456'))
  const rpid = await sent({ 'Remote-Party-ID': TRUSTED['Remote-Party-ID'] }, { trunk: { trust_identity: true } })
  assert.is(rpid.header('x-signalbox-caller'), '666')
  const broken = await sent(
    { 'P-Asserted-Identity': '<<sip', Diversion: 'x'.repeat(9_000) },
    { trunk: { trust_identity: true } },
  )
  assert.is(broken.header('x-signalbox-caller'), '+13125550199')
  assert.is(broken.header('diversion'), undefined)
})

Headers('never carry an address of the caller’s side', async () => {
  const uri = `<sip:+13125550199@${ADDRESS}>`
  const out = await sent({
    From: `"Ann" <sip:+13125550199@${ADDRESS}:5071;x=y>;tag=a1`,
    To: `<sip:${NUMBER}@${ADDRESS}>`,
    Contact: uri,
    Via: `SIP/2.0/UDP ${ADDRESS}:5071;branch=z9hG4bKx`,
    'Record-Route': `<sip:${ADDRESS};lr>`,
    Route: `<sip:${ADDRESS};lr>`,
    'P-Asserted-Identity': uri,
    'P-Preferred-Identity': uri,
    'Remote-Party-ID': uri,
    'P-Called-Party-ID': uri,
    Diversion: uri,
    'History-Info': uri,
    'User-Agent': `pbx ${ADDRESS}`,
    Warning: `399 ${ADDRESS} "x"`,
    Authorization: `Digest username="${ADDRESS}"`,
    'Call-ID': `1@${ADDRESS}`,
    Replaces: `1@${ADDRESS};to-tag=1;from-tag=2`,
    'Session-Expires': '90',
  })
  assert.not(JSON.stringify(out.options).includes(ADDRESS))
  assert.is(out.header('session-expires'), undefined)
})

Headers('let ours win over the agent’s, those over the trunk’s, those over the caller’s', async () => {
  const out = await sent(
    { 'X-One': 'caller', 'X-Two': 'caller', 'X-Three': 'caller' },
    {
      agent: { headers: { 'X-One': 'agent' } },
      trunk: { headers: { 'X-One': 'trunk', 'x-two': 'trunk' } },
      settings: { userAgent: 'signalbox' },
    },
  )
  assert.equal(
    Object.entries(out.options.headers).filter(([name]) => /^x-(one|two|three)$/i.test(name)),
    [
      ['X-One', 'agent'],
      ['x-two', 'trunk'],
      ['X-Three', 'caller'],
    ],
  )
  assert.is(out.header('user-agent'), 'signalbox')
})

Headers('cannot be passed off as ours under another spelling', async () => {
  const bench = new Bench()
  const names = [
    'x-signalbox-number',
    'X-SIGNALBOX-NUMBER',
    'X-Signalbox_Number',
    'X_Signalbox-Number',
    'X-Signalbox.Caller',
    'XSignalbox-Number',
    'X-SignalboxNumber',
    'X-Signalbox%2DNumber',
    'X-%53ignalbox-Number',
    'X-Signalbox-Anything',
    `X-${'a'.repeat(70)}`,
    "X-'quoted'",
  ]
  await bench.call(Bench.invite(Object.fromEntries(names.map((name) => [name, 'evil']))))
  assert.not(JSON.stringify(bench.server.last.options.headers).includes('evil'))
  for (const name of names) assert.ok(staysOnItsLeg(name), name)
})

Headers('survive hostile values wherever a caller can put one', async () => {
  for (const value of hostile) {
    const quotable = value.replace(/[\\"]/g, (character) => `\\${character}`)
    for (const lines of [
      { From: `"${quotable}" <sip:+13125550199@127.0.0.1>;tag=a1` },
      { From: `<sip:${encodeURIComponent(wellFormed(value).slice(0, 300))}@127.0.0.1>;tag=a1` },
      { 'X-Test': value, 'User-to-User': value, Privacy: value },
    ]) {
      const bench = new Bench()
      const invite = await bench.call(Bench.invite(lines))
      const out = bench.server.out.at(-1)
      if (out === undefined) {
        assert.is(invite.final?.status, 400)
        continue
      }
      assert.ok(isSound(out.options.headers), JSON.stringify([value.slice(0, 40), out.options.headers]).slice(0, 900))
      const from = parseNameAddr(Buffer.from(out.header('from') ?? '').toString('latin1'))
      assert.ok(from, out.header('from'))
      const uri = parseUri(from!.uri)
      assert.ok(uri?.scheme === 'sip' && (uri.host === 'localhost' || uri.host === 'anonymous.invalid'))
      assert.equal([...from!.params], [])
      invite.cancel()
    }
  }
})

Headers('survive hostile reason phrases and headers of an agent', async () => {
  for (const value of hostile) {
    const bench = new Bench()
    const invite = await bench.call()
    bench.server.last.ring(183, { 'X-Test': value, 'User-to-User': value }, '', value)
    bench.server.last.refuse(488, value, { Warning: `399 h "${value}"`, 'Retry-After': value, Unsupported: value })
    for (const given of invite.given) {
      assert.ok(isSound(given.headers), JSON.stringify(given.headers).slice(0, 500))
      assert.ok(isSound({ Reason: given.reason }))
      assert.ok(given.reason.length <= 128)
    }
  }
})

Headers('are bounded, however many a caller sends', async () => {
  const lines: Record<string, string> = {}
  for (let i = 0; i < 1_000; i++) lines[`X-H${i}`] = 'v'.repeat(1_000)
  const out = await sent(lines)
  assert.ok(JSON.stringify(out.options.headers).length < 24_000)
})

Headers('cap the caller’s name and number, and keep UTF-8', async () => {
  const out = await sent({ From: `"Zoë 漢 ${'n'.repeat(500)}" <sip:${'1'.repeat(500)}@h>;tag=1` })
  const from = parseNameAddr(Buffer.from(out.header('from') ?? '').toString('latin1'))!
  assert.is(Buffer.from(from.displayName ?? '', 'latin1').toString('utf8').length, 128)
  assert.is(out.header('x-signalbox-caller')?.length, 128)
  assert.match(out.header('from') ?? '', 'Zoë 漢')
})

Headers('name a caller by tel: URI, user part, or not at all', () => {
  const of = (From: string, more = {}): unknown => callerOf(new Message({ From, ...more }))
  assert.equal(of('<tel:+13125550199;phone-context=x>;tag=1'), { number: '+13125550199', name: '' })
  assert.equal(of('"B" <sip:bob;ext=1@h;user=phone>'), { number: 'bob', name: 'B' })
  assert.equal(of('<sip:h>;tag=1'), { number: 'unknown', name: '' })
  assert.equal(of('rubbish <'), { number: 'unknown', name: '' })
  assert.equal(of('<http://x/>'), { number: 'unknown', name: '' })
  assert.equal(of('"B" <sip:b@h>', { Privacy: 'none' }), { number: 'b', name: 'B' })
  assert.equal(of('"B" <sip:b@h>', { Privacy: 'critical;id' }), { number: 'anonymous', name: 'Anonymous' })
  assert.is(numberOf('sip:+1%20415@h'), '+1 415')
  assert.is(numberOf('no uri'), '')
})

Headers('what a trunk knows of our Contact does not go on to the agent', async () => {
  const token = `sbt${'a2'.repeat(10)}`
  const out = await sent({ 'X-Original-Uri': `sip:${token}@edge;sbt=${token}`, 'User-to-User': token })
  assert.is(out.header('x-original-uri'), 'sip:***@edge;sbt=***')
  assert.not(JSON.stringify(out.options.headers).includes(token))
})

Headers('what was dialled is never a Contact token: To says it instead', () => {
  const token = `sbt${'a2'.repeat(10)}`
  const of = (uri: string, to: string): string => dialledNumber(new Message({ To: to }), uri)
  assert.is(of('sip:+14155550100@edge', '<sip:200@pbx>'), '+14155550100')
  assert.is(of(`sip:${token}@edge`, '<sip:200@pbx>;tag=1'), '200')
  assert.is(of(`sip:${token}@edge`, `<sip:${token}@pbx>`), '')
  assert.is(of(`sip:${token}@edge`, 'rubbish <'), '')
})

Headers.run()
