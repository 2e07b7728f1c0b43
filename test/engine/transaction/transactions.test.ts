import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { createResponse } from '../../../src/engine/message/message.js'
import { RecordingFlow } from '../../support/recording-flow.js'
import { makeRequest, TransactionBench, type RequestParts } from '../../support/transaction-bench.js'

const Matching = suite('Transaction matching')

/** A Via of a peer. */
function via(branch: string, sentBy = '192.0.2.20:5080', protocol = 'UDP'): string {
  return `SIP/2.0/${protocol} ${sentBy};branch=${branch}`
}

Matching('a request is new unless branch, sent-by and method are those of one before (RFC 3261 17.2.3)', () => {
  const bench = new TransactionBench()
  const vias = [
    via('z9hG4bKa'),
    via('z9hG4bKb'),
    via('z9hG4bKa', '192.0.2.20:5081'),
    via('z9hG4bKa', '192.0.2.20'),
    via('z9hG4bKa', '192.0.2.21:5080'),
    via('z9hG4bKa', '[2001:db8::1]:5080'),
  ]
  for (const method of ['OPTIONS', 'INVITE', 'BYE', 'options'])
    for (const value of vias) bench.receive(method, { via: value })
  assert.is(bench.requests.length, 24)
  assert.is(bench.transactions.count, 24)
  assert.is(new Set(bench.requests.map((tx) => tx.id)).size, 24)
  for (const method of ['OPTIONS', 'INVITE', 'BYE', 'options'])
    for (const value of vias) bench.receive(method, { via: value })
  assert.is(bench.requests.length, 24)
})

Matching('the case of branch and sent-by means nothing: they are tokens and host names (RFC 3261 7.3.1)', () => {
  const bench = new TransactionBench()
  bench.receive('OPTIONS', { via: via('z9hG4bKabc', 'PBX.example.com') })
  bench.receive('OPTIONS', { via: via('z9hG4bKABC', 'pbx.example.COM') })
  assert.is(bench.requests.length, 1)
})

Matching(
  'a client that reuses its branch is served: another Call-ID or CSeq number is new, another body is not',
  () => {
    const bench = new TransactionBench()
    bench.receive('OPTIONS')
    bench.receive('OPTIONS', { body: 'x' })
    assert.is(bench.requests.length, 1)
    bench.receive('OPTIONS', { callId: 'other@example.com' })
    assert.is(bench.requests.length, 2)
  },
)

Matching('a response belongs to the request whose branch and method it bears (RFC 3261 17.1.3)', () => {
  const bench = new TransactionBench()
  const one = bench.open('OPTIONS')
  const two = bench.open('OPTIONS')
  bench.answer(two.tx, 200)
  assert.equal(one.user.heard, [])
  assert.equal(two.user.heard, [200])
  // The same branch, but the method of no request of ours.
  const forged = makeRequest('BYE', { via: one.tx.request.headers.get('via') ?? '' })
  bench.transactions.receive(createResponse(forged, 200), bench.flow)
  assert.equal(one.user.heard, [])
  assert.is(bench.strays.length, 1)
})

Matching('the case of our branch means nothing in a response', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('OPTIONS')
  const shouted = via(tx.branch.toUpperCase(), '192.0.2.10')
  bench.transactions.receive(createResponse(makeRequest('OPTIONS', { via: shouted }), 200), bench.flow)
  assert.equal(user.heard, [200])
})

Matching('a response without a branch, or with none of ours, is handed to the core', () => {
  const bench = new TransactionBench()
  bench.open('OPTIONS')
  for (const value of ['SIP/2.0/UDP 192.0.2.10', via('z9hG4bKnone', '192.0.2.10')])
    bench.transactions.receive(createResponse(makeRequest('OPTIONS', { via: value }), 200), bench.flow)
  assert.is(bench.strays.length, 2)
})

Matching('tells the user on which flow a response came', () => {
  const bench = new TransactionBench()
  const other = new RecordingFlow('tcp')
  const flows: unknown[] = []
  const tx = bench.transactions.open(makeRequest('INVITE', { via: '' }), bench.flow, {
    response: (_response, flow) => void flows.push(flow),
    timedOut: () => undefined,
    transportFailed: () => undefined,
  })
  bench.transactions.receive(createResponse(tx.request, 180), other)
  assert.equal(flows.length, 1)
  assert.is(flows[0], other)
})

Matching('the CANCEL and its INVITE share a branch and yet are told apart', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INVITE')
  bench.answer(tx, 180)
  tx.cancel()
  assert.is(bench.transactions.count, 2)
  bench.answerCancel(tx, 200)
  assert.equal(user.heard, [180])
  assert.equal(bench.strays, [])
  bench.answer(tx, 487)
  assert.equal(user.heard, [180, 487])
})

Matching('a CANCEL comes to the core with the INVITE it means (RFC 3261 9.2)', () => {
  const bench = new TransactionBench()
  const { tx: invite } = bench.accept('INVITE')
  const { tx: other } = bench.accept('INVITE', { via: via('z9hG4bKother') })
  bench.receive('CANCEL')
  assert.is(bench.cancels.length, 1)
  const { cancel, invite: meant } = bench.cancels[0] ?? {}
  assert.is(meant, invite)
  assert.is.not(meant, other)
  assert.is(cancel?.request.method, 'CANCEL')
  assert.ok(cancel && bench.respond(cancel, 200))
  assert.ok(bench.respond(invite, 487))
  bench.receive('CANCEL')
  assert.equal(bench.flow.kinds, ['200', '487', '200'])
  assert.is(bench.cancels.length, 1)
  bench.receive('ACK')
  assert.is(invite.state, 'confirmed')
})

Matching('a CANCEL that means no INVITE comes to the core without one', () => {
  const bench = new TransactionBench()
  bench.accept('OPTIONS')
  bench.accept('INVITE', { via: via('z9hG4bKother') })
  bench.receive('CANCEL')
  assert.is(bench.cancels.length, 1)
  assert.is(bench.cancels[0]?.invite, undefined)
})

Matching('a CANCEL that crosses a 200 finds its INVITE while that is accepted, not after', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 200)
  bench.receive('CANCEL')
  const first = bench.cancels[0]
  assert.ok(first?.invite === tx)
  bench.respond(first.cancel, 200)
  bench.clock.advance(32_000)
  bench.receive('CANCEL')
  assert.is(bench.cancels.length, 2)
  assert.ok(bench.cancels[1]?.invite === undefined)
})

Matching('an ACK to no INVITE we know is handed to the core', () => {
  const bench = new TransactionBench()
  bench.accept('OPTIONS')
  bench.receive('ACK')
  assert.is(bench.acks.length, 1)
  assert.is(bench.transactions.count, 1)
})

Matching('the To tag of a 2xx-ACK with a branch of its own decides nothing here', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 486)
  bench.receive('ACK', { via: via('z9hG4bKother') })
  assert.is(bench.acks.length, 1)
  assert.is(tx.state, 'completed')
})

Matching.run()

const Legacy = suite('RFC 2543 matching')

const legacyVias: [string, string][] = [
  ['no branch', 'SIP/2.0/UDP 192.0.2.20:5080'],
  ['a branch without the cookie', via('1')],
  ['the bare cookie', via('z9hG4bK')],
]

for (const [name, value] of legacyVias) {
  Legacy(`with ${name}, a request is new unless all that RFC 3261 17.2.3 names is the same`, () => {
    const bench = new TransactionBench()
    const usual: RequestParts = { via: value, to: '<sip:bob@example.net>;tag=b' }
    const others: RequestParts[] = [
      { uri: 'sip:carol@example.net' },
      { to: '<sip:bob@example.net>;tag=c' },
      { to: '<sip:bob@example.net>' },
      { from: '<sip:alice@example.com>;tag=from2' },
      { callId: 'call-2@example.com' },
      { cseq: 8 },
      { via: value.replace('192.0.2.20', '192.0.2.21') },
    ]
    const all = [usual, ...others.map((parts) => ({ ...usual, ...parts }))]
    for (const method of ['INVITE', 'OPTIONS']) for (const parts of all) bench.receive(method, parts)
    assert.is(bench.requests.length, 16)
    for (const method of ['INVITE', 'OPTIONS']) for (const parts of all) bench.receive(method, parts)
    assert.is(bench.requests.length, 16)
  })

  Legacy(`with ${name}, a repeat is found even if the transport added received and rport to it`, () => {
    const bench = new TransactionBench()
    bench.receive('INVITE', { via: value })
    bench.receive('INVITE', { via: `${value};received=192.0.2.99;rport=5080` })
    assert.is(bench.requests.length, 1)
  })

  Legacy(`with ${name}, the ACK to a 3xx-6xx is found by the To tag of the response`, () => {
    const bench = new TransactionBench()
    const { tx } = bench.accept('INVITE', { via: value })
    bench.respond(tx, 486, 'busy1')
    bench.receive('ACK', { via: value, to: '<sip:bob@example.net>;tag=other' })
    assert.is(tx.state, 'completed')
    assert.is(bench.acks.length, 1)
    bench.receive('ACK', { via: value, to: '<sip:bob@example.net>;tag=busy1' })
    assert.is(tx.state, 'confirmed')
    assert.is(bench.acks.length, 1)
    bench.clock.advance(5_000)
    assert.ok(bench.idle)
    bench.receive('ACK', { via: value, to: '<sip:bob@example.net>;tag=busy1' })
    assert.is(bench.acks.length, 2)
  })

  Legacy(`with ${name}, the ACK to a 3xx-6xx of a re-INVITE is found as well`, () => {
    const bench = new TransactionBench()
    const to = '<sip:bob@example.net>;tag=dialog'
    const { tx } = bench.accept('INVITE', { via: value, to })
    bench.respond(tx, 488)
    bench.receive('ACK', { via: value, to })
    assert.is(tx.state, 'confirmed')
  })

  Legacy(`with ${name}, the ACK to a 2xx goes to the core`, () => {
    const bench = new TransactionBench()
    const { tx } = bench.accept('INVITE', { via: value })
    bench.respond(tx, 200)
    bench.receive('ACK', { via: value, to: '<sip:bob@example.net>;tag=to1' })
    assert.is(bench.acks.length, 1)
    assert.is(tx.state, 'accepted')
  })

  Legacy(`with ${name}, a CANCEL finds its INVITE`, () => {
    const bench = new TransactionBench()
    const { tx } = bench.accept('INVITE', { via: value })
    bench.receive('CANCEL', { via: value })
    bench.receive('CANCEL', { via: value, cseq: 8 })
    assert.is(bench.cancels[0]?.invite, tx)
    assert.is(bench.cancels[1]?.invite, undefined)
  })
}

Legacy('tells requests apart whose parts would read the same one after the other', () => {
  const bench = new TransactionBench()
  bench.receive('OPTIONS', { via: via('1'), callId: 'ab', from: '<sip:a@example.com>;tag=c' })
  bench.receive('OPTIONS', { via: via('1'), callId: 'b', from: '<sip:a@example.com>;tag=ca' })
  assert.is(bench.requests.length, 2)
})

Legacy.run()

const Index = suite('Transactions')

Index('takes a request over as it is and sends it over the flow it is given', () => {
  const bench = new TransactionBench()
  const request = makeRequest('MESSAGE', { via: '', body: 'hello' })
  const flow = new RecordingFlow('tcp')
  const tx = bench.transactions.open(request, flow, { response() {}, timedOut() {}, transportFailed() {} })
  assert.is(tx.request, request)
  assert.is(tx.flow, flow)
  assert.equal(flow.kinds, ['MESSAGE'])
  assert.equal(bench.flow.sent, [])
})

Index('asks for the way back with the top Via and the flow of the request', () => {
  const asked: unknown[] = []
  const bench = new TransactionBench()
  const { tx } = bench.accept('OPTIONS', { via: 'SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKa;received=192.0.2.99' })
  bench.onWay = (topVia, flow) => void asked.push(topVia.params.get('received'), flow)
  bench.respond(tx, 100)
  assert.is(asked[0], '192.0.2.99')
  assert.is(asked[1], bench.flow)
})

Index('over a stream, asks for the way back each time, since a connection may be gone', () => {
  const bench = new TransactionBench('tcp')
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 180)
  const other = new RecordingFlow('tcp')
  bench.way = other
  bench.respond(tx, 200)
  assert.equal(bench.flow.kinds, ['180'])
  assert.equal(other.kinds, ['200'])
})

Index('goes on when a user throws, and reports it', () => {
  const bench = new TransactionBench()
  const fails = (): never => {
    throw new Error('user')
  }
  const angry = { response: fails, timedOut: fails, transportFailed: fails, ended: fails }
  const requests = ['INVITE', 'OPTIONS'].map((method) => makeRequest(method, { via: '' }))
  const [invite, options] = requests.map((request) => bench.transactions.open(request, bench.flow, angry))
  assert.ok(invite && options)
  bench.answer(invite, 180)
  bench.answer(invite, 486)
  assert.equal(bench.flow.kinds, ['INVITE', 'OPTIONS', 'ACK'])
  bench.clock.advance(32_000)
  const unsent = bench.transactions.open(makeRequest('OPTIONS', { via: '' }), bench.flow, angry)
  bench.flow.fail()
  assert.is(unsent.state, 'terminated')
  const { tx } = bench.accept('INVITE')
  tx.user = { timedOut: fails, transportFailed: fails, retransmission: fails, ended: fails }
  bench.receive('INVITE')
  bench.respond(tx, 486)
  bench.flow.fail()
  bench.clock.advance(32_000)
  assert.is(tx.state, 'terminated')
  // INVITE: 180, 486, ended. OPTIONS: timedOut, ended. Unsent: transportFailed, ended. Server: repeat, failed, timedOut, ended.
  assert.is(bench.errors.length, 11)
  assert.ok(bench.idle)
})

Index('answers 500 for a core that throws at a request, unless it has answered already', () => {
  const bench = new TransactionBench()
  bench.onRequest = (tx) => {
    if (tx.request.method === 'INFO') bench.respond(tx, 200)
    throw new Error('core')
  }
  bench.receive('INVITE')
  bench.receive('INFO')
  assert.equal(bench.flow.kinds, ['500', '200'])
  assert.match(bench.flow.sent[0] ?? '', /\r\nTo: <sip:bob@example\.net>;tag=[0-9a-f]+\r\n/)
  assert.is(bench.errors.length, 2)
  bench.receive('ACK')
  bench.clock.advance(32_000)
  assert.ok(bench.idle)
})

Index('does not mind that a request, ACK or response meets a core that throws', () => {
  const bench = new TransactionBench()
  bench.onStray = () => {
    throw new Error('core')
  }
  bench.receive('ACK')
  bench.transactions.receive(createResponse(makeRequest('OPTIONS'), 200), bench.flow)
  assert.is(bench.errors.length, 2)
})

Index('works without anyone to report errors to', () => {
  const bench = new TransactionBench('udp', {}, false)
  bench.onStray = () => {
    throw new Error('core')
  }
  bench.receive('ACK')
  assert.is(bench.errors.length, 0)
})

Index('stopped, ends all without a word, and neither hears nor sends anything afterwards', () => {
  const bench = new TransactionBench()
  const clients = ['INVITE', 'INVITE', 'OPTIONS'].map((method) => bench.open(method))
  const first = clients[0]
  assert.ok(first)
  bench.answer(first.tx, 180)
  first.tx.cancel()
  const servers = [
    bench.accept('INVITE', { via: via('z9hG4bKa') }),
    bench.accept('INVITE', { via: via('1') }),
    bench.accept('OPTIONS', { via: via('z9hG4bKc') }),
  ]
  for (const [i, status] of [200, 486, 200].entries()) {
    const server = servers[i]
    assert.ok(server && bench.respond(server.tx, status))
  }
  assert.is(bench.transactions.count, 7)
  const sent = bench.flow.sent.length
  bench.transactions.stop()
  assert.ok(bench.idle)
  for (const { tx, user } of clients) {
    assert.is(tx.state, 'terminated')
    assert.equal(
      user.heard.filter((what) => what !== 180),
      [],
    )
    assert.not(tx.cancel())
    bench.answer(tx, 200)
  }
  for (const { tx, user } of servers) {
    assert.is(tx.state, 'terminated')
    assert.equal(user.heard, [])
    assert.not(bench.respond(tx, 500))
    assert.not(tx.retransmit2xx(createResponse(tx.request, 200)))
  }
  bench.receive('OPTIONS')
  bench.receive('ACK')
  const { tx, user } = bench.open('OPTIONS')
  assert.is(tx.state, 'terminated')
  assert.equal(user.heard, [])
  bench.clock.advance(200_000)
  assert.is(bench.flow.sent.length, sent)
  assert.equal(bench.strays, [])
  assert.is(bench.requests.length, 3)
  assert.ok(bench.idle)
})

Index('may be stopped by a user it is telling something', () => {
  const bench = new TransactionBench()
  const { user } = bench.open('OPTIONS')
  bench.open('INVITE')
  bench.accept('INVITE')
  user.then = () => bench.transactions.stop()
  bench.clock.advance(32_000)
  assert.is(user.heard[0], 'timedOut')
  assert.ok(bench.idle)
})

Index('counts what has not ended', () => {
  const bench = new TransactionBench()
  bench.open('OPTIONS')
  const { tx } = bench.accept('INVITE')
  assert.is(bench.transactions.count, 2)
  bench.respond(tx, 200)
  assert.is(bench.transactions.count, 2)
  bench.clock.advance(32_000)
  assert.is(bench.transactions.count, 0)
})

Index('refuses timers of no length: repeats would have no end', () => {
  for (const key of ['t1Ms', 't2Ms', 't4Ms', 't1x64Ms', 'timerCMs', 'timerDMs'] as const)
    for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => new TransactionBench('udp', { [key]: value }), new RegExp(key))
})

Index.run()
