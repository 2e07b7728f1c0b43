import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { verdicts, type VerdictCode } from '../../src/model/verdict.js'
import { Bench, turn } from './bench.js'
import { Incoming, SDP } from './scripted-server.js'

const Admission = suite('What is refused')

async function refused(lines: Record<string, string>, body = SDP) {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite(lines, body))
  assert.is(bench.leaks, '')
  return { bench, invite, final: invite.final }
}

Admission('Max-Forwards 0: 483, and nobody is asked where the call goes', async () => {
  const { bench, final } = await refused({ 'Max-Forwards': '0' })
  assert.is(final?.status, 483)
  assert.is(bench.cdr.result, 'too_many_hops')
  assert.is(bench.routed.length, 0)
})

Admission('an unknown extension: 420 naming exactly the unknown ones', async () => {
  const { final, bench } = await refused({
    Require: '100rel, nothingSupportsThis,timer',
    'Proxy-Require': '100rel, norThis',
  })
  assert.is(final?.status, 420)
  assert.is(final?.headers['Unsupported'], 'nothingSupportsThis, 100rel, norThis')
  assert.is(bench.cdr.result, 'extension_unsupported')
})

Admission(
  'hops come before extensions, extensions before the body’s type, the body before Accept (RFC 3261 8.2.2)',
  async () => {
    const all = { 'Max-Forwards': '0', Require: 'x', 'Content-Type': 'text/plain', Accept: 'text/plain' }
    assert.is((await refused(all)).final?.status, 483)
    assert.is((await refused({ ...all, 'Max-Forwards': '1' })).final?.status, 420)
    assert.is((await refused({ 'Content-Type': 'text/plain', Accept: 'text/plain' })).final?.status, 415)
    assert.is((await refused({ Accept: 'text/plain' })).final?.status, 406)
  },
)

Admission('a body that is no SDP: 415 with Accept', async () => {
  const { final, bench } = await refused({ 'Content-Type': 'application/unknownformat' }, '<x/>')
  assert.is(final?.status, 415)
  assert.is(final?.headers['Accept'], 'application/sdp')
  assert.is(bench.cdr.result, 'media_type_unsupported')
})

Admission('a compressed body: 415 with Accept-Encoding', async () => {
  const { final } = await refused({ 'Content-Encoding': 'gzip' })
  assert.is(final?.status, 415)
  assert.is(final?.headers['Accept-Encoding'], 'identity')
})

Admission('a multipart body without SDP, but not one with it: that goes on untouched', async () => {
  const type = 'multipart/mixed;boundary=x'
  assert.is(
    (await refused({ 'Content-Type': type }, '--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n')).final?.status,
    415,
  )
  const bench = new Bench()
  const body = `--x\r\nContent-Type: application/SDP\r\n\r\n${SDP}\r\n--x--\r\n`
  await bench.call(Bench.invite({ 'Content-Type': type }, body))
  assert.is(bench.server.last.options.body, body)
  assert.is(bench.server.last.header('content-type'), type)
})

for (const accept of ['application/sdp', 'text/plain, Application/SDP;q=0.5', 'application/*', '*/*'])
  Admission(`no caller that accepts ${accept}`, async () => {
    const bench = new Bench()
    await bench.call(Bench.invite({ Accept: accept }))
    assert.is(bench.server.out.length, 1)
  })

for (const [contact, text] of [
  ['', 'Missing Contact header'],
  ['<sip:a@b', 'Malformed Contact header'],
  ['*', 'Malformed Contact header'],
  ['<tel:+1415>', 'Malformed Contact header'],
  ['<http://127.0.0.1>', 'Malformed Contact header'],
  [`<sip:${'a'.repeat(5_000)}@b>`, 'Contact header too long'],
] as const)
  Admission(
    `an INVITE with Contact ${contact.slice(0, 20) || 'missing'}: 400, once it is known whose it is`,
    async () => {
      const { final, bench } = await refused({ Contact: contact })
      assert.is(final?.status, 400)
      assert.is(final?.headers['Warning'], `399 signalbox "${text}"`)
      assert.is(bench.server.out.length, 0)
      assert.is(bench.cdr.result, 'request_unusable')
      const unknown = new Bench({ refuse: 'SOURCE_UNKNOWN' })
      assert.is((await unknown.call(Bench.invite({ Contact: contact }))).final?.status, 403)
    },
  )

Admission('From or To that only a backtracking parser would read: 400', async () => {
  for (const From of ['"a', '<sip:a@b   x', `"${'x'.repeat(5_000)}" <sip:a@b>;tag=1`])
    assert.is((await refused({ From })).final?.status, 400)
})

const routing: VerdictCode[] = [
  'SOURCE_UNKNOWN',
  'NUMBER_UNREADABLE',
  'NUMBER_UNKNOWN',
  'NUMBER_NOT_ON_TRUNK',
  'NUMBER_DISABLED',
  'NUMBER_RECORD_INVALID',
  'NUMBER_HAS_NO_AGENT',
  'AGENT_UNKNOWN',
  'ROUTING_UNAVAILABLE',
]
for (const code of routing)
  Admission(`${code} with its own status, Warning, Reason, metric and explanation`, async () => {
    const bench = new Bench({ refuse: code })
    const invite = await bench.call()
    const { status, reason } = verdicts[code]
    assert.is(invite.final?.status, status)
    assert.is(invite.final?.reason, reason)
    assert.is(invite.final?.headers['Warning'], `399 signalbox "${reason}"`)
    assert.is(invite.final?.headers['Reason'], `SIP;cause=${status};text="${code}"`)
    assert.not(JSON.stringify(invite.given).includes('secret-trunk'))
    assert.equal(bench.counted, [{ labels: { direction: 'inbound', result: code.toLowerCase() } }])
    assert.is(bench.cdr.result, code.toLowerCase())
    assert.is(bench.cdr.ended_by, 'edge')
    assert.ok(bench.cdr.explanation?.detail.includes('secret-trunk'))
    assert.equal([bench.cdr.leg_a_status, bench.cdr.leg_b_status], [status, null])
    assert.is(bench.server.out.length, 0)
    assert.is(bench.leaks, '')
  })

Admission('a call too many for the edge: 503 with Retry-After', async () => {
  const bench = new Bench({ maxCalls: 1 })
  await bench.call()
  const second = await bench.call()
  assert.is(second.final?.status, 503)
  const seconds = Number(second.final?.headers['Retry-After'])
  assert.ok(seconds >= 1 && seconds <= 60, String(seconds))
  assert.is(bench.cdr.result, 'edge_full')
  assert.is(bench.active, 1)
})

Admission('a call too many for the agent: 486, and the next one when there is room again', async () => {
  const bench = new Bench({ agent: { channel_limit: 1 } })
  const { a } = await bench.answered()
  const second = await bench.call()
  assert.is(second.final?.status, 486)
  assert.is(bench.cdr.result, 'agent_channels_full')
  a.hangUp()
  await bench.call()
  assert.is(bench.server.out.length, 2)
})

Admission('a dialog nobody knows: 481, and no call', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ To: '<sip:x@127.0.0.1>;tag=gone' }))
  assert.is(invite.final?.status, 481)
  assert.is(bench.cdrs.length, 0)
})

const OutOfDialog = suite('A request outside dialogs')

const ask = async (bench: Bench, method: string, lines: Record<string, string> = {}): Promise<Incoming> => {
  const request = new Incoming(method, 'sip:edge@127.0.0.1', {
    From: '<sip:a@b>;tag=1',
    To: '<sip:edge@127.0.0.1>',
    ...lines,
  })
  bench.server.receive(request)
  await turn()
  return request
}

OutOfDialog('OPTIONS: 200 with what we take, 503 while stopping', async () => {
  const bench = new Bench()
  const { final } = await ask(bench, 'OPTIONS')
  assert.is(final?.status, 200)
  assert.is(final?.headers['Accept'], 'application/sdp')
  assert.match(final?.headers['Allow'] ?? '', 'INVITE')
  assert.is(final?.headers['Supported'], '100rel, timer')
  assert.is((await ask(bench, 'OPTIONS', { 'Max-Forwards': '0' })).final?.status, 483)
  const bad = await ask(bench, 'OPTIONS', { Require: 'nothingSupportsThis, nothingSupportsThisEither' })
  assert.is(bad.final?.status, 420)
  assert.is(bad.final?.headers['Unsupported'], 'nothingSupportsThis, nothingSupportsThisEither')
  await bench.edge.stop(0)
  assert.is((await ask(bench, 'OPTIONS')).final?.status, 503)
})

for (const method of ['REGISTER', 'MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'NOTIFY', 'INFO', 'REFER'])
  OutOfDialog(`${method}: 405 with Allow`, async () => {
    const bench = new Bench()
    const { final } = await ask(bench, method)
    assert.is(final?.status, 405)
    assert.match(final?.headers['Allow'] ?? '', 'INVITE, ACK')
    assert.is((await ask(bench, method, { To: '<sip:a@b>;tag=x' })).final?.status, 481)
  })

Admission.run()
OutOfDialog.run()
