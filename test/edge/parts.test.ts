import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hopsLeft } from '../../src/edge/admission.js'
import { Calls } from '../../src/edge/calls.js'
import { unknownOptions } from '../../src/edge/capabilities.js'
import { contactFault, cseqNumber, hasToTag, readAddress, readableByLibrary } from '../../src/edge/guard.js'
import { withoutMultipart } from '../../src/edge/drachtio-frames.js'
import { fromBytes, quoted, tidy, toBytes, unfold } from '../../src/edge/header-value.js'
import { copiedReason, copiedWarning, ownReason, refusalHeaders, withCause } from '../../src/edge/reason.js'
import { Message } from './scripted-server.js'

const Values = suite('A header value between two legs')

Values('is on one line: folds and control characters become one space', () => {
  assert.is(unfold('a\r\n b'), 'a b')
  assert.is(unfold('a\r\n\t \r\n b\u0000'), 'a b')
  assert.is(unfold('\r\nX-Evil: 1'), 'X-Evil: 1')
  assert.is(unfold('a  b'), 'a  b')
})

Values('is cut to its length and stays well-formed', () => {
  assert.is(tidy('abcdef', 3), 'abc')
  assert.is(tidy('ab\u{1f600}', 3), 'ab\ufffd')
  assert.is(tidy('\ud800', 3), '\ufffd')
  assert.is(tidy('  a  ', 10), 'a')
})

Values('is read by the engine as the bytes of its UTF-8', () => {
  assert.is(fromBytes(toBytes('Zoë 漢')), 'Zoë 漢')
  assert.is(toBytes('é').length, 2)
  assert.is(fromBytes('\xff'), '\ufffd')
})

Values('is a quoted string with quotes and backslashes escaped', () => {
  assert.is(quoted('a"b\\c\r\nd'), '"a\\"b\\\\c d"')
})

Values('takes time in proportion to its length', () => {
  const timeOf = (value: string): number => {
    const started = process.hrtime.bigint()
    unfold(value)
    tidy(value, 100)
    readAddress(value)
    contactFault(value)
    unknownOptions(value, [])
    copiedWarning(new Message({ Warning: value }))
    return Number(process.hrtime.bigint() - started) / 1e6
  }
  for (const unit of ['\r\n ', ' ', '"', '\\', '<', 'a,', ';a', '\u0000', 'a ', '\ud800', ',399 h "x"'])
    for (const prefix of ['', '"', '<sip:a@b', '399 h "', '<'])
      assert.ok(timeOf(prefix + unit.repeat(64_000 / unit.length)) < 60, JSON.stringify([prefix, unit]))
})

const Guard = suite('The guard before library parsers')

Guard('reads one address with its name as text', () => {
  assert.is(readAddress('"Zoë \\"Z\\"" <sip:z@h>;tag=1')?.displayName, 'Zoë "Z"')
  assert.is(readAddress('<sip:a@b>, <sip:c@d>'), undefined)
  assert.is(readAddress(undefined), undefined)
  assert.is(readAddress(`<sip:${'a'.repeat(4_100)}@b>`), undefined)
})

Guard('lets through only what the engine has read whole', () => {
  const good = { From: '<sip:a@b>;tag=1', To: '<sip:c@d>', Contact: '<sip:a@127.0.0.1>' }
  const readable = (lines: Record<string, string>): boolean => {
    const message = new Message({ ...good, ...lines })
    return readableByLibrary((name) => message.header(name))
  }
  assert.ok(readable({}))
  for (const value of [
    '<',
    '<' + ' '.repeat(4_000),
    '<sip:a@b' + ' '.repeat(4_000) + 'x',
    '"' + '\\\\'.repeat(1_000),
    'a '.repeat(1_500) + '@',
  ])
    for (const name of ['From', 'To', 'Contact'])
      assert.not(readable({ [name]: value }), `${name}: ${value.slice(0, 20)}`)
})

Guard('tells a request of a dialog by the tag of its To', () => {
  assert.ok(hasToTag(new Message({ To: '<sip:a@b>;tag=1' })))
  assert.not(hasToTag(new Message({ To: '<sip:a@b;tag=1>' })))
  assert.not(hasToTag(new Message({ To: 'rubbish <' })))
  assert.is(cseqNumber(new Message({ CSeq: '17 INVITE' })), 17)
})

Guard('reads Max-Forwards strictly, and none as 70', () => {
  assert.equal(
    ['0', '1', '255', '99999', 'x', '-1', ''].map((value) => hopsLeft(new Message({ 'Max-Forwards': value }))),
    [0, 1, 255, 255, 0, 0, 0],
  )
  assert.is(hopsLeft(new Message({})), 70)
})

Guard('hides multipart from the library in every header that may be Content-Type to it, and only there', () => {
  const body = '\r\n\r\n--x\r\nContent-Type: multipart/y\r\n'
  assert.is(
    withoutMultipart(
      `id|sip\r\nA b\r\nc: multipart/mixed\r\nContent%2DType:\r\n multipart/x\r\nX-A: multipart/z${body}`,
    ),
    `id|sip\r\nA b\r\nc: Multipart/mixed\r\nContent%2DType:\r\n Multipart/x\r\nX-A: multipart/z${body}`,
  )
  assert.is(withoutMultipart(`a\r\nX: y${body}`), `a\r\nX: y${body}`)
  assert.is(withoutMultipart('id|response|multipart/'), 'id|response|multipart/')
  const started = performance.now()
  withoutMultipart(`a\r\n${'c: multipart/\r\n'.repeat(5_000)}\r\n\r\n${'multipart/'.repeat(10_000)}`)
  assert.ok(performance.now() - started < 50)
})

const Reasons = suite('Reason and Warning')

Reasons('of a refusal say the words of the table and our code', () => {
  assert.equal(refusalHeaders('NUMBER_UNKNOWN', 404), {
    Warning: '399 signalbox "Number not in service here"',
    Reason: 'SIP;cause=404;text="NUMBER_UNKNOWN"',
  })
  assert.is(ownReason(500, 'a "b"\r\nX: y'), 'SIP;cause=500;text="a \\"b\\" X: y"')
})

Reasons('are copied to the other leg, several values too, and never invented', () => {
  const value = 'Q.850;cause=16;text="x", SIP;cause=200'
  assert.equal(copiedReason(new Message({ Reason: value })), { Reason: value })
  assert.equal(copiedReason(new Message({})), {})
  // Half of a quoted text would swallow what comes after it.
  const long = new Message({ Reason: `Q.850;cause=17;text="${'y'.repeat(2_000)}"` })
  assert.equal(copiedReason(long), {})
  assert.is(withCause(long, 'SIP;cause=486'), 'SIP;cause=486')
})

Reasons('of the far end’s Warning lose its host, and all that is no warning', () => {
  const of = (Warning: string): string | undefined => copiedWarning(new Message({ Warning }))
  assert.is(of('301 10.0.0.1:5060 "a, b", 399 h "c"'), '301 signalbox "a, b", 399 signalbox "c"')
  for (const bad of ['', 'x', '301', '301 h', '301 h "', '301 "', '3011 h "x"', '301 h x', '001 h "x"'])
    assert.is(of(bad), undefined, bad)
})

const Registry = suite('The registry of calls')

Registry('is full at its limit, and tells when it is empty', async () => {
  const calls = new Calls({ maxCalls: 1 })
  const call = {
    id: 'one',
    direction: 'inbound' as const,
    agentId: undefined,
    live: () => ({}) as never,
    hangUp() {},
    end() {},
  }
  await calls.emptied()
  assert.ok(calls.add(call))
  assert.ok(calls.full)
  assert.not(calls.add({ ...call, id: 'two' }))
  let emptied = false
  void calls.emptied().then(() => (emptied = true))
  calls.remove('two')
  await Promise.resolve()
  assert.not(emptied)
  calls.remove('one')
  await Promise.resolve()
  await Promise.resolve()
  assert.ok(emptied)
})

Values.run()
Guard.run()
Reasons.run()
Registry.run()
