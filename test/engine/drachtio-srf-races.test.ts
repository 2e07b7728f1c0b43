import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { followUp, inviteText, listenTcp, nextMessage, openTcp, openUdp, type SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import {
  closeApp,
  type SrfDialog,
  type SrfMessage,
  type SrfReply,
  type Station,
  startStation,
} from '../support/srf-app.js'

const Races = suite('The unmodified drachtio-srf, when things go wrong')

const HOST = '127.0.0.1'
const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')

let caller: Station
let callee: Station
let peers: SipPeer[]

Races.before.each(async () => {
  ;[caller, callee] = await Promise.all([startStation(), startStation()])
  peers = []
})

Races.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    [caller, callee].every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  for (const peer of peers) peer.close()
  await Promise.all([caller.stop(), callee.stop()])
})

const once = (dialog: SrfDialog, event: string): Promise<unknown[]> =>
  new Promise((resolve) => dialog.once(event, ((...args: unknown[]) => resolve(args)) as never))

const invited = (station: Station): Promise<{ req: SrfMessage; res: SrfReply }> =>
  new Promise((resolve) => station.app.invite((req, res) => resolve({ req, res })))

const answering = (station: Station): Promise<SrfDialog> =>
  invited(station).then(({ req, res }) => station.app.createUAS(req, res, { localSdp: ANSWER }))

async function udpPeer(station: Station): Promise<SipPeer> {
  const peer = await openUdp(HOST, { address: HOST, port: station.port })
  peers.push(peer)
  return peer
}

const inviteFrom = (peer: SipPeer, station: Station, protocol: 'udp' | 'tcp', headers: string[] = []): string =>
  inviteText({ from: peer.local, target: { address: HOST, port: station.port }, protocol, number: 'bob', headers }).text

/** A response of a peer that is called. */
function answerTo(request: SipText, status: string, contact: string, more: string[] = [], body = ''): string {
  const to = request.header('to') ?? ''
  return [
    `SIP/2.0 ${status}`,
    ...request.all('via').map((via) => `Via: ${via}`),
    `From: ${request.header('from')}`,
    `To: ${to}${to.includes(';tag=') ? '' : ';tag=callee'}`,
    `Call-ID: ${request.callId}`,
    `CSeq: ${request.header('cseq')}`,
    `Contact: <${contact}>`,
    ...more,
    ...(body === '' ? [] : ['Content-Type: application/sdp']),
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}

Races('PRACK by itself on both sides: a reliable 183 and the 200 behind it', async () => {
  let pracked = false
  callee.app.invite((req, res) => {
    const sendReliably = res.send as unknown as (...args: unknown[]) => void
    sendReliably.call(
      res,
      183,
      { headers: { Require: '100rel' }, body: ANSWER },
      () => {},
      () => (pracked = true),
    )
    void callee.app.createUAS(req, res, { localSdp: ANSWER })
  })
  const provisional: number[] = []
  const dialog = await caller.app.createUAC(
    callee.uri('bob'),
    { localSdp: OFFER, headers: { Supported: '100rel' } },
    { cbProvisional: (res: SrfMessage) => provisional.push(res.status) },
  )
  assert.ok(pracked, 'the 200 has waited for it')
  assert.equal(provisional, [183])
  await dialog.destroy()
})

Races('a caller that requires 100rel has its PRACK answered', async () => {
  callee.app.invite((req, res) => {
    res.send(180)
    void callee.app.createUAS(req, res, { localSdp: ANSWER })
  })
  const peer = await udpPeer(callee)
  const invite = inviteFrom(peer, callee, 'udp', ['Require: 100rel'])
  peer.send(invite)
  const ringing = await nextMessage(peer, 'a reliable 180', ({ status }) => status === 180)
  assert.is(ringing.header('rseq'), '1')
  peer.send(
    followUp(invite, 'BYE', ringing)
      .replace(/BYE/g, 'PRACK')
      .replace('Content-Length', 'RAck: 1 1 INVITE\r\nContent-Length'),
  )
  await nextMessage(peer, 'the answer to the PRACK', ({ status, method }) => status === 200 && method === 'PRACK')
  const ok = await nextMessage(peer, 'the 200', ({ status, method }) => status === 200 && method === 'INVITE')
  peer.send(followUp(invite, 'ACK', ok))
  peer.send(followUp(invite, 'BYE', ok).replace('CSeq: 2', 'CSeq: 3').replace('-BYE', '-BYE3'))
  await nextMessage(peer, 'the end', ({ status, method }) => status === 200 && method === 'BYE')
})

Races("a caller's BYE before the answer is a CANCEL to the application", async () => {
  const peer = await udpPeer(callee)
  const ringing = invited(callee)
  const invite = inviteFrom(peer, callee, 'udp')
  peer.send(invite)
  const { req, res } = await ringing
  const cancelled = new Promise((resolve) => req.on('cancel', resolve as never))
  res.send(180)
  const early = await nextMessage(peer, 'the 180', ({ status }) => status === 180)
  peer.send(followUp(invite, 'BYE', early))
  await cancelled
  await nextMessage(peer, 'the 200 to the BYE', ({ status, method }) => status === 200 && method === 'BYE')
  const refusal = await nextMessage(peer, 'the 487', ({ status }) => status === 487)
  peer.send(followUp(invite, 'ACK', refusal))
})

Races('UPDATE while the INVITE is open, as callee and as caller', async () => {
  const peer = await udpPeer(callee)
  const ringing = invited(callee)
  const invite = inviteFrom(peer, callee, 'udp')
  peer.send(invite)
  const { req, res } = await ringing
  req.on('update', ((_update: SrfMessage, reply: SrfReply) => reply.send(200, { body: ANSWER })) as never)
  res.send(183, { body: ANSWER })
  const progress = await nextMessage(peer, 'the 183', ({ status }) => status === 183)
  peer.send(followUp(invite, 'BYE', progress).replace(/BYE/g, 'UPDATE'))
  const updated = await nextMessage(
    peer,
    'the 200 to UPDATE',
    ({ status, method }) => status === 200 && method === 'UPDATE',
  )
  assert.is(updated.body, ANSWER)
  assert.ok(updated.header('contact'))
  res.send(486)
  peer.send(followUp(invite, 'ACK', await nextMessage(peer, 'the 486', ({ status }) => status === 486)))

  const target = await udpPeer(caller)
  const contact = `sip:bob@${HOST}:${target.local.port}`
  let provisional = 0
  const failed = caller.app
    .createUAC(contact, { localSdp: OFFER }, { cbProvisional: () => (provisional += 1) })
    .catch((error: { status: number }) => error.status)
  const theirs = await nextMessage(target, 'the INVITE', ({ method }) => method === 'INVITE')
  target.send(answerTo(theirs, '183 Session Progress', contact, [], ANSWER))
  await eventually('the 183 is there', () => provisional === 1)
  const fromTag = /;tag=([^;]+)/.exec(theirs.header('from') ?? '')?.[1] ?? ''
  target.send(
    [
      `UPDATE ${/<(.*)>/.exec(theirs.header('contact') ?? '')?.[1]} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${target.local.port};branch=z9hG4bKearlyupdate`,
      'Max-Forwards: 70',
      `From: ${theirs.header('to')};tag=callee`,
      `To: ${theirs.header('from')}`,
      `Call-ID: ${theirs.callId}`,
      'CSeq: 7 UPDATE',
      `Contact: <${contact}>`,
      'Content-Type: application/sdp',
      `Content-Length: ${ANSWER.length}`,
      '',
      ANSWER,
    ].join('\r\n'),
  )
  assert.ok(fromTag !== '')
  const answer = await nextMessage(
    target,
    'an answer to UPDATE',
    ({ status, method }) => status >= 200 && method === 'UPDATE',
  )
  assert.is(answer.status, 200)
  target.send(answerTo(theirs, '486 Busy Here', contact))
  assert.is(await failed, 486)
})

for (const when of ['at once', 'after 180'] as const)
  Races(`a TCP caller that resets its connection ${when} costs nothing but its own call`, async () => {
    const peer = await openTcp(HOST, { address: HOST, port: callee.port })
    const ringing = invited(callee)
    peer.send(inviteFrom(peer, callee, 'tcp'))
    const { req, res } = await ringing
    if (when === 'after 180') {
      res.send(180)
      await nextMessage(peer, 'the 180', ({ status }) => status === 180)
    }
    peer.socket.resetAndDestroy()
    await eventually('the connection is gone', () => callee.engine.gauges().connections === 0)
    // The answer finds nobody: nothing listens at the caller's port any more.
    const answered = await callee.app.createUAS(req, res, { localSdp: ANSWER }).catch((error: unknown) => error)
    if (answered instanceof Error || typeof answered === 'string') return
    const [, reason] = await once(answered as SrfDialog, 'destroy')
    assert.is(reason, 'ACK timeout')
  })

Races('a TCP callee that takes the INVITE and closes: 503 at once, not 408 after a while', async () => {
  const { port, server } = await listenTcp(HOST, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.resetAndDestroy())
  })
  const status = await caller.app
    .createUAC(`sip:bob@${HOST}:${port};transport=tcp`, { localSdp: OFFER })
    .catch((error: { status: number }) => error.status)
  assert.is(status, 503)
  server.close()
})

Races('an application that goes in a call: the far end is told, in time', async () => {
  const answered = answering(callee)
  const mine = await caller.app.createUAC(callee.uri('bob'), { localSdp: OFFER })
  await answered
  const told = once(mine, 'destroy')
  closeApp(callee.app)
  await told
})

Races('a To tag that is no token costs the application nothing', async () => {
  callee.app.options((_req, res) => res.send(200))
  const peer = await udpPeer(callee)
  const options = (tag: string, n: number): string =>
    [
      `OPTIONS sip:bob@${HOST}:${callee.port} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${peer.local.port};branch=z9hG4bKtag${n}`,
      'Max-Forwards: 70',
      'From: <sip:x@y>;tag=1',
      `To: <sip:bob@${HOST}>;tag=${tag}`,
      `Call-ID: tag-${n}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
  const tags = ['[x]', '"a b"', 'a/b']
  await eventually('the route is known', async () => {
    peer.send(options('plain', 100 + peer.messages.length))
    return peer.messages.some(({ status }) => status === 200)
  })
  tags.forEach((tag, n) => peer.send(options(tag, n)))
  for (const [n, tag] of tags.entries()) {
    const answer = await nextMessage(peer, `the answer to ${tag}`, ({ callId }) => callId === `tag-${n}`)
    assert.is(answer.status, 200)
    assert.ok(answer.header('to')?.endsWith(`;tag=${tag}`))
  }
})

Races.run()
