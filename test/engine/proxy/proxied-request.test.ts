import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SipRequest, SipResponse } from '../../../src/engine/message/message.js'
import { parseUri, type SipUri } from '../../../src/engine/message/uri.js'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { CoreHarness, nothingLeft } from '../../support/core-harness.js'

const Proxied = suite('A proxied request')

const CALLER = '198.51.100.7'
const [B, C] = ['198.51.100.8', '198.51.100.9']

interface Parts {
  readonly method?: string
  readonly uri?: string
  readonly branch?: string
  readonly toTag?: string
  readonly cseq?: number
  readonly more?: readonly string[]
}

function request(parts: Parts = {}): string[] {
  const { method = 'INVITE', uri = 'sip:bob@example.com', branch = 'z9hG4bKa', toTag, cseq = 1, more = [] } = parts
  return [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP ${CALLER}:5060;branch=${branch}`,
    'Max-Forwards: 70',
    'From: <sip:ann@example.com>;tag=a1',
    `To: <sip:bob@example.com>${toTag === undefined ? '' : `;tag=${toTag}`}`,
    'Call-ID: call-1',
    `CSeq: ${cseq} ${method}`,
    `Contact: <sip:ann@${CALLER}:5060>`,
    ...more,
  ]
}

/** A request that the application has proxied to these destinations. */
class Proxy {
  readonly harness = new CoreHarness()
  readonly finals: number[] = []
  done = 0
  refusal: string | undefined

  async start(
    options: Parameters<CoreHarness['proxy']>[1],
    lines = request(),
    harness: CoreHarness = this.harness,
  ): Promise<this> {
    harness.receive(lines, harness.flow('udp', CALLER, 5060))
    this.refusal = await harness.proxy(harness.app.last().txnId, options, {
      final: ({ status }) => this.finals.push(status),
      done: () => (this.done += 1),
    })
    return this
  }

  /** Requests sent to a destination. */
  at(address: string): SipRequest[] {
    return this.harness.sent
      .filter(({ to }) => to.includes(`:${address}:`))
      .flatMap(({ message }) => (message.kind === 'request' ? [message] : []))
  }

  /** A destination answers what it got; by default the newest INVITE. */
  async answer(
    address: string,
    status: number,
    more: readonly string[] = [],
    of?: SipRequest,
    tag = 't1',
  ): Promise<void> {
    const asked =
      of ??
      this.at(address)
        .filter(({ method }) => method !== 'CANCEL' && method !== 'ACK')
        .at(-1)!
    this.harness.receive(
      [
        `SIP/2.0 ${status} Whatever`,
        ...asked.headers.getAll('via').map((via) => `Via: ${via}`),
        ...asked.headers.getAll('record-route').map((route) => `Record-Route: ${route}`),
        `From: ${asked.headers.get('from')}`,
        `To: ${asked.headers.get('to')}${status === 100 || asked.toTag !== '' ? '' : `;tag=${tag}`}`,
        `Call-ID: ${asked.callId}`,
        `CSeq: ${asked.headers.get('cseq')}`,
        ...(status < 300 ? [`Contact: <sip:bob@${address}:5060>`] : []),
        ...more,
      ],
      this.harness.flow('udp', address, 5060),
    )
    await turn()
  }

  /** Responses the caller got, 100 aside. */
  get toCaller(): SipResponse[] {
    return this.harness.sent
      .filter(({ to }) => to.includes(`:${CALLER}:`))
      .flatMap(({ message }) => (message.kind === 'response' && message.status !== 100 ? [message] : []))
  }

  get statuses(): number[] {
    return this.toCaller.map(({ status }) => status)
  }

  /** The caller's ACK to a refusal. */
  ack(): void {
    const tag = this.toCaller.at(-1)!.toTag
    this.harness.receive(request({ method: 'ACK', toTag: tag }), this.harness.flow('udp', CALLER, 5060))
  }

  async nothingLeft(): Promise<void> {
    this.harness.clock.advance(400_000)
    await turn()
    this.harness.clock.advance(400_000)
    assert.equal(this.harness.leftovers(), nothingLeft)
    assert.is(this.harness.core.proxyCount, 0)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const to = (address: string): string => `sip:${address}:5060`

Proxied(
  'keeps headers, body and Request-URI, takes one hop, and adds its Via and what the application adds',
  async () => {
    const proxy = await new Proxy().start({
      destinations: [to(B)],
      text: readAppText('INVITE x SIP/2.0\r\nX-Color: blue\r\nRoute: <sip:evil>\r\nFrom: <sip:x@y>\r\n\r\n'),
    })
    const [sent] = proxy.at(B)
    assert.is(sent!.uri, 'sip:bob@example.com')
    assert.equal(
      ['max-forwards', 'x-color', 'route', 'from', 'record-route'].map((name) => sent!.headers.get(name)),
      ['69', 'blue', undefined, '<sip:ann@example.com>;tag=a1', undefined],
    )
    assert.is(sent!.headers.getAll('via').length, 2)
    assert.is(sent!.topVia.host, '192.0.2.1')
    await proxy.answer(B, 486)
    proxy.ack()
    proxy.nothingLeft()
  },
)

Proxied('has the destination as Request-URI where the caller named us', async () => {
  const proxy = await new Proxy().start(
    { destinations: [`sip:bob@${B};transport=udp`] },
    request({ uri: 'sip:bob@192.0.2.1' }),
  )
  assert.is(proxy.at(B)[0]!.uri, `sip:bob@${B};transport=udp`)
  await proxy.nothingLeft()
})

Proxied('[10.1/15] [10.2/11] removes a preloaded Route that names us, and no other', async () => {
  const route = 'Route: <sip:192.0.2.1;lr>, <sip:next.example.com;lr>'
  const proxy = await new Proxy().start({ destinations: [to(B)] }, request({ more: [route] }))
  assert.equal(proxy.at(B)[0]!.headers.getAll('route'), ['<sip:next.example.com;lr>'])
  await proxy.nothingLeft()
})

Proxied(
  'hands provisional responses and the 200 to the caller without our Via, and repeats of the 200 too',
  async () => {
    const proxy = await new Proxy().start({ destinations: [to(B)] })
    await proxy.answer(B, 100)
    await proxy.answer(B, 183)
    await proxy.answer(B, 200)
    await proxy.answer(B, 200)
    assert.equal(proxy.statuses, [183, 200, 200])
    assert.equal(proxy.toCaller[1]!.headers.getAll('via').length, 1)
    assert.is(proxy.toCaller[1]!.toTag, 't1')
    assert.equal([proxy.finals, proxy.done], [[200], 1])
    proxy.nothingLeft()
  },
)

Proxied(
  '[10.1/13] [10.2/11] tries one after the other and gives the best of the failures: 4xx before 5xx',
  async () => {
    const proxy = await new Proxy().start({ destinations: [to(B), to(C)] })
    assert.is(proxy.at(C).length, 0)
    await proxy.answer(B, 486)
    assert.is(proxy.at(B).at(-1)!.method, 'ACK')
    await proxy.answer(C, 500)
    assert.equal([proxy.statuses, proxy.finals, proxy.done], [[486], [486, 500], 1])
    proxy.ack()
    proxy.nothingLeft()
  },
)

Proxied(
  'rings all at once; the first 200 cancels the others, and a 200 that crosses goes to the caller too',
  async () => {
    const proxy = await new Proxy().start({ destinations: [to(B), to(C)], simultaneous: true })
    await proxy.answer(B, 180)
    await proxy.answer(C, 180)
    await proxy.answer(C, 200, [], undefined, 't2')
    assert.is(proxy.at(B).at(-1)!.method, 'CANCEL')
    await proxy.answer(B, 200)
    assert.equal(
      proxy.toCaller.filter(({ status }) => status === 200).map(({ toTag }) => toTag),
      ['t2', 't1'],
    )
    assert.equal([proxy.finals, proxy.done], [[200], 1])
    proxy.nothingLeft()
  },
)

Proxied('of a 6xx nobody else is asked, and who rings is cancelled', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B), to(C)], simultaneous: true })
  await proxy.answer(B, 180)
  await proxy.answer(C, 603)
  const cancel = proxy.at(B).at(-1)!
  assert.is(cancel.method, 'CANCEL')
  await proxy.answer(B, 487)
  assert.equal(proxy.statuses, [180, 603])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('ends the search at a challenge and gives the caller every challenge there was', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B), to(C)], simultaneous: true })
  await proxy.answer(B, 401, ['WWW-Authenticate: Digest realm="b", nonce="n1"'])
  await proxy.answer(C, 407, ['Proxy-Authenticate: Digest realm="c", nonce="n2"'])
  const [challenge] = proxy.toCaller
  assert.is(challenge!.status, 401)
  assert.equal(challenge!.headers.getAll('proxy-authenticate'), ['Digest realm="c", nonce="n2"'])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('takes a request with credentials for a challenge to who made it, whatever the application says', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] })
  await proxy.answer(B, 401, ['WWW-Authenticate: Digest realm="b", nonce="n1"'])
  proxy.ack()
  const credentials = 'Authorization: Digest username="ann", realm="b", nonce="n1", uri="sip:b", response="0"'
  await proxy.start({ destinations: [to(C)] }, request({ cseq: 2, branch: 'z9hG4bKb', more: [credentials] }))
  assert.equal([proxy.at(B).filter(({ method }) => method === 'INVITE').length, proxy.at(C).length], [2, 0])
  await proxy.nothingLeft()
})

Proxied('follows a redirect to its best Contact when asked to, and hands it on when not', async () => {
  const contacts = [`Contact: <sip:low@192.0.2.99>;q=0.1, <sip:bob@${C}:5060>;q=0.9`]
  const proxy = await new Proxy().start({ destinations: [to(B)], followRedirects: true })
  await proxy.answer(B, 302, contacts)
  assert.is(proxy.at(C).length, 1)
  await proxy.answer(C, 200)
  assert.equal([proxy.statuses, proxy.finals], [[200], [302, 200]])
  const other = await new Proxy().start({ destinations: [to(B)] })
  await other.answer(B, 302, contacts)
  assert.equal(other.statuses, [302])
  other.ack()
  await proxy.nothingLeft()
  await other.nothingLeft()
})

Proxied(
  'leaves a destination that is silent past the provisional time, and hangs up what it answers later',
  async () => {
    const proxy = await new Proxy().start({
      destinations: [to(B), to(C)],
      provisionalTimeoutMs: 1_000,
      recordRoute: true,
    })
    const [silent] = proxy.at(B)
    proxy.harness.clock.advance(1_000)
    await turn()
    assert.is(proxy.at(C).length, 1)
    await proxy.answer(C, 486)
    proxy.ack()
    await proxy.answer(B, 200, [], silent)
    const after = proxy.at(B).map(({ method }) => method)
    assert.equal(after.slice(-2), ['ACK', 'BYE'])
    assert.not.ok(proxy.at(B).at(-1)!.headers.has('route'), 'not back to us')
    assert.equal([proxy.statuses, proxy.done], [[486], 1])
    proxy.harness.receive([
      'SIP/2.0 200 OK',
      ...proxy
        .at(B)
        .at(-1)!
        .headers.getAll('via')
        .map((via) => `Via: ${via}`),
      'From: <sip:ann@example.com>;tag=a1',
      'To: <sip:bob@example.com>;tag=t1',
      'Call-ID: call-1',
      `CSeq: ${proxy.at(B).at(-1)!.headers.get('cseq')}`,
    ])
    proxy.nothingLeft()
  },
)

Proxied('cancels a destination that rings past the final time and goes on to the next', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B), to(C)], finalTimeoutMs: 5_000 })
  await proxy.answer(B, 180)
  proxy.harness.clock.advance(5_000)
  assert.is(proxy.at(B).at(-1)!.method, 'CANCEL')
  await proxy.answer(B, 487)
  await proxy.answer(C, 180)
  await proxy.answer(C, 200)
  assert.equal(proxy.statuses, [180, 180, 200])
  await proxy.nothingLeft()
})

Proxied(
  "a caller's CANCEL is answered, goes to who rings, and ends in 487; the application hears only that it is done",
  async () => {
    const proxy = await new Proxy().start({ destinations: [to(B)] })
    await proxy.answer(B, 180)
    proxy.harness.receive(request({ method: 'CANCEL' }), proxy.harness.flow('udp', CALLER, 5060))
    assert.equal([proxy.statuses, proxy.at(B).at(-1)!.method], [[180, 200], 'CANCEL'])
    await proxy.answer(B, 487)
    assert.equal([proxy.statuses, proxy.done], [[180, 200, 487], 1])
    assert.is(proxy.harness.app.requests('CANCEL').length, 0)
    proxy.ack()
    proxy.nothingLeft()
  },
)

Proxied('a CANCEL while nobody has answered ends it at once, and the application hears of that', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B), to(C)] })
  proxy.harness.receive(request({ method: 'CANCEL' }), proxy.harness.flow('udp', CALLER, 5060))
  await turn()
  assert.equal([proxy.statuses, proxy.done, proxy.at(C).length], [[200, 487], 1, 0])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('nobody answers: 408 to an INVITE, nothing to another request (RFC 4320 4.2)', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] })
  proxy.harness.clock.advance(32_000)
  await turn()
  assert.equal([proxy.statuses, proxy.done], [[408], 1])
  const other = await new Proxy().start({ destinations: [to(B)] }, request({ method: 'OPTIONS' }))
  other.harness.clock.advance(32_000)
  await turn()
  assert.equal([other.statuses, other.done], [[], 1])
  proxy.ack()
  await proxy.nothingLeft()
  await other.nothingLeft()
})

Proxied('a 503 stays here: the caller gets 500 without Retry-After (RFC 3261 16.7 step 6)', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] })
  await proxy.answer(B, 503, ['Retry-After: 60'])
  assert.equal([proxy.statuses, proxy.finals], [[500], [503]])
  assert.not.ok(proxy.toCaller[0]!.headers.has('retry-after'))
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('[10.1/18] answers 500 and NOK when no contact has the transport of any destination', async () => {
  const harness = new CoreHarness()
  harness.protocols.delete('udp')
  const proxy = await new Proxy().start({ destinations: [`sip:${B};transport=udp`] }, request(), harness)
  assert.is(proxy.refusal, 'error proxying request to ')
  assert.is(harness.sentResponses(500).length, 1)
})

Proxied('[10.1/17] goes by TCP when there is no UDP and none was asked for', async () => {
  const harness = new CoreHarness()
  harness.protocols.delete('udp')
  await new Proxy().start({ destinations: [to(B)] }, request(), harness)
  assert.ok(harness.sent.some(({ to: where }) => where === `tcp:${B}:5060`))
  harness.core.stop()
})

Proxied('[10.1/16] goes by the transport that a destination names', async () => {
  const proxy = await new Proxy().start({ destinations: [`${to(B)};transport=tcp`] })
  assert.ok(proxy.harness.sent.some(({ to: where }) => where === `tcp:${B}:5060`))
  proxy.harness.core.stop()
})

Proxied('waits for names to be resolved; a CANCEL meanwhile ends it with nothing sent', async () => {
  const proxy = new Proxy()
  proxy.harness.targets = [{ protocol: 'udp', address: B, port: 5060 }]
  const started = proxy.start({ destinations: ['sip:b.example.com', 'sip:c.example.com'], simultaneous: true })
  proxy.harness.receive(request({ method: 'CANCEL' }), proxy.harness.flow('udp', CALLER, 5060))
  await started
  assert.equal([proxy.statuses, proxy.at(B).length, proxy.done], [[200, 487], 0, 1])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('refuses a request that has no hops left with 483, and says so', async () => {
  const lines = request().map((line) => (line.startsWith('Max-Forwards') ? 'Max-Forwards: 0' : line))
  const proxy = await new Proxy().start({ destinations: [to(B)] }, lines)
  assert.match(proxy.refusal ?? '', '483')
  assert.equal(proxy.statuses, [483])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('refuses an id it does not know, one that was answered, and one that is proxied already', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] })
  const { txnId } = proxy.harness.app.last()
  for (const id of ['nonsense', txnId])
    assert.match((await proxy.harness.proxy(id, { destinations: [to(C)] })) ?? '', /^Unknown transaction id/)
  assert.not.ok(proxy.harness.respond(txnId, 200).ok, 'nor can it be answered any more')
  await proxy.nothingLeft()
})

Proxied('does not send to ourselves', async () => {
  const proxy = await new Proxy().start({ destinations: ['sip:192.0.2.1:5060'] })
  assert.equal([proxy.statuses, proxy.refusal], [[500], 'error proxying request to '])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('goes on when its application vanishes', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] })
  proxy.harness.app.open = false
  proxy.harness.core.appGone(proxy.harness.app)
  await proxy.answer(B, 200)
  assert.equal(proxy.statuses, [200])
  await proxy.nothingLeft()
})

Proxied('a REGISTER gets a Path and requires it in place of Record-Route (RFC 3327)', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)], recordRoute: true }, request({ method: 'REGISTER' }))
  const [sent] = proxy.at(B)
  assert.equal(
    ['path', 'require', 'record-route'].map((name) => sent!.headers.get(name)),
    ['<sip:192.0.2.1:5060;lr>', 'path', undefined],
  )
  await proxy.nothingLeft()
})

Proxied(
  '[10.1/14] stays in the path with Record-Route: ACK, re-INVITE and BYE of both sides pass through without a trace',
  async () => {
    const proxy = await new Proxy().start({ destinations: [to(B)], recordRoute: true })
    assert.is(proxy.at(B)[0]!.headers.get('record-route'), '<sip:192.0.2.1:5060;lr>')
    await proxy.answer(B, 200)
    const routed = ['Route: <sip:192.0.2.1:5060;lr>']
    const uri = `sip:bob@${B}:5060`
    const send = (method: string, cseq: number): SipRequest => {
      proxy.harness.receive(
        request({ method, uri, toTag: 't1', cseq, branch: `z9hG4bK${method}`, more: routed }),
        proxy.harness.flow('udp', CALLER, 5060),
      )
      return proxy.at(B).at(-1)!
    }
    const ack = send('ACK', 1)
    assert.equal([ack.method, ack.uri, ack.maxForwards, ack.headers.has('route')], ['ACK', uri, 69, false])
    const bye = send('BYE', 2)
    assert.is(bye.method, 'BYE')
    const branch = bye.topVia.params.get('branch')
    assert.is(send('BYE', 2).topVia.params.get('branch'), branch, 'a repeat has the same branch')
    const before = proxy.toCaller.length
    await proxy.answer(B, 200, [], bye)
    assert.equal([proxy.toCaller.length, proxy.toCaller.at(-1)!.cseq.method], [before + 1, 'BYE'])
    assert.is(proxy.harness.app.requests('BYE').length, 0)
    proxy.nothingLeft()
  },
)

Proxied('a response with a branch that was not made here for that Via goes nowhere', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)], recordRoute: true })
  await proxy.answer(B, 200)
  proxy.harness.receive(
    request({ method: 'BYE', uri: `sip:bob@${B}`, toTag: 't1', cseq: 2, more: ['Route: <sip:192.0.2.1;lr>'] }),
    proxy.harness.flow('udp', CALLER, 5060),
  )
  const bye = proxy.at(B).at(-1)!
  const sent = proxy.harness.sent.length
  const [own] = bye.headers.getAll('via')
  for (const via of ['SIP/2.0/UDP 203.0.113.66:9;branch=z9hG4bKa', `SIP/2.0/UDP ${CALLER}:5060;branch=z9hG4bKx`])
    proxy.harness.receive([
      'SIP/2.0 200 OK',
      `Via: ${own}`,
      `Via: ${via}`,
      'From: <sip:ann@example.com>;tag=a1',
      'To: <sip:bob@example.com>;tag=t1',
      'Call-ID: call-1',
      'CSeq: 2 BYE',
    ])
  assert.is(proxy.harness.sent.length, sent)
  await proxy.nothingLeft()
})

Proxied('an in-dialog request with no hops left gets 483, one to nowhere 503; an ACK gets nothing', async () => {
  const harness = new CoreHarness()
  const flow = harness.flow('udp', CALLER, 5060)
  const routed = { uri: `sip:bob@${B};transport=sctp`, toTag: 't9', more: ['Route: <sip:192.0.2.1;lr>'] }
  harness.receive(request({ method: 'BYE', ...routed }), flow)
  harness.receive(request({ method: 'ACK', ...routed }), flow)
  harness.receive(
    request({ method: 'INFO', ...routed }).map((line) => (line.startsWith('Max-') ? 'Max-Forwards: 0' : line)),
    flow,
  )
  assert.equal(
    harness.sent.map(({ message }) => message.kind === 'response' && message.status),
    [503, 483],
  )
  assert.equal(harness.leftovers(), nothingLeft)
})

Proxied(
  'is over when its one destination is silent while the name of the other is looked up, and has no address',
  async () => {
    const proxy = new Proxy()
    proxy.harness.namesTakeMs = 40_000
    const started = proxy.start({ destinations: [to(B), 'sip:bob@nowhere.example'], simultaneous: true })
    await turn()
    proxy.harness.clock.advance(39_000)
    await turn()
    proxy.harness.clock.advance(1_000)
    await started
    assert.equal(proxy.statuses, [408])
    assert.is(proxy.done, 1)
    proxy.ack()
    await proxy.nothingLeft()
  },
)

Proxied('goes by the outbound proxy, whatever its destinations are', async () => {
  const harness = new CoreHarness({ settings: { outboundProxy: parseUri(`sip:${C}:5070`) as SipUri } })
  await new Proxy().start({ destinations: [to(B)] }, request(), harness)
  assert.is(harness.sent.at(-1)?.to, `udp:${C}:5070`)
})

Proxied('a Request-URI that becomes the destination is a URI, however the destination is written', async () => {
  for (const [destination, uri] of [
    [`${B}:5060`, `sip:${B}:5060`],
    [`sip:bob@${B}:5060;method=BYE?Subject=x`, `sip:bob@${B}:5060`],
  ] as const) {
    const proxy = await new Proxy().start({ destinations: [destination] }, request({ uri: 'sip:bob@192.0.2.1' }))
    assert.is(proxy.at(B)[0]?.uri, uri)
    await proxy.nothingLeft()
  }
})

Proxied('asks the Contact of a redirect for whom it names, and once (RFC 3261 16.5, 16.6 step 2)', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)], followRedirects: true, simultaneous: true })
  await proxy.answer(B, 302, [`Contact: <sip:carol@${C}:5060?Subject=x>, <sip:carol@${C}:5060?Subject=x>`])
  assert.equal(
    proxy.at(C).map(({ uri }) => uri),
    [`sip:carol@${C}:5060`],
  )
  await proxy.answer(C, 486)
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('refuses what wants an extension of every proxy with 420, and says so (RFC 3261 16.3 step 5)', async () => {
  const proxy = await new Proxy().start({ destinations: [to(B)] }, request({ more: ['Proxy-Require: foo'] }))
  assert.equal([proxy.statuses, proxy.toCaller[0]?.headers.get('unsupported')], [[420], 'foo'])
  assert.match(proxy.refusal ?? '', '420')
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('a fault of ours on the way is answered 500 and leaves nothing', async () => {
  const proxy = new Proxy()
  proxy.harness.receive(request(), proxy.harness.flow('udp', CALLER, 5060))
  const text = { startLine: '', headers: undefined as never, body: '' }
  const failed = await proxy.harness.proxy(proxy.harness.app.last().txnId, { destinations: [to(B)], text }).then(
    () => false,
    () => true,
  )
  assert.equal([failed, proxy.statuses], [true, [500]])
  proxy.ack()
  await proxy.nothingLeft()
})

Proxied('nothing is begun when the name of a destination is found after the end of the engine', async () => {
  const proxy = new Proxy()
  proxy.harness.namesTakeMs = 1_000
  proxy.harness.targets = [{ protocol: 'udp', address: C, port: 5060 }]
  const started = proxy.start({ destinations: ['sip:bob@late.example'], provisionalTimeoutMs: 5_000 })
  await turn()
  proxy.harness.core.stop()
  proxy.harness.clock.advance(1_000)
  await started
  assert.equal([proxy.at(C).length, proxy.harness.clock.pending], [0, 0])
})

Proxied('hangs up an answer that crosses the CANCEL for a caller whose connection is gone', async () => {
  const proxy = new Proxy()
  const { harness } = proxy
  const flow = harness.flow('tcp', CALLER, 5060)
  harness.receive(request(), flow)
  await harness.proxy(harness.app.last().txnId, { destinations: [to(B)] })
  harness.unreachable.add(`tcp:${CALLER}:5060`)
  harness.close(flow)
  await proxy.answer(B, 180)
  harness.clock.advance(1)
  await proxy.answer(B, 200, [], proxy.at(B)[0])
  assert.equal(
    proxy.at(B).map(({ method }) => method),
    ['INVITE', 'CANCEL', 'ACK', 'BYE'],
  )
  await proxy.nothingLeft()
})

Proxied('its Record-Route is a sips: URI on TLS when the Request-URI is one (RFC 3261 16.6 step 4)', async () => {
  for (const [uri, route] of [
    ['sips:bob@example.com', '<sips:192.0.2.1:5060;lr>'],
    ['sip:bob@example.com', '<sip:192.0.2.1:5060;transport=tls;lr>'],
  ] as const) {
    const { harness } = new Proxy()
    harness.protocols.add('tls')
    harness.receive(request({ uri }), harness.flow('tls', CALLER, 5061))
    const destinations = [`sip:${B}:5061;transport=tls`]
    await harness.proxy(harness.app.last().txnId, { destinations, recordRoute: true })
    assert.equal(harness.sentRequests('INVITE')[0]?.headers.getAll('record-route'), [route])
  }
})

Proxied.run()
