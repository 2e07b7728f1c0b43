import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { followUp, inviteText, nextMessage, openUdp, type SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import { type SrfDialog, type SrfMessage, type SrfReply, type Station, startStation } from '../support/srf-app.js'

const Messages = suite('What the unmodified drachtio-srf writes and reads')

const HOST = '127.0.0.1'
const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')
const timers = { t1Ms: 10, t2Ms: 80, t4Ms: 100 }

let caller: Station
let middle: Station
let peer: SipPeer

Messages.before.each(async () => {
  ;[caller, middle] = await Promise.all([startStation({ timers }), startStation({ timers })])
  peer = await openUdp(HOST, { address: HOST, port: middle.port })
})

Messages.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    [caller, middle].every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  peer.close()
  await Promise.all([caller.stop(), middle.stop()])
})

const invited = (station: Station): Promise<{ req: SrfMessage; res: SrfReply }> =>
  new Promise((resolve) => station.app.invite((req, res) => resolve({ req, res })))

/** Sends the peer's INVITE to the middle; its final answer, acknowledged. */
async function answerTo(text: string): Promise<SipText> {
  peer.send(text)
  const final = await nextMessage(peer, 'the final answer', ({ status }) => status >= 200)
  peer.send(followUp(text, 'ACK', final))
  return final
}

const inviteOf = (headers: string[] = [], number = 'bob'): string =>
  inviteText({ from: peer.local, target: { address: HOST, port: middle.port }, protocol: 'udp', number, headers }).text

const failureOf = (call: Promise<unknown>): Promise<{ status?: number; message: string }> =>
  call.then(
    () => assert.unreachable('it should have failed') as never,
    (error: { status?: number; message: string }) => error,
  )

/** The peer answers the newest INVITE it was sent. */
function answerAsPeer(invite: SipText, status: string, more: readonly string[] = [], body = ANSWER): void {
  const lines = [
    `SIP/2.0 ${status}`,
    ...invite.all('via').map((via) => `Via: ${via}`),
    `From: ${invite.header('from')}`,
    `To: ${invite.header('to')};tag=peer`,
    `Call-ID: ${invite.callId}`,
    `CSeq: ${invite.header('cseq')}`,
    ...more,
    ...(body === '' ? [] : ['Content-Type: application/sdp']),
    `Content-Length: ${body.length}`,
  ]
  peer.send(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** The middle joins a call with the callee, and hangs up there when its caller does. Settles when it is joined. */
function bridging(callee: Station, options: object): Promise<void> {
  return new Promise((resolve, reject) =>
    middle.app.invite((req, res) => {
      middle.app.createB2BUA(req, res, callee.uri('bob'), options).then(({ uas, uac }) => {
        uas.on('destroy', () => void uac.destroy())
        resolve()
      }, reject)
    }),
  )
}

Messages(
  '[10.1/9] an illegal user part in the Request-URI is refused, and the caller of the B2BUA gets 500',
  async () => {
    const odd = '-TXDOT-R/SREG%26LPR***PEND?-CLOSE'
    const incoming = invited(middle)
    const final = answerTo(inviteOf([], odd))
    const { req, res } = await incoming
    assert.is(req.uri, `sip:${odd}@${HOST}:${middle.port}`, 'odd, but legal')
    for (const user of ['a%zz', 'a"b', 'a<b>']) {
      const failure = await new Promise<string | undefined>((resolve) =>
        middle.app.request(`sip:${user}@${HOST}:9`, { method: 'OPTIONS' }, (error) => resolve(error?.message)),
      )
      assert.match(failure ?? 'none', /^invalid request-uri/, user)
    }
    const failure = await failureOf(middle.app.createB2BUA(req, res, `sip:a%zz@${HOST}:9`, {}))
    assert.match(failure.message, /invalid request-uri/)
    assert.is((await final).status, 500)
  },
)

Messages(
  '[10.4/3] [10.4/14] localhost in Contact and From is our address: calling number, default and explicit Contact',
  async () => {
    const seen: SrfMessage[] = []
    middle.app.invite((req, res) => {
      seen.push(req)
      void middle.app.createUAS(req, res, { localSdp: ANSWER, headers: { Contact: 'sip:foo@localhost' } })
    })
    const here = `${HOST}:${caller.port}`
    for (const [options, contact, from] of [
      [{}, `<sip:${here}>`, `<sip:${here}>`],
      [{ callingNumber: '15551000' }, `<sip:15551000@${here}>`, `<sip:15551000@${here}>`],
      [{ callingNumber: '1', callingName: 'Ann B' }, `"Ann B" <sip:1@${here}>`, `"Ann B" <sip:1@${here}>`],
      [{ headers: { Contact: 'sip:foo@localhost' } }, `<sip:foo@${here}>`, `<sip:${here}>`],
      [{ headers: { contact: '<sip:bar@192.0.2.9:5070>' } }, '<sip:bar@192.0.2.9:5070>', `<sip:${here}>`],
    ] as const) {
      const dialog = await caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER, ...structuredClone(options) })
      const req = seen.at(-1)
      assert.is(req?.get('contact'), contact)
      assert.is(req?.get('from')?.split(';tag=')[0], from)
      const { res } = dialog as unknown as { res: SrfMessage }
      assert.match(res.get('contact') ?? '', new RegExp(`^<sip:foo@${HOST}:${middle.port}`))
      await dialog.destroy()
    }
  },
)

Messages(
  '[10.4/4] the To tag that an application chooses is that of the dialog, in later requests of both sides too',
  async () => {
    const theirs = new Promise<SrfDialog>((resolve) =>
      middle.app.invite((req, res) => {
        const headers = { To: `${req.get('to')};tag=chosen-1` }
        void middle.app.createUAS(req, res, { localSdp: ANSWER, headers }).then(resolve)
      }),
    )
    const mine = await caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER })
    const dialog = await theirs
    assert.equal([mine.sip.remoteTag, dialog.sip.localTag], ['chosen-1', 'chosen-1'])
    mine.on('info', ((_req: SrfMessage, res: SrfReply) => res.send(200)) as never)
    assert.is((await dialog.request({ method: 'INFO' })).status, 200)
    await mine.destroy()
  },
)

Messages('[10.4/8] an INVITE and a 200 without Contact reach the application', async () => {
  middle.app.invite((req, res) => res.send(req.has('Contact') ? 488 : 400))
  assert.is((await answerTo(inviteOf().replace(/^Contact:.*\r\n/m, ''))).status, 400)

  const placed = failureOf(middle.app.createUAC(`sip:bob@${HOST}:${peer.local.port}`, { localSdp: OFFER }))
  const invite = await nextMessage(peer, 'the INVITE', ({ startLine }) => startLine.startsWith('INVITE'))
  answerAsPeer(invite, '200 OK')
  assert.is((await placed).status, 500)
  const ack = await nextMessage(peer, 'its ACK', ({ startLine }) => startLine.startsWith('ACK'))
  const bye = [
    `BYE sip:${HOST}:${middle.port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${HOST}:${peer.local.port};branch=z9hG4bK-bye`,
    'Max-Forwards: 70',
    `From: ${ack.header('to')}`,
    `To: ${ack.header('from')}`,
    `Call-ID: ${ack.callId}`,
    'CSeq: 1 BYE',
    'Content-Length: 0',
  ]
  peer.send(`${bye.join('\r\n')}\r\n\r\n`)
  await nextMessage(peer, 'the answer to BYE', (message) => message.header('cseq') === '1 BYE')
})

for (const [how, localSdpA] of [
  ['text', ANSWER],
  ['function', (sdpB: string) => sdpB.replace('4000', '4002')],
  ['promise', (sdpB: string) => Promise.resolve(sdpB.replace('4000', '4002'))],
] as const)
  Messages(`[10.4/9] a B2BUA gives its caller a session description of its own, by ${how}`, async () => {
    const callee = await startStation({ timers })
    try {
      callee.app.invite((req, res) => void callee.app.createUAS(req, res, { localSdp: OFFER }))
      const bridged = bridging(callee, { localSdpA })
      const mine = await caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER })
      assert.is(mine.remote.sdp, how === 'text' ? ANSWER : OFFER.replace('4000', '4002'))
      await bridged
      await mine.destroy()
      await eventually('it has ended', () => callee.engine.gauges().dialogs === 0)
    } finally {
      await callee.stop()
    }
  })

Messages('[10.4/23] createUAS by promise, by callback and with a body; a 503 of the application', async () => {
  const ways: Array<(req: SrfMessage, res: SrfReply) => unknown> = [
    (req, res) => middle.app.createUAS(req, res, { localSdp: ANSWER }),
    (req, res) => (middle.app.createUAS as (...args: unknown[]) => unknown)(req, res, { localSdp: ANSWER }, () => {}),
    (req, res) => middle.app.createUAS(req, res, { body: () => ANSWER }),
  ]
  let way = 0
  middle.app.invite((req, res) => (way < ways.length ? void ways[way]?.(req, res) : res.send(503)))
  for (; way < ways.length; way++) {
    const dialog = await caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER })
    assert.is(dialog.remote.sdp, ANSWER)
    await dialog.destroy()
  }
  assert.is((await failureOf(caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER }))).status, 503)
})

Messages('[10.5/2] lines of one header are joined, compact names are known, multipart bodies stay whole', async () => {
  const incoming = invited(middle)
  const part =
    '--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n3#abc ü\r\n--b1--\r\n'
  const bytes = Buffer.from(part, 'utf8').toString('latin1')
  const { text } = inviteText({
    from: peer.local,
    target: { address: HOST, port: middle.port },
    protocol: 'udp',
    number: 'bob;phone-context=x',
    headers: [
      'X-Many: one',
      'X-Many: two',
      'k: timer',
      's: hello',
      'Record-Route: <sip:192.0.2.1;lr>',
      'Record-Route: <sip:192.0.2.2;lr>',
    ],
    contentType: 'multipart/mixed;boundary=b1',
    body: 'BODY',
  })
  const compact = text
    .replace('BODY', bytes)
    .replace(/Content-Length: \d+/, `l: ${bytes.length}`)
    .replace('\r\nFrom:', '\r\nf:')
    .replace('\r\nCall-ID:', '\r\ni:')
    .replace('\r\nContact:', '\r\nm:')
  peer.send(compact)
  const { req, res } = await incoming
  assert.match(req.get('x-many') ?? '', /^one, ?two$/)
  assert.match(req.get('record-route') ?? '', /^<sip:192\.0\.2\.1;lr>, ?<sip:192\.0\.2\.2;lr>$/)
  assert.equal([req.get('supported'), req.get('subject')], ['timer', 'hello'])
  assert.match(req.get('from') ?? '', /^<sip:\+13125550199@/)
  assert.is(req.body, part)
  const { payload } = req as unknown as { payload: Array<{ type: string; content: string }> }
  assert.equal(
    payload.map(({ type }) => type),
    ['application/sdp', 'text/plain'],
  )
  res.send(486)
  const final = await nextMessage(peer, 'the 486', ({ status }) => status === 486)
  peer.send(followUp(text, 'ACK', final))
})

Messages('[10.5/2] twenty tags of 32 characters each are taken', async () => {
  const tags = Array.from({ length: 20 }, (_, i) => `${'t'.repeat(29)}-${String(i).padStart(2, '0')}`)
  const app = await middle.connect(tags)
  const hostport = await new Promise((resolve) => {
    app.options((req, res) => {
      resolve(req.receivedOn)
      res.send(200)
    })
    setTimeout(() => caller.app.request(middle.uri('a'), { method: 'OPTIONS' }, () => undefined), 50)
  })
  assert.is(hostport, `${HOST}:${middle.port}`)
})

Messages('[10.5/3] a challenge that is malformed, or lacks its header, fails that call alone', async () => {
  const challenges = ['', 'nonsense', 'Digest', 'Digest realm=', 'Digest realm="r", nonce="n', 'Basic realm="r"']
  let challenge = ''
  middle.app.invite((req, res) => {
    if (req.has('Proxy-Authorization')) return res.send(403)
    res.send(407, challenge === '' ? {} : { headers: { 'Proxy-Authenticate': challenge } })
  })
  for (challenge of challenges) {
    const options = { localSdp: OFFER, auth: { username: 'u', password: 'p' } }
    const { status } = await failureOf(caller.app.createUAC(middle.uri('bob'), options))
    assert.ok(status === 407 || status === 403, challenge)
  }
})

Messages("[10.5/4] ['all', '-X'] for requests and for responses are independent", async () => {
  const callee = await startStation({ timers })
  try {
    let seen: SrfMessage | undefined
    callee.app.invite((req, res) => {
      seen = req
      const headers = { 'X-One': '1', 'X-Two': '2', 'P-Key': 'k' }
      void callee.app.createUAS(req, res, { localSdp: ANSWER, headers })
    })
    const bridged = bridging(callee, {
      proxyRequestHeaders: ['all', '-X-One'],
      proxyResponseHeaders: ['all', '-X-Two'],
    })
    const mine = await caller.app.createUAC(middle.uri('bob'), {
      localSdp: OFFER,
      headers: { 'X-One': 'a', 'X-Two': 'b', Subject: 's' },
    })
    assert.equal([seen?.get('x-one'), seen?.get('x-two'), seen?.get('subject')], [undefined, 'b', 's'])
    const { res } = mine as unknown as { res: SrfMessage }
    assert.equal([res.get('x-one'), res.get('x-two'), res.get('p-key')], ['1', undefined, 'k'])
    await bridged
    await mine.destroy()
    await eventually('it has ended', () => callee.engine.gauges().dialogs === 0)
  } finally {
    await callee.stop()
  }
})

Messages.run()
