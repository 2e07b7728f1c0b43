import type { Server, Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ConnectionPeer } from '../../src/engine/index.js'
import { eventually } from '../support/eventually.js'
import { followUp, inviteText, listenTcp, nextMessage, openTcp, optionsPing, peerOn } from '../support/sip-peer.js'
import type { SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import { type SrfDialog, type Station, startStation } from '../support/srf-app.js'

const Connections = suite('Connections of the engine')

type Far = SipPeer & { readonly socket: Socket }

const SDP = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

let pbx: { port: number; server: Server }
let accepted: Far[]
let station: Station
let ended: ConnectionPeer[]
let errors: unknown[]

Connections.before.each(async () => {
  accepted = []
  ended = []
  errors = []
  pbx = await listenTcp('127.0.0.1', (socket) => accepted.push(peerOn(socket)))
  station = await startStation({
    onConnectionClosed: (peer) => {
      ended.push(peer)
      if (ended.length > 1) throw new Error('a fault of who listens')
    },
    onError: (error) => errors.push(error),
  })
})

Connections.after.each(async () => {
  for (const { socket } of accepted) socket.destroy()
  await eventually('every dialog, transaction and timer has ended', () => {
    const { dialogs, transactions, timers } = station.engine.gauges()
    return dialogs + transactions + timers === 0
  })
  await station.stop()
  await new Promise((resolve) => pbx.server.close(resolve))
})

/** A response to a request as it came. */
function reply(request: SipText, status: number, more: readonly string[] = []): string {
  const copied = ['via', 'from', 'call-id', 'cseq'].flatMap((name) =>
    request.all(name).map((value) => `${name}: ${value}`),
  )
  const to = request.toTag === '' ? `${request.header('to')};tag=pbx` : request.header('to')
  return [`SIP/2.0 ${status} Whatever`, ...copied, `to: ${to}`, ...more, 'content-length: 0', '', ''].join('\r\n')
}

/** Sends a request of the application to the PBX; its final status once there is one. */
function register(): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'REGISTER',
      headers: { From: '<sip:u@pbx.example>', To: '<sip:u@pbx.example>', Contact: '<sip:u@localhost>;expires=300' },
      proxy: `sip:127.0.0.1:${pbx.port};transport=tcp`,
    }
    station.app.request('sip:pbx.example', options, (error, req) =>
      error ? reject(error) : req?.on('response', ((res: { status: number }) => resolve(res.status)) as never),
    )
  })
}

/** A registration over a connection of ours; the far end of it. */
async function registered(): Promise<Far> {
  const before = accepted.length
  const status = register()
  const peer = await eventually('a connection', () => accepted[before])
  const request = await nextMessage(peer, 'a REGISTER', ({ method }) => method === 'REGISTER')
  assert.is(request.header('contact'), `<sip:u@127.0.0.1:${station.port};transport=tcp>;expires=300`)
  peer.send(reply(request, 200))
  assert.is(await status, 200)
  return peer
}

Connections('one of ours that the PBX ends or resets is told at once, with its far end', async () => {
  const first = await registered()
  assert.equal(ended, [])
  first.socket.end()
  await eventually('the end to be told', () => ended.length === 1)
  assert.equal(ended[0], { protocol: 'tcp', address: '127.0.0.1', port: pbx.port })
  const second = await registered()
  second.socket.resetAndDestroy()
  await eventually('the reset to be told', () => ended.length === 2)
  assert.equal([ended[1], errors.length], [ended[0], 1], 'a fault of who listens is reported, and harms nothing')
  await registered()
})

Connections('one that a peer opened is told too', async () => {
  const peer = await openTcp('127.0.0.1', { address: '127.0.0.1', port: station.port })
  peer.send(optionsPing(peer.local, peer.local, 'tcp').text)
  await nextMessage(peer, 'an answer', ({ status }) => status > 0)
  peer.close()
  await eventually('the end to be told', () => ended.length === 1)
  assert.equal(ended, [{ protocol: 'tcp', address: '127.0.0.1', port: peer.local.port }])
})

Connections('one that does not come up is not: its request fails', async () => {
  await new Promise((resolve) => pbx.server.close(resolve))
  assert.is(await register(), 503)
  assert.equal(ended, [])
  pbx = await listenTcp('127.0.0.1', () => undefined)
})

Connections(
  'half-closed by its peer while we owe it an answer: a new request opens another, one under way fails',
  async () => {
    station.app.options(() => undefined)
    const first = await registered()
    const waiting = register()
    await eventually('the second REGISTER', () => first.messages.filter(({ method }) => method === 'REGISTER')[1])
    // A request that stays unanswered keeps our side of the connection open.
    const { text, callId } = optionsPing(first.local, first.local, 'tcp')
    first.socket.end(text)
    await eventually('the end to be told', () => ended.length === 1)
    assert.is(await waiting, 503)
    assert.is(
      first.messages.find((message) => message.callId === callId),
      undefined,
    )
    const second = await registered()
    assert.is.not(second, first)
    await eventually(
      'the answer in the application’s place',
      () => first.messages.find((m) => m.callId === callId),
      5_000,
    )
  },
)

Connections('an INVITE that comes on a connection of ours is served on it, and so is its dialog', async () => {
  const dialogs: SrfDialog[] = []
  station.app.invite((req, res) => {
    station.app.createUAS(req, res, { localSdp: SDP }).then(
      (dialog) => void dialogs.push(dialog),
      () => undefined,
    )
  })
  const peer = await registered()
  // Its Via and Contact name a place where nobody listens: only the connection leads back.
  const nowhere = { address: '127.0.0.1', port: 9 }
  const target = { address: '127.0.0.1', port: station.port }
  const { text } = inviteText({ from: nowhere, target, protocol: 'tcp', number: '+14155550100' })
  peer.send(text)
  const ok = await nextMessage(peer, 'a 200', ({ status, method }) => status === 200 && method === 'INVITE')
  assert.match(ok.header('contact') ?? '', `sip:127.0.0.1:${station.port};transport=tcp`)
  peer.send(followUp(text, 'ACK', ok))
  const dialog = await eventually('the dialog', () => dialogs[0])
  const modified = dialog.modify(SDP)
  const again = await nextMessage(peer, 'a re-INVITE', ({ status, method }) => status === 0 && method === 'INVITE')
  peer.send(reply(again, 488))
  await modified.catch(() => undefined)
  await nextMessage(peer, 'the ACK', ({ method }) => method === 'ACK')
  const gone = dialog.destroy()
  const bye = await nextMessage(peer, 'a BYE', ({ method }) => method === 'BYE')
  peer.send(reply(bye, 200))
  await gone
  assert.is(accepted.length, 1, 'no other connection was opened')
})

Connections('an OPTIONS on a connection of ours is answered on it', async () => {
  station.app.options((_req, res) => res.send(200))
  const peer = await registered()
  const { text, callId } = optionsPing({ address: '127.0.0.1', port: 9 }, peer.local, 'tcp')
  peer.send(text)
  const answer = await nextMessage(peer, 'the answer', (message) => message.callId === callId)
  assert.is(answer.status, 200)
})

Connections.run()
