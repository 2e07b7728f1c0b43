import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { openUdp } from '../support/sip-peer.js'
import {
  closeApp,
  type SrfDialog,
  type SrfMessage,
  type SrfReply,
  type Station,
  startStation,
} from '../support/srf-app.js'

const DrachtioSrf = suite('The unmodified drachtio-srf')

const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')
const HELD = `${OFFER}a=sendonly\r\n`

let caller: Station
let middle: Station
let callee: Station

DrachtioSrf.before.each(async () => {
  ;[caller, middle, callee] = await Promise.all([startStation(), startStation(), startStation()])
})

DrachtioSrf.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    [caller, middle, callee].every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  await Promise.all([caller, middle, callee].map((station) => station.stop()))
})

const once = (dialog: SrfDialog, event: string): Promise<unknown[]> =>
  new Promise((resolve) => dialog.once(event, ((...args: unknown[]) => resolve(args)) as never))

/** The callee answers every INVITE; resolves with the dialogs it gets. */
function answering(station: Station, prepare: (req: SrfMessage, res: SrfReply) => void = () => {}): Promise<SrfDialog> {
  return new Promise((resolve) => {
    station.app.invite((req, res) => {
      prepare(req, res)
      station.app.createUAS(req, res, { localSdp: ANSWER }).then(resolve, () => {})
    })
  })
}

/** Joins the legs the way drachtio's documentation does. */
function bridging(uri: string, options: object = {}): Promise<{ uas: SrfDialog; uac: SrfDialog; error?: unknown }> {
  return new Promise((resolve) => {
    middle.app.invite((req, res) => {
      middle.app.createB2BUA(req, res, uri, options).then(
        ({ uas, uac }) => {
          uas.on('destroy', () => void uac.destroy().catch(() => {}))
          uac.on('destroy', () => void uas.destroy().catch(() => {}))
          for (const [from, to] of [
            [uas, uac],
            [uac, uas],
          ] as const)
            from.on('modify', (async (req: SrfMessage, res: SrfReply) =>
              res.send(200, { body: await to.modify(req.body) })) as never)
          resolve({ uas, uac })
        },
        (error: unknown) => resolve({ error } as never),
      )
    })
  })
}

for (const transport of ['udp', 'tcp']) {
  DrachtioSrf(`[10.2/9] UAC and UAS: a call over ${transport}, with BYE from the caller`, async () => {
    const answered = answering(callee, (_req, res) => res.send(180))
    const provisional: number[] = []
    const dialog = await caller.app.createUAC(
      callee.uri('bob', transport),
      { localSdp: OFFER },
      { cbProvisional: (res: SrfMessage) => provisional.push(res.status) },
    )
    const theirs = await answered
    assert.equal(provisional, [180])
    assert.is(dialog.remote.sdp, ANSWER)
    assert.is(theirs.remote.sdp, OFFER)
    assert.is(dialog.sip.remoteTag, theirs.sip.localTag)
    const destroyed = once(theirs, 'destroy')
    await dialog.destroy()
    assert.is((await destroyed)[1], 'normal release')
  })

  DrachtioSrf(`UAC and UAS: BYE from the callee over ${transport}, and requests both ways in the dialog`, async () => {
    const answered = answering(callee)
    const dialog = await caller.app.createUAC(callee.uri('bob', transport), { localSdp: OFFER })
    const theirs = await answered
    theirs.on('info', ((req: SrfMessage, res: SrfReply) => res.send(200, { headers: { 'X-Got': req.body } })) as never)
    assert.is(
      (await dialog.request({ method: 'INFO', headers: { 'Content-Type': 'text/plain' }, body: 'héllo ☎' })).status,
      200,
    )
    dialog.on('modify', ((_req: SrfMessage, res: SrfReply) => res.send(200, { body: HELD })) as never)
    assert.is(await theirs.modify(ANSWER), HELD)
    theirs.on('modify', ((_req: SrfMessage, res: SrfReply) => res.send(488)) as never)
    const refusal = await dialog.modify(HELD).catch((error: { status: number }) => error.status)
    assert.is(refusal, 488)
    const destroyed = once(dialog, 'destroy')
    await theirs.destroy()
    await destroyed
  })
}

DrachtioSrf('[10.2/12] B2BUA: a call through, re-INVITE both ways, BYE from either side', async () => {
  for (const hangsUp of ['caller', 'callee']) {
    const bridged = bridging(callee.uri('bob'))
    const answered = answering(callee)
    const mine = await caller.app.createUAC(middle.uri('bob'), { localSdp: OFFER })
    const [theirs] = await Promise.all([answered, bridged])
    assert.is(mine.remote.sdp, ANSWER)
    theirs.on('modify', ((_req: SrfMessage, res: SrfReply) =>
      res.send(200, { body: `${ANSWER}a=recvonly\r\n` })) as never)
    mine.on('modify', ((_req: SrfMessage, res: SrfReply) => res.send(200, { body: OFFER })) as never)
    assert.is(await mine.modify(HELD), `${ANSWER}a=recvonly\r\n`)
    assert.is(await theirs.modify(ANSWER), OFFER)
    const [first, second] = hangsUp === 'caller' ? [mine, theirs] : [theirs, mine]
    const destroyed = once(second, 'destroy')
    await first.destroy()
    await destroyed
    await Promise.all([caller, middle, callee].map((station) => station.stop()))
    ;[caller, middle, callee] = await Promise.all([startStation(), startStation(), startStation()])
  }
})

DrachtioSrf('[10.1/10] [10.2/12] [10.4/5] B2BUA: CANCEL from the caller reaches the callee', async () => {
  const bridged = bridging(callee.uri('bob'))
  const cancelled = new Promise<SrfMessage>((resolve) => {
    callee.app.invite((req, res) => {
      req.on('cancel', ((cancel: SrfMessage) => resolve(cancel)) as never)
      res.send(180)
    })
  })
  const status = await caller.app
    .createUAC(
      middle.uri('bob'),
      { localSdp: OFFER },
      {
        cbRequest: (_e: unknown, req: SrfMessage) => (invite = req),
        cbProvisional: () => invite?.cancel({ headers: { Reason: 'SIP;cause=487' } }),
      },
    )
    .catch((error: { status: number }) => error.status)
  assert.is(status, 487)
  assert.is((await cancelled).get('reason'), 'SIP;cause=487')
  assert.is(((await bridged).error as { status: number }).status, 487)
})
let invite: SrfMessage | undefined

DrachtioSrf('[10.4/6] B2BUA: a failure of the callee reaches the caller', async () => {
  const bridged = bridging(callee.uri('bob'))
  callee.app.invite((_req, res) => res.send(486, { headers: { 'Retry-After': '60' } }))
  const status = await caller.app
    .createUAC(middle.uri('bob'), { localSdp: OFFER })
    .catch((error: { status: number }) => error.status)
  assert.is(status, 486)
  assert.is(((await bridged).error as { status: number }).status, 486)
})

DrachtioSrf('[10.4/2] B2BUA: a delayed offer travels in the 200 and its answer in the ACK', async () => {
  const bridged = bridging(callee.uri('bob'))
  const answered = answering(callee)
  const offer = (await caller.app.createUAC(middle.uri('bob'), { noAck: true })) as unknown as {
    sdp: string
    ack(sdp: string): Promise<SrfDialog>
  }
  assert.is(offer.sdp, ANSWER)
  const mine = await offer.ack(OFFER)
  const [theirs] = await Promise.all([answered, bridged])
  await eventually('the answer arrives', () => theirs.remote.sdp === OFFER)
  const destroyed = once(theirs, 'destroy')
  await mine.destroy()
  await destroyed
})

DrachtioSrf(
  '[10.4/24] the 200 is repeated until the ACK; without one BYE follows and the application hears "ACK timeout"',
  async () => {
    const answered = answering(callee)
    const peer = await openUdp('127.0.0.1', { address: '127.0.0.1', port: callee.port })
    peer.send(
      [
        `INVITE sip:bob@127.0.0.1:${callee.port} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:${peer.local.port};branch=z9hG4bKnoack`,
        'Max-Forwards: 70',
        'From: <sip:ann@127.0.0.1>;tag=a1',
        'To: <sip:bob@127.0.0.1>',
        'Call-ID: no-ack',
        'CSeq: 1 INVITE',
        `Contact: <sip:ann@127.0.0.1:${peer.local.port}>`,
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    )
    const [, reason] = await once(await answered, 'destroy')
    assert.is(reason, 'ACK timeout')
    await eventually('the BYE arrives', () =>
      peer.messages.some((message) => message.startLine.startsWith('BYE sip:ann@')),
    )
    assert.ok(peer.messages.filter((message) => message.startLine.startsWith('SIP/2.0 200')).length >= 8)
    peer.close()
  },
)

DrachtioSrf(
  '[10.1/21] an application that goes away: its INVITE is answered 503, and so is the next one while there is none',
  async () => {
    callee.app.invite(() => closeApp(callee.app))
    const first = await caller.app
      .createUAC(callee.uri('bob'), { localSdp: OFFER })
      .catch((error: { status: number }) => error.status)
    const second = await caller.app
      .createUAC(callee.uri('bob'), { localSdp: OFFER })
      .catch((error: { status: number }) => error.status)
    assert.equal([first, second], [503, 503])
  },
)

DrachtioSrf(
  '[10.2/2] [10.2/3] new requests go round the applications that take the method; one that is gone is passed over',
  async () => {
    const taken: number[] = []
    const second = await callee.connect()
    const third = await callee.connect()
    ;[callee.app, second, third].forEach((app, index) =>
      app.options((_req, res) => {
        taken.push(index)
        res.send(200)
      }),
    )
    const ask = (): Promise<number> =>
      new Promise((resolve, reject) => {
        caller.app.request(callee.uri('bob'), { method: 'OPTIONS' }, (error, req) => {
          if (error || !req) return reject(error)
          req.on('response', ((res: SrfMessage) => resolve(res.status)) as never)
        })
      })
    // Let the control port read the routes before the first request arrives.
    await eventually('the routes are known', async () => (await ask()) === 200)
    for (let i = 0; i < 5; i++) assert.is(await ask(), 200)
    assert.equal([...new Set(taken)].sort(), [0, 1, 2])
    closeApp(second)
    for (let i = 0; i < 6; i++) assert.is(await ask(), 200)
  },
)

DrachtioSrf(
  '[10.4/17] [10.5/3] digest: the retry keeps Call-ID and From tag, counts CSeq up, and goes where the challenge came from',
  async () => {
    const seen: SrfMessage[] = []
    callee.app.invite((req, res) => {
      seen.push(req)
      if (!req.has('Proxy-Authorization'))
        return res.send(407, { headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="n", qop="auth"' } })
      void callee.app.createUAS(req, res, { localSdp: ANSWER })
    })
    const dialog = await caller.app.createUAC(callee.uri('bob'), {
      localSdp: OFFER,
      auth: { username: 'u', password: 'p' },
    })
    const [first, retry] = seen
    assert.is(retry?.get('call-id'), first?.get('call-id'))
    assert.is(retry?.get('from'), first?.get('from'))
    assert.is(Number.parseInt(retry?.get('cseq') ?? '', 10), Number.parseInt(first?.get('cseq') ?? '', 10) + 1)
    await dialog.destroy()
  },
)

DrachtioSrf('a next hop may say for how long it may be wholly silent; that is not on the wire', async () => {
  const silent = await openUdp('127.0.0.1', { address: '127.0.0.1', port: caller.port })
  const proxy = `sip:127.0.0.1:${silent.local.port};x-signalbox-silence=300`
  const began = performance.now()
  const outcome = await caller.app
    .createUAC(callee.uri('bob'), { localSdp: OFFER, proxy, headers: { Route: '<sip:192.0.2.9;lr>' } })
    .catch((error: unknown) => error)
  assert.is((outcome as { status?: number }).status, 408)
  assert.ok(performance.now() - began < 1_200, 'before timer B, which is 1280 ms here')
  assert.ok(silent.messages.length > 0)
  for (const { raw } of silent.messages) assert.not.match(raw, /silence|^route:/im)
  silent.close()
})

DrachtioSrf('nothing is done before authentication; a wrong secret ends the connection with NO', async () => {
  const talk = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(callee.control.port, '127.0.0.1', () => socket.write(`${text.length}#${text}`))
      let answer = ''
      socket.on('data', (chunk) => (answer += chunk))
      socket.on('close', () => resolve(answer))
    })
  assert.match(await talk('id1|route|invite'), /\|response\|id1\|NO\|not authenticated$/)
  assert.match(await talk('id2|authenticate|wrong|'), /\|response\|id2\|NO\|incorrect secret$/)
  assert.match(await talk('id3|sip||\r\nOPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\r\n'), /\|NO\|not authenticated$/)
  assert.is(await talk('no frame at all').then(() => true), true)
})

DrachtioSrf('[10.1/1] [10.2/10] errors carry the texts that clients test for', async () => {
  const failure = (uri: string, options: object): Promise<string> =>
    new Promise((resolve) => caller.app.request(uri, options, (error) => resolve(error?.message ?? 'no error')))
  assert.is(
    await failure('sip:bob@127.0.0.1:9;transport=tls', { method: 'OPTIONS' }),
    'requested protocol/transport not available',
  )
  assert.is(await failure(caller.uri('me'), { method: 'OPTIONS' }), 'can not send request to myself')
  const answered = answering(callee)
  const dialog = await caller.app.createUAC(callee.uri('bob'), { localSdp: OFFER })
  await answered
  await dialog.destroy()
  const gone = await dialog.request({ method: 'INFO' }).catch((error: { code: string }) => error.code)
  assert.is(gone, 'ENODIALOG')
})

DrachtioSrf.run()
