import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { type Asked, type FarParty, openFarParty } from '../support/far-party.js'
import { followUp, inviteText, nextMessage, openUdp, pingOver, type SipPeer } from '../support/sip-peer.js'
import { type SrfDialog, type SrfMessage, type SrfReply, type Station, startStation } from '../support/srf-app.js'

const B2bua = suite('The unmodified drachtio-srf between two far ends')

const HOST = '127.0.0.1'
const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')

let station: Station
let callee: FarParty
let caller: SipPeer
/** Messages to the caller before its call. */
let pings = 0

B2bua.before.each(async () => {
  station = await startStation({ timers: { t1Ms: 40, t2Ms: 320, t4Ms: 200 } })
  caller = await openUdp(HOST, { address: HOST, port: station.port })
})

B2bua.after.each(async () => {
  caller.close()
  callee.close()
  await station.stop()
})

/** A callee that answers as `play` says, everything else with 200. */
async function played(play: (asked: Asked) => boolean = () => false): Promise<void> {
  callee = await openFarParty((asked) => {
    const { message, reply } = asked
    if (play(asked) || message.method === 'ACK') return
    reply('200 OK', message.method === 'INVITE' ? { body: ANSWER } : {})
  })
}

type Legs = { uas: SrfDialog; uac: SrfDialog }

/** Every INVITE goes on to the callee; resolves with the first pair of legs, or with what was wrong. */
function bridging(options: object = {}): Promise<Legs | { error: { status?: number } }> {
  return new Promise((resolve) => {
    station.app.invite((req, res) => {
      station.app.createB2BUA(req, res, callee.uri, options).then(
        ({ uas, uac }) => {
          uas.on('destroy', () => void uac.destroy().catch(() => {}))
          uac.on('destroy', () => void uas.destroy().catch(() => {}))
          resolve({ uas, uac })
        },
        (error: unknown) => resolve({ error: error as { status?: number } }),
      )
    })
  })
}

const inviteWith = (headers: string[] = [], body?: string) =>
  inviteText({
    from: caller.local,
    target: { address: HOST, port: station.port },
    protocol: 'udp',
    number: 'bob',
    headers,
    ...(body === undefined ? {} : { body }),
  })

/** Waits until the engine knows what the application takes: it says so in order. */
async function routed(): Promise<void> {
  station.app.options((_req, res) => res.send(200))
  const target = { address: HOST, port: station.port }
  await eventually('the routes are known', () =>
    pingOver(caller, target, 'udp').then(
      () => true,
      () => false,
    ),
  )
  pings = caller.messages.length
}

/** Sends an INVITE once the application's route is known. */
async function ring(headers: string[] = [], body?: string): Promise<string> {
  await routed()
  const { text } = inviteWith(headers, body)
  caller.send(text)
  return text
}

const answerTo = (method: string, status = 200) =>
  nextMessage(caller, `${status} to ${method}`, (m) => m.status === status && m.method === method)

const heard = (method: string, n = 1) =>
  eventually(`${n} ${method}`, () => callee.received.filter((m) => m.status === 0 && m.method === method)[n - 1])

/** The caller hangs up, and the callee hears it. */
async function hangUp(invite: string, cseq = 2): Promise<void> {
  const ok = caller.messages.find((m) => m.status === 200 && m.method === 'INVITE')!
  caller.send(followUp(invite, 'BYE', ok).replace('CSeq: 2', `CSeq: ${cseq}`))
  await Promise.all([answerTo('BYE'), heard('BYE')])
  await eventually('nothing is left', () => station.engine.gauges().dialogs === 0)
}

B2bua(
  '[10.1/6] a Call-ID of several hundred characters is a usable dialog id; BYE of the callee reaches the caller',
  async () => {
    await played()
    const bridged = bridging()
    const callId = `${'very-long.'.repeat(40)}@far`
    const invite = inviteWith().text.replace(/Call-ID: .*/, `Call-ID: ${callId}`)
    caller.send(invite)
    caller.send(followUp(invite, 'ACK', await answerTo('INVITE')))
    const { uas } = (await bridged) as Legs
    assert.ok(uas.id.startsWith(`${callId};from-tag=`))
    callee.request(await heard('INVITE'), 'BYE', 1)
    const bye = await nextMessage(caller, 'BYE', (m) => m.status === 0 && m.method === 'BYE')
    assert.is(bye.callId, callId)
  },
)

B2bua('[10.1/7] [10.2/12] 183, 180 and 200 of the callee are relayed in order', async () => {
  await played(({ message, reply }) => {
    if (message.method !== 'INVITE') return false
    reply('183 Session Progress', { body: ANSWER })
    // Not at once: the library takes a turn longer over a response with SDP than over one without.
    setTimeout(() => reply('180 Ringing'), 20)
    setTimeout(() => reply('200 OK', { body: ANSWER }), 40)
    return true
  })
  void bridging()
  const invite = await ring()
  caller.send(followUp(invite, 'ACK', await answerTo('INVITE')))
  assert.equal(
    caller.messages.slice(pings).map(({ status }) => status),
    [100, 183, 180, 200],
  )
  await hangUp(invite)
})

B2bua(
  '[10.1/5] [10.2/12] [10.4/7] headers and UTF-8 display names pass both ways, X- names with their spelling',
  async () => {
    await played(({ message, reply }) => {
      if (message.method !== 'INVITE') return false
      reply('200 OK', { body: ANSWER, headers: ['X-From-B: ja', 'X-secret: no'] })
      return true
    })
    void bridging({
      proxyRequestHeaders: ['all', '-X-Secret'],
      proxyResponseHeaders: ['X-From-B'],
      headers: { From: '"Grüße ☎" <sip:ann@localhost>' },
    })
    const invite = await ring(['X-CamelCase-ID: 1', 'x-lower: 2', 'X-Secret: no'])
    const ok = await answerTo('INVITE')
    caller.send(followUp(invite, 'ACK', ok))
    const got = await heard('INVITE')
    const utf8 = (text: string | undefined) => Buffer.from(text ?? '', 'latin1').toString('utf8')
    assert.match(utf8(got.header('from')), new RegExp(`^"Grüße ☎" <sip:ann@${HOST}:${station.port}>;tag=`))
    assert.ok(got.raw.includes('X-CamelCase-ID: 1'))
    assert.ok(/\r\nx-lower: 2/i.test(got.raw))
    assert.not(/x-secret/i.test(got.raw))
    assert.is(ok.header('x-from-b'), 'ja')
    assert.not(/x-secret/i.test(ok.raw))
    await hangUp(invite)
  },
)

B2bua('[10.4/1] PRACK on both legs; the 200 waits for that of the caller', async () => {
  let invite: Asked | undefined
  await played((asked) => {
    if (asked.message.method === 'INVITE') {
      invite = asked
      asked.reply('183 Session Progress', { body: ANSWER, headers: ['Require: 100rel', 'RSeq: 5'] })
      return true
    }
    if (asked.message.method !== 'PRACK') return false
    asked.reply('200 OK')
    invite?.reply('200 OK', { body: ANSWER })
    return true
  })
  void bridging({ proxyResponseHeaders: ['all'], proxyRequestHeaders: ['all'] })
  const text = await ring(['Supported: 100rel'])
  const early = await answerTo('INVITE', 183)
  assert.match(early.header('require') ?? '', /100rel/)
  await heard('PRACK')
  await heard('ACK')
  assert.not(
    caller.messages.slice(pings).some((m) => m.status === 200),
    'the callee has answered, and the caller does not hear it yet',
  )
  const rack = `RAck: ${early.header('rseq')} 1 INVITE\r\nContent-Length`
  caller.send(followUp(text, 'BYE', early).replace(/BYE/g, 'PRACK').replace('Content-Length', rack))
  await answerTo('PRACK')
  caller.send(followUp(text, 'ACK', await answerTo('INVITE')))
  await hangUp(text, 3)
})

B2bua('[10.4/10] a late offer that fails at leg A ends leg B: ACK, then BYE', async () => {
  await played()
  station.app.invite((req, res) => {
    const localSdpA = (): Promise<string> => Promise.reject(new Error('not to be had'))
    station.app.createB2BUA(req, res, callee.uri, { localSdpA }).catch(() => res.send(480))
  })
  const text = await ring([], '')
  caller.send(followUp(text, 'ACK', await answerTo('INVITE', 480)))
  await heard('BYE')
  const requests = callee.received.filter(({ status }) => status === 0).map(({ method }) => method)
  assert.equal(requests, ['INVITE', 'ACK', 'BYE'])
})

B2bua(
  '[10.4/11] a re-INVITE of the callee before the ACK of the caller is kept, and both legs are re-invited in turn',
  async () => {
    await played()
    const bridged = bridging()
    void bridged.then((legs) => {
      if ('error' in legs) return
      legs.uac.on(
        'modify',
        ((req: SrfMessage, res: SrfReply) =>
          void legs.uas.modify(req.body).then((sdp) => res.send(200, { body: sdp }))) as never,
      )
    })
    const text = await ring()
    const ok = await answerTo('INVITE')
    await heard('ACK')
    const held = `${ANSWER}a=sendonly\r\n`
    callee.request(await heard('INVITE'), 'INVITE', 1, { body: held })
    await eventually('the callee is told to wait', () => callee.received.some((m) => m.status === 100))
    assert.not(
      caller.messages.some((m) => m.method === 'INVITE' && m.status === 0),
      'not before its ACK',
    )
    caller.send(followUp(text, 'ACK', ok))
    const reInvite = await nextMessage(caller, 'the re-INVITE', (m) => m.method === 'INVITE' && m.status === 0)
    assert.is(reInvite.body, held)
    const lines = reInvite.raw.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line))
    const contact = `Contact: <sip:ann@${HOST}:${caller.local.port}>`
    caller.send(
      [
        'SIP/2.0 200 OK',
        ...lines,
        contact,
        'Content-Type: application/sdp',
        `Content-Length: ${OFFER.length}`,
        '',
        OFFER,
      ].join('\r\n'),
    )
    const answer = await callee.heard('the answer', (m) => m.status === 200 && m.method === 'INVITE')
    assert.is(answer.body, OFFER)
    await nextMessage(caller, 'the ACK', (m) => m.status === 0 && m.method === 'ACK')
    await hangUp(text)
  },
)

B2bua(
  '[10.1/19] [10.2/13] [10.4/28] re-INVITE without SDP: the ACK to it reaches the application in its dialog',
  async () => {
    await played()
    const answered = new Promise<SrfDialog>((resolve) =>
      station.app.invite((req, res) => void station.app.createUAS(req, res, { localSdp: ANSWER }).then(resolve)),
    )
    const text = await ring()
    const ok = await answerTo('INVITE')
    caller.send(followUp(text, 'ACK', ok))
    const dialog = await answered
    const acks: string[] = []
    dialog.on('modify', ((_req: SrfMessage, res: SrfReply) => res.send(200, { body: ANSWER })) as never)
    await eventually('the first ACK has passed', () => station.engine.gauges().timers >= 0)
    dialog.on('ack', ((ack: SrfMessage) => acks.push(ack.body)) as never)
    const toTag = (ok.header('to') ?? '').replace(/.*;tag=/, '')
    const reInvite = text
      .replace(/branch=[^\r]*/, (branch) => `${branch}-again`)
      .replace(/(To: [^\r]*)/, `$1;tag=${toTag}`)
      .replace('CSeq: 1', 'CSeq: 2')
      .replace(/Content-Type: [^\r]*\r\n/, '')
      .replace(/Content-Length: [^]*$/, 'Content-Length: 0\r\n\r\n')
    caller.send(reInvite)
    const offered = await nextMessage(
      caller,
      'the offer',
      (m) => m.status === 200 && /^2 INVITE/.test(m.header('cseq') ?? ''),
    )
    assert.is(offered.body, ANSWER)
    const ack = followUp(text, 'ACK', ok).replace('CSeq: 1', 'CSeq: 2').replace('-ACK', '-ACK2')
    caller.send(
      ack.replace(
        'Content-Length: 0\r\n\r\n',
        `Content-Type: application/sdp\r\nContent-Length: ${OFFER.length}\r\n\r\n${OFFER}`,
      ),
    )
    await eventually('the ACK', () => acks.includes(OFFER))
    caller.send(followUp(text, 'BYE', ok).replace('CSeq: 2', 'CSeq: 3'))
    await answerTo('BYE')
  },
)

B2bua('[10.2/17] multibyte text in REGISTER and OPTIONS reaches the application', async () => {
  await played()
  const seen: Array<string | undefined> = []
  station.app.register((req, res) => {
    seen.push(req.get('from'))
    res.send(403)
  })
  station.app.options((req, res) => {
    seen.push(req.get('from'))
    res.send(200)
  })
  await eventually('the routes are known', () =>
    pingOver(caller, { address: HOST, port: station.port }, 'udp').then(
      () => true,
      () => false,
    ),
  )
  seen.length = 0
  const before = caller.messages.length
  for (const [method, status] of [
    ['REGISTER', 403],
    ['OPTIONS', 200],
  ] as const) {
    const lines = [
      `${method} sip:${HOST}:${station.port} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${caller.local.port};branch=z9hG4bK${method}`,
      'Max-Forwards: 70',
      'From: "山田太郎" <sip:yamada@far>;tag=1',
      'To: <sip:yamada@far>',
      `Call-ID: ${method}`,
      `CSeq: 1 ${method}`,
      `Contact: <sip:yamada@${HOST}:${caller.local.port}>`,
      'Content-Length: 0',
      '',
      '',
    ]
    caller.send(Buffer.from(lines.join('\r\n'), 'utf8'))
    await nextMessage(
      caller,
      `${status} to ${method}`,
      (m) => m.status === status && m.callId === method,
      5_000,
      before,
    )
  }
  assert.equal(
    seen,
    Array.from({ length: 2 }, () => '"山田太郎" <sip:yamada@far>;tag=1'),
  )
})

for (const how of ['by NOTIFY', 'by destroy'] as const)
  B2bua(`[10.4/25] [10.4/26] a SUBSCRIBE dialog: 202, NOTIFYs, ended ${how}`, async () => {
    await played()
    const subscribed = new Promise<SrfDialog>((resolve) =>
      station.app.subscribe(
        (req, res) => void station.app.createUAS(req, res, { headers: { Expires: '600' } }).then(resolve),
      ),
    )
    callee.send(
      [
        `SUBSCRIBE sip:bob@${HOST}:${station.port} SIP/2.0`,
        `Via: SIP/2.0/UDP ${callee.uri.slice(8)};branch=z9hG4bKsub`,
        'Max-Forwards: 70',
        'From: <sip:watcher@far>;tag=w1',
        `To: <sip:bob@${HOST}>`,
        'Call-ID: watch',
        'CSeq: 1 SUBSCRIBE',
        `Contact: ${callee.contact}`,
        'Event: presence',
        'Expires: 600',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
      station.port,
    )
    const dialog = await subscribed
    const accepted = await callee.heard('202', (m) => m.status === 202)
    assert.ok(accepted.header('contact'))
    const notify = (state: string) =>
      dialog.request({ method: 'NOTIFY', headers: { Event: 'presence', 'Subscription-State': state } })
    assert.is((await notify('active;expires=600')).status, 200)
    assert.is(station.engine.gauges().dialogs, 1)
    if (how === 'by destroy') await dialog.destroy()
    else assert.is((await notify('terminated;reason=noresource')).status, 200)
    const last = await heard('NOTIFY', 2)
    assert.match(last.header('subscription-state') ?? '', /^terminated/)
    assert.is(last.header('event'), 'presence')
    await eventually('the dialog is gone', () => station.engine.gauges().dialogs === 0)
  })

B2bua('[10.4/29] attended transfer: REFER in the dialog, 202, re-INVITEs of both far ends, BYEs', async () => {
  await played()
  const dialogs: SrfDialog[] = []
  station.app.invite(
    (req, res) => void station.app.createUAS(req, res, { localSdp: ANSWER }).then((d) => dialogs.push(d)),
  )
  const first = await ring()
  caller.send(followUp(first, 'ACK', await answerTo('INVITE')))
  await eventually('the first call', () => dialogs.length === 1)
  const [consulted, transferring] = [await station.app.createUAC(callee.uri, { localSdp: OFFER }), dialogs[0]!]
  const done = new Promise<void>((resolve, reject) =>
    transferring.on('refer', ((req: SrfMessage, res: SrfReply) => {
      res.send(202)
      // Replaces names the other call by Call-ID and tags.
      const [callId = '', tag = ''] =
        /<sip:[^?]*\?Replaces=([^%]*)%3Bfrom-tag%3D([^>]*)>/.exec(req.get('refer-to') ?? '')?.slice(1) ?? []
      const other = station.app.findDialogByCallIDAndFromTag(callId, tag)
      if (other !== consulted) return reject(new Error('the other dialog is not found'))
      const reInvites = [other.modify(OFFER), transferring.modify(ANSWER)]
      Promise.all(reInvites)
        .then(() => Promise.all([other.destroy(), transferring.destroy()]))
        .then(() => resolve(), reject)
    }) as never),
  )
  const answerAll = setInterval(() => {
    for (const m of caller.messages.filter(
      ({ status, method }) => status === 0 && (method === 'INVITE' || method === 'BYE'),
    )) {
      const lines = m.raw.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line))
      const body = m.method === 'INVITE' ? OFFER : ''
      const type =
        body === '' ? [] : [`Contact: <sip:ann@${HOST}:${caller.local.port}>`, 'Content-Type: application/sdp']
      caller.send(['SIP/2.0 200 OK', ...lines, ...type, `Content-Length: ${body.length}`, '', body].join('\r\n'))
    }
  }, 25)
  const ok = caller.messages.find((m) => m.status === 200 && m.method === 'INVITE')!
  const { callId, localTag } = consulted.sip
  const refer = followUp(first, 'BYE', ok).replace(/BYE/g, 'REFER')
  caller.send(
    refer.replace(
      'Content-Length',
      `Refer-To: <sip:bob@far?Replaces=${callId}%3Bfrom-tag%3D${localTag}>\r\nContent-Length`,
    ),
  )
  await answerTo('REFER', 202)
  await done
  clearInterval(answerAll)
  assert.is((await heard('INVITE', 2)).callId, callId)
  await heard('BYE')
  assert.ok(caller.messages.some((m) => m.method === 'BYE' && m.status === 0))
})

B2bua('[10.4/30] a lost 200 and a lost 503 come again under an application; a CANCEL then gets 481', async () => {
  await played()
  station.app.invite((req, res) => {
    if (req.get('x-refuse') !== undefined) return res.send(503)
    void station.app.createUAS(req, res, { localSdp: ANSWER }).catch(() => {})
  })
  const refused = await ring(['X-Refuse: yes'])
  await eventually('the 503 twice', () => caller.messages.filter(({ status }) => status === 503).length >= 2)
  caller.send(
    followUp(
      refused,
      'ACK',
      caller.messages.find(({ status }) => status === 503),
    ),
  )
  const text = await ring()
  const ok = await answerTo('INVITE')
  await eventually(
    'the 200 twice',
    () => caller.messages.filter((m) => m.status === 200 && m.method === 'INVITE').length >= 2,
  )
  caller.send(followUp(text, 'CANCEL'))
  await answerTo('CANCEL', 481)
  caller.send(followUp(text, 'ACK', ok))
  caller.send(followUp(text, 'BYE', ok))
  await answerTo('BYE')
})

B2bua.run()
