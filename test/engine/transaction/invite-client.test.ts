import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { keepsBytes, TransactionBench } from '../../support/transaction-bench.js'

const InviteClient = suite('InviteClient')

/** Headers of a message as text, without the start line. */
function lineOf(text: string | undefined, name: string): string[] {
  const lines = (text ?? '').split('\r\n\r\n')[0]?.split('\r\n') ?? []
  return lines.filter((line) => line.toLowerCase().startsWith(`${name}:`))
}

InviteClient(
  'over UDP, resends at 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s: timer A doubles without a cap (RFC 3261 17.1.1.2)',
  () => {
    const bench = new TransactionBench()
    bench.open('INVITE')
    assert.equal(bench.flow.kinds, ['INVITE'])
    assert.equal(bench.sendTimes(40_000), [500, 1_500, 3_500, 7_500, 15_500, 31_500])
  },
)

InviteClient('sends the same bytes each time', () => {
  const bench = new TransactionBench()
  bench.open('INVITE', { body: 'v=0\r\n' })
  bench.clock.advance(20_000)
  assert.is(new Set(bench.flow.sent).size, 1)
  assert.ok(bench.flow.sent[0]?.endsWith('\r\n\r\nv=0\r\n'))
})

InviteClient('puts one Via with rport and a fresh branch on top of the request', () => {
  const bench = new TransactionBench()
  const one = bench.open('INVITE').tx
  const two = bench.open('INVITE').tx
  assert.is(one.request.headers.get('via'), `SIP/2.0/UDP 192.0.2.10;rport;branch=${one.branch}`)
  assert.match(one.branch, /^z9hG4bK[0-9a-f]{24}$/)
  assert.is.not(one.branch, two.branch)
})

InviteClient('over a stream, asks for no rport', () => {
  const bench = new TransactionBench('tcp')
  const { tx } = bench.open('INVITE')
  assert.is(tx.request.headers.get('via'), `SIP/2.0/TCP 192.0.2.10;branch=${tx.branch}`)
})

InviteClient('keeps the Vias of a request it forwards under its own', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE', { via: 'SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKdown' })
  const vias = tx.request.headers.getAll('via')
  assert.is(vias.length, 2)
  assert.is(vias[1], 'SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKdown')
})

InviteClient('over a stream, does not resend (timer A is off)', () => {
  const bench = new TransactionBench('tcp')
  bench.open('INVITE')
  assert.equal(bench.sendTimes(40_000), [])
})

for (const protocol of ['udp', 'tcp'] as const) {
  InviteClient(`over ${protocol}, gives up 32 s after an INVITE nobody answers (timer B)`, () => {
    const bench = new TransactionBench(protocol)
    const { tx, user } = bench.open('INVITE')
    bench.clock.advance(31_999)
    assert.equal(user.heard, [])
    bench.clock.advance(1)
    assert.equal(user.heard, ['timedOut', 'ended'])
    assert.is(tx.state, 'terminated')
    assert.ok(bench.idle)
  })
}

InviteClient('takes T1 and 64*T1 from its settings', () => {
  const bench = new TransactionBench('udp', { t1Ms: 100, t1x64Ms: 6_400 })
  const { user } = bench.open('INVITE')
  assert.equal(bench.sendTimes(10_000), [100, 300, 700, 1_500, 3_100, 6_300])
  assert.equal(user.heard, ['timedOut', 'ended'])
})

InviteClient('stops resending with the first 1xx, but goes on waiting', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.clock.advance(600)
  bench.answer(tx, 100)
  assert.is(tx.state, 'proceeding')
  assert.equal(bench.sendTimes(100_000), [])
  bench.answer(tx, 180)
  assert.equal(user.heard, [100, 180])
})

InviteClient('passes every 1xx up, 100 too', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  for (const status of [100, 180, 183, 180, 199]) bench.answer(tx, status)
  assert.equal(user.heard, [100, 180, 183, 180, 199])
})

InviteClient('cancels an INVITE that has rung 185 s, and gives it up 32 s later (timer C, RFC 3261 9.1)', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 180)
  bench.clock.advance(184_999)
  assert.equal(bench.flow.kinds, ['INVITE'])
  bench.clock.advance(1)
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL'])
  assert.is(tx.state, 'cancelling')
  bench.clock.advance(31_999)
  assert.equal(user.heard, [180])
  bench.clock.advance(1)
  assert.equal(user.heard, [180, 'timedOut', 'ended'])
  assert.ok(bench.idle)
})

InviteClient('starts timer C anew with each 101-199, but not with a 100 (RFC 3261 16.7)', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE')
  bench.answer(tx, 100)
  bench.clock.advance(100_000)
  bench.answer(tx, 183)
  bench.clock.advance(100_000)
  assert.is(tx.state, 'proceeding')
  bench.answer(tx, 100)
  bench.clock.advance(84_999)
  assert.is(tx.state, 'proceeding')
  bench.clock.advance(1)
  assert.is(tx.state, 'cancelling')
})

InviteClient('hears the 487 that a CANCEL of timer C brings about', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 180)
  bench.clock.advance(185_000)
  bench.answer(tx, 487)
  assert.equal(user.heard, [180, 487])
})

InviteClient(
  'acknowledges a 3xx-6xx with the Request-URI, branch, Route, From, Call-ID and number of the INVITE and the To of the response (RFC 3261 17.1.1.3)',
  () => {
    const bench = new TransactionBench()
    const routes = ['<sip:proxy.example.com;lr>', '<sip:edge.example.com;lr>']
    const { tx } = bench.open('INVITE', {
      uri: 'sip:bob@192.0.2.4',
      routes,
      via: 'SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKdown',
      body: 'v=0\r\n',
    })
    bench.answer(tx, 486, 'busy1')
    assert.equal(bench.flow.kinds, ['INVITE', 'ACK'])
    const ack = bench.flow.sent[1]
    assert.ok(ack?.startsWith('ACK sip:bob@192.0.2.4 SIP/2.0\r\n'))
    assert.equal(lineOf(ack, 'via'), [`Via: SIP/2.0/UDP 192.0.2.10;rport;branch=${tx.branch}`])
    assert.equal(
      lineOf(ack, 'route'),
      routes.map((route) => `Route: ${route}`),
    )
    assert.equal(lineOf(ack, 'from'), ['From: "Alice" <sip:alice@example.com>;tag=from1'])
    assert.equal(lineOf(ack, 'to'), ['To: <sip:bob@example.net>;tag=busy1'])
    assert.equal(lineOf(ack, 'call-id'), ['Call-ID: call-1@example.com'])
    assert.equal(lineOf(ack, 'cseq'), ['CSeq: 7 ACK'])
    assert.equal(lineOf(ack, 'max-forwards'), ['Max-Forwards: 70'])
    assert.ok(ack?.endsWith('\r\n\r\n'))
  },
)

InviteClient('over UDP, acknowledges each repeat of a 3xx-6xx for 32 s and passes only the first up (timer D)', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 404)
  bench.clock.advance(500)
  bench.answer(tx, 404)
  bench.clock.advance(31_499)
  bench.answer(tx, 404)
  assert.equal(bench.flow.kinds, ['INVITE', 'ACK', 'ACK', 'ACK'])
  assert.is(new Set(bench.flow.sent).size, 2)
  assert.equal(user.heard, [404])
  bench.clock.advance(1)
  assert.equal(user.heard, [404, 'ended'])
  assert.ok(bench.idle)
})

InviteClient('over a stream, ends with the ACK to a 3xx-6xx (timer D is zero)', () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 603)
  assert.equal(bench.flow.kinds, ['INVITE', 'ACK'])
  assert.equal(user.heard, [603, 'ended'])
  assert.ok(bench.idle)
})

for (const protocol of ['udp', 'tcp'] as const) {
  InviteClient(
    `over ${protocol}, passes every 2xx up for 32 s: repeats and those of other forks (RFC 6026 7.2)`,
    () => {
      const bench = new TransactionBench(protocol)
      const { tx, user } = bench.open('INVITE')
      bench.answer(tx, 180)
      bench.answer(tx, 200, 'fork1')
      assert.is(tx.state, 'accepted')
      bench.clock.advance(500)
      bench.answer(tx, 200, 'fork1')
      bench.clock.advance(31_499)
      bench.answer(tx, 202, 'fork2')
      assert.equal(user.heard, [180, 200, 200, 202])
      assert.equal(
        user.responses.map((response) => response.toTag),
        ['to1', 'fork1', 'fork1', 'fork2'],
      )
      assert.equal(bench.flow.kinds, ['INVITE'])
      bench.clock.advance(1)
      assert.equal(user.heard, [180, 200, 200, 202, 'ended'])
      assert.ok(bench.idle)
      bench.answer(tx, 200, 'fork1')
      assert.is(bench.strays.length, 1)
    },
  )
}

InviteClient('ignores 1xx and 3xx-6xx once it has a 2xx, and 2xx once it has a 3xx-6xx', () => {
  const bench = new TransactionBench()
  const accepted = bench.open('INVITE')
  for (const status of [200, 180, 486, 100]) bench.answer(accepted.tx, status)
  assert.equal(accepted.user.heard, [200])
  const completed = bench.open('INVITE')
  for (const status of [486, 180, 200, 100]) bench.answer(completed.tx, status)
  assert.equal(completed.user.heard, [486])
  assert.equal(bench.strays, [])
})

InviteClient('tells when the INVITE could not be sent', () => {
  const bench = new TransactionBench('tcp')
  const { user } = bench.open('INVITE')
  bench.flow.fail()
  assert.equal(user.heard, ['transportFailed', 'ended'])
  assert.ok(bench.idle)
})

InviteClient('does not mind that a resend failed once a response has come', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.clock.advance(500)
  bench.answer(tx, 180)
  bench.flow.fail()
  assert.equal(user.heard, [180])
  assert.is(tx.state, 'proceeding')
})

InviteClient(
  'ends without another word when the ACK could not be sent: one outcome is told, and that was the final response',
  () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.open('INVITE')
    bench.answer(tx, 500)
    bench.flow.fail()
    assert.equal(user.heard, [500, 'ended'])
    assert.ok(bench.idle)
  },
)

InviteClient(
  'sends the CANCEL of a proceeding INVITE at once, with its branch, Request-URI, To, From, Call-ID, number and Route (RFC 3261 9.1)',
  () => {
    const bench = new TransactionBench()
    const { tx } = bench.open('INVITE', {
      routes: ['<sip:proxy.example.com;lr>'],
      via: 'SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKdown',
    })
    bench.answer(tx, 180)
    assert.ok(tx.cancel((cancel) => cancel.headers.append('reason', 'SIP;cause=200')))
    const cancel = bench.flow.sent[1]
    assert.ok(cancel?.startsWith('CANCEL sip:bob@example.net SIP/2.0\r\n'))
    assert.equal(lineOf(cancel, 'via'), [`Via: SIP/2.0/UDP 192.0.2.10;rport;branch=${tx.branch}`])
    assert.equal(lineOf(cancel, 'route'), ['Route: <sip:proxy.example.com;lr>'])
    assert.equal(lineOf(cancel, 'to'), ['To: <sip:bob@example.net>'])
    assert.equal(lineOf(cancel, 'from'), ['From: "Alice" <sip:alice@example.com>;tag=from1'])
    assert.equal(lineOf(cancel, 'call-id'), ['Call-ID: call-1@example.com'])
    assert.equal(lineOf(cancel, 'cseq'), ['CSeq: 7 CANCEL'])
    assert.equal(lineOf(cancel, 'reason'), ['Reason: SIP;cause=200'])
  },
)

InviteClient('holds the CANCEL until a 1xx has come', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  assert.ok(tx.cancel((cancel) => cancel.headers.append('reason', 'SIP;cause=200')))
  assert.is(tx.state, 'withdrawn')
  bench.clock.advance(1_500)
  assert.equal(bench.flow.kinds, ['INVITE', 'INVITE', 'INVITE'])
  bench.answer(tx, 100)
  assert.equal(bench.flow.kinds.slice(3), ['CANCEL'])
  assert.equal(lineOf(bench.flow.sent[3], 'reason'), ['Reason: SIP;cause=200'])
  bench.answerCancel(tx, 200)
  bench.answer(tx, 487)
  assert.equal(user.heard, [100, 487])
  assert.equal(bench.flow.kinds.slice(4), ['ACK'])
})

InviteClient('never sends the CANCEL of an INVITE that gets its final response first', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  tx.cancel()
  bench.answer(tx, 200)
  assert.equal(user.heard, [200])
  assert.equal(bench.flow.kinds, ['INVITE'])
})

InviteClient('gives a withdrawn INVITE up when nobody answers it at all', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.clock.advance(1_000)
  tx.cancel()
  assert.equal(bench.sendTimes(31_000), [500, 2_500, 6_500, 14_500, 30_500])
  assert.equal(user.heard, ['timedOut', 'ended'])
  assert.ok(bench.idle)
})

InviteClient('passes a 200 that crossed the CANCEL up', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 180)
  tx.cancel()
  bench.answer(tx, 200)
  bench.answerCancel(tx, 481)
  bench.clock.advance(31_999)
  bench.answer(tx, 200)
  assert.equal(user.heard, [180, 200, 200])
  bench.clock.advance(1)
  assert.equal(user.heard.at(-1), 'ended')
  assert.ok(bench.idle)
})

InviteClient('sends one CANCEL, however often it is asked', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE')
  assert.ok(tx.cancel())
  assert.ok(tx.cancel())
  bench.answer(tx, 180)
  assert.ok(tx.cancel())
  bench.answer(tx, 183)
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL'])
})

InviteClient('refuses to cancel what has a final response', () => {
  const bench = new TransactionBench()
  for (const status of [200, 486]) {
    const { tx } = bench.open('INVITE')
    bench.answer(tx, status)
    assert.not(tx.cancel())
  }
  assert.not(bench.flow.kinds.includes('CANCEL'))
})

InviteClient('resends the CANCEL like any non-INVITE, until it is answered', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE')
  bench.answer(tx, 180)
  tx.cancel()
  assert.equal(bench.sendTimes(5_000), [500, 1_500, 3_500])
  bench.answerCancel(tx, 200)
  assert.equal(bench.sendTimes(10_000), [])
})

InviteClient('gives an INVITE up 32 s after a CANCEL that brings nothing about, 1xx or not (RFC 3261 9.1)', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 180)
  bench.clock.advance(10_000)
  tx.cancel()
  bench.answerCancel(tx, 200)
  bench.clock.advance(31_999)
  bench.answer(tx, 180)
  assert.equal(user.heard, [180, 180])
  bench.clock.advance(1)
  assert.equal(user.heard, [180, 180, 'timedOut', 'ended'])
  assert.ok(bench.idle)
})

InviteClient('may be cancelled by its user while the user is told of the 1xx', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  user.then = (what) => void (what === 180 && tx.cancel())
  bench.answer(tx, 180)
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL'])
  assert.is(tx.state, 'cancelling')
})

InviteClient('sends the CANCEL even if the one who adds to it throws', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE')
  bench.answer(tx, 180)
  tx.cancel(() => {
    throw new Error('no reason')
  })
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL'])
  assert.is(bench.errors.length, 1)
})

InviteClient('abandoned, is not sent again, tells nothing more and ends when timer B does', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.clock.advance(1_600)
  assert.is(bench.flow.kinds.length, 3)
  tx.abandon(() => assert.unreachable())
  assert.not(keepsBytes(tx))
  bench.clock.advance(30_399)
  assert.is(bench.flow.kinds.length, 3)
  assert.not(bench.idle)
  bench.clock.advance(1)
  assert.equal(user.heard, [])
  assert.ok(bench.idle)
})

InviteClient('abandoned, sends a CANCEL should it ring all the same, with what an earlier one was to say', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  tx.cancel((cancel) => cancel.headers.append('reason', 'SIP;cause=487'))
  tx.abandon(() => assert.unreachable())
  bench.answer(tx, 180)
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL'])
  assert.match(bench.flow.sent.at(-1) ?? '', 'Reason: SIP;cause=487')
  bench.answer(tx, 487)
  assert.equal(bench.flow.kinds, ['INVITE', 'CANCEL', 'ACK'])
  bench.clock.advance(64_000)
  assert.equal(user.heard, [])
  assert.ok(bench.idle)
})

InviteClient('abandoned, hands a late 2xx and each of its repeats to whom it was told', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  const late: number[] = []
  tx.abandon(({ status }) => late.push(status))
  bench.answer(tx, 200)
  bench.answer(tx, 200)
  assert.equal([late, user.heard, bench.flow.kinds], [[200, 200], [], ['INVITE']])
  bench.clock.advance(32_000)
  assert.ok(bench.idle)
})

InviteClient('is not abandoned once a response has come', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 100)
  tx.abandon(() => assert.unreachable())
  bench.answer(tx, 200)
  assert.equal(user.heard, [100, 200])
})

InviteClient('keeps the bytes of the INVITE only while they may have to be sent again', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INVITE')
  assert.ok(keepsBytes(tx))
  tx.cancel()
  assert.ok(keepsBytes(tx))
  bench.answer(tx, 180)
  assert.not(keepsBytes(tx))
  const unanswered = bench.open('INVITE').tx
  bench.clock.advance(32_000)
  assert.not(keepsBytes(unanswered))
  assert.not(keepsBytes(new TransactionBench('tcp').open('INVITE').tx))
})

InviteClient.run()
