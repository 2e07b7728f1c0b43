import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineOptions, RequestHandler, RoutingFailure } from '../../src/engine/index.js'
import { TestAuthority } from '../support/certificates.js'
import { eventually } from '../support/eventually.js'
import { inviteText, followUp, nextMessage, openUdp, type SipPeer } from '../support/sip-peer.js'
import {
  type ListeningApp,
  listenApp,
  type SrfApp,
  type SrfDialog,
  type SrfMessage,
  type Station,
  startStation,
} from '../support/srf-app.js'

const Routed = suite('The unmodified drachtio-srf, where request handlers decide')

const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')

let stations: Station[]
let listening: ListeningApp[]
let http: Server | undefined
let failures: RoutingFailure[]
let peers: SipPeer[]
/** What the HTTP server was asked: method, query and body. */
let asked: Array<{ method: string; query: URLSearchParams; body: string }>

Routed.before.each(() => {
  stations = []
  listening = []
  failures = []
  peers = []
  asked = []
  http = undefined
})

Routed.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    stations.every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  for (const peer of peers) peer.close()
  await Promise.all(stations.map((station) => station.stop()))
  await Promise.all(listening.map((app) => app.close()))
  http?.closeAllConnections()
  await new Promise<void>((resolve) => (http === undefined ? resolve() : http.close(() => resolve())))
})

async function station(options: Partial<EngineOptions> = {}): Promise<Station> {
  const started = await startStation({
    timers: { t1Ms: 10, t2Ms: 80, t4Ms: 100 },
    onRoutingFailed: (failure) => failures.push(failure),
    ...options,
  })
  stations.push(started)
  return started
}

async function waitingApp(options: { secret?: string; tls?: object } = {}): Promise<ListeningApp> {
  const app = await listenApp(options)
  listening.push(app)
  return app
}

/** An HTTP server that gives these instructions by the user of the Request-URI; '' never answers. */
async function router(instructions: Readonly<Record<string, object | string>>): Promise<string> {
  const server = createHttpServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
    request.on('end', () => {
      asked.push({ method: request.method ?? '', query, body })
      const instruction = instructions[query.get('uriUser') ?? '']
      if (instruction === '') return
      response.end(typeof instruction === 'string' ? instruction : JSON.stringify(instruction))
    })
  })
  http = server
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/route`
}

const to = (uri: string): object => ({ action: 'route', data: { uri } })
const handlers = (...given: RequestHandler[]): Partial<EngineOptions> => ({ requestHandlers: given })

/** The application answers every INVITE; what it was given. */
function answering(app: SrfApp): SrfMessage[] {
  const seen: SrfMessage[] = []
  app.invite((req, res) => {
    seen.push(req)
    void app.createUAS(req, res, { localSdp: ANSWER }).then((dialog) => {
      dialog.on('destroy', () => app.endSession(req))
    })
  })
  return seen
}

/** Calls and hangs up; 200, or the status of the refusal. */
async function call(from: Station, uri: string): Promise<number> {
  try {
    const dialog = await from.app.createUAC(uri, { localSdp: OFFER })
    await dialog.destroy()
    return 200
  } catch (error) {
    return (error as { status: number }).status
  }
}

for (const httpMethod of ['GET', 'POST'] as const)
  Routed(
    `[10.2/5] HTTP routing by ${httpMethod}: an outbound connection for each call, closed by endSession; 480 when nobody listens`,
    async () => {
      const [first, second] = [await waitingApp(), await waitingApp()]
      const url = await router({
        a: to(`127.0.0.1:${first.port}`),
        b: to(`127.0.0.1:${second.port};transport=tcp`),
        c: to('127.0.0.1:1'),
      })
      const [caller, callee] = [await station(), await station(handlers({ method: 'INVITE', url, httpMethod }))]
      const [mine, theirs] = [answering(first.app), answering(second.app)]
      const statuses: number[] = []
      for (const user of ['a', 'b', 'a', 'c']) statuses.push(await call(caller, callee.uri(user)))
      assert.equal(statuses, [200, 200, 200, 480])
      assert.equal([mine.length, theirs.length], [2, 1])
      assert.is(first.connections.total, 2, 'a connection a call')
      await eventually('they are closed', () => first.connections.open + second.connections.open === 0)
      assert.equal(
        asked.map(({ method }) => method),
        Array.from({ length: 4 }, () => httpMethod),
      )
      const { query, body } = asked[0]!
      assert.is(query.get('source_address'), '127.0.0.1')
      assert.is(query.get('transport'), 'udp')
      if (httpMethod === 'POST') assert.match(body, /^INVITE sip:a@[^]*m=audio 4000/)
      else assert.is(body, '')
      assert.equal(
        failures.map(({ status, peer, method }) => [status, peer, method]),
        [[480, 'tcp://127.0.0.1:1', 'INVITE']],
      )
    },
  )

Routed('[10.2/6] a tcp:// handler: each call dials the application, without HTTP', async () => {
  const app = await waitingApp()
  const seen = answering(app.app)
  const caller = await station()
  const callee = await station(handlers({ method: '*', url: `tcp://127.0.0.1:${app.port}` }))
  assert.equal([await call(caller, callee.uri('a')), await call(caller, callee.uri('b'))], [200, 200])
  assert.equal([seen.length, app.connections.total], [2, 2])
  assert.is(seen[0]?.receivedOn, `127.0.0.1:${callee.port}`)
})

Routed(
  'an application that was dialled owns the dialog: re-INVITE and BYE go both ways on its connection',
  async () => {
    const app = await waitingApp()
    const caller = await station()
    const callee = await station(handlers({ method: '*', url: `tcp://127.0.0.1:${app.port}` }))
    const theirs = new Promise<SrfDialog>((resolve) =>
      app.app.invite((req, res) => void app.app.createUAS(req, res, { localSdp: ANSWER }).then(resolve)),
    )
    const mine = await caller.app.createUAC(callee.uri('a'), { localSdp: OFFER })
    const dialog = await theirs
    mine.on('modify', ((_req: SrfMessage, res: { send(status: number, options: object): void }) =>
      res.send(200, { body: OFFER })) as never)
    assert.is(await dialog.modify(ANSWER), OFFER)
    const ended = new Promise((resolve) => mine.once('destroy', resolve as never))
    await dialog.destroy()
    await ended
    assert.is(app.connections.total, 1)
  },
)

Routed(
  '[10.2/4] [10.3/19] HTTP routing by tag goes round those that have it; a tag that nobody has gets 480',
  async () => {
    const url = await router({
      blue: { action: 'route', data: { tag: 'blue' } },
      red: { action: 'route', data: { tag: 'red' } },
      black: { action: 'route', data: { tag: 'black' } },
    })
    const caller = await station()
    const callee = await station(handlers({ method: 'INVITE', url }))
    const seen = []
    for (const tags of [['blue', 'x'], ['red'], ['blue'], []]) seen.push(answering(await callee.connect(tags)))
    await eventually('the routes are known', async () => (await call(caller, callee.uri('red'))) === 200)
    for (const user of ['blue', 'red', 'blue', 'blue', 'blue']) assert.is(await call(caller, callee.uri(user)), 200)
    assert.is(await call(caller, callee.uri('black')), 480)
    const [blue, red, alsoBlue, none] = seen.map(({ length }) => length)
    assert.equal([blue, alsoBlue, none], [2, 2, 0])
    assert.is((red ?? 0) >= 2, true)
    assert.match(failures.at(-1)?.reason ?? '', /no application has the tag "black"/)
  },
)

Routed('HTTP routing may reject and redirect; what is no instruction gets the caller a 500', async () => {
  const url = await router({
    busy: { action: 'reject', data: { status: 486, reason: 'Nö, später' } },
    odd: { action: 'reject', data: { status: 603, reason: 'a\r\nX-Injected: 1' } },
    moved: { action: 'redirect', data: { contact: ['sip:c@192.0.2.1', '"D" <sip:d@192.0.2.2>'] } },
    crooked: { action: 'redirect', data: { contact: 'sip:c@192.0.2.1>\r\nX-Injected: 1' } },
    accept: { action: 'reject', data: { status: 200 } },
    nonsense: '<html>',
  })
  const callee = await station(handlers({ method: 'INVITE', url }))
  const peer = await openUdp('127.0.0.1', { address: '127.0.0.1', port: callee.port })
  peers.push(peer)
  const answers = []
  for (const number of ['busy', 'odd', 'moved', 'crooked', 'accept', 'nonsense']) {
    const { text, callId } = inviteText({
      from: peer.local,
      target: { address: '127.0.0.1', port: callee.port },
      protocol: 'udp',
      number,
    })
    peer.send(text)
    const answer = await nextMessage(peer, number, (message) => message.callId === callId && message.status >= 200)
    peer.send(followUp(text, 'ACK', answer))
    answers.push(answer)
  }
  assert.equal(
    answers.map(({ status }) => status),
    [486, 603, 302, 500, 500, 500],
  )
  assert.is(answers[0]?.startLine, `SIP/2.0 486 ${Buffer.from('Nö, später').toString('latin1')}`)
  assert.equal(answers[2]?.all('contact'), ['<sip:c@192.0.2.1>', '"D" <sip:d@192.0.2.2>'])
  for (const answer of answers) assert.is(answer.header('x-injected'), undefined)
  assert.equal(
    failures.map(({ status }) => status),
    [500, 500, 500],
  )
})

Routed(
  'HTTP routing may proxy: one destination after the other, with Record-Route when that is asked for',
  async () => {
    const callee = await station()
    const seen = answering(callee.app)
    const url = await router({
      both: { action: 'proxy', data: { destination: ['sip:127.0.0.1:1', callee.uri('b')], recordRoute: true } },
      none: { action: 'proxy', data: { destination: 'nonsense:' } },
    })
    const caller = await station()
    const middle = await station(handlers({ method: 'INVITE', url }))
    await eventually('the route is known', async () => (await call(caller, callee.uri('x'))) === 200)
    seen.length = 0
    const dialog = await caller.app.createUAC(middle.uri('both'), { localSdp: OFFER })
    assert.match(seen[0]?.get('record-route') ?? '', new RegExp(`:${middle.port};.*lr`))
    // That the BYE finds its way is seen by what is left at the end.
    await dialog.destroy()
    assert.is(await call(caller, middle.uri('none')), 500)
  },
)

Routed('a method without a handler goes to the applications that are connected', async () => {
  const caller = await station()
  const callee = await station(handlers({ method: 'INVITE', url: 'http://127.0.0.1:1' }))
  callee.app.options((_req, res) => res.send(200))
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) =>
      caller.app.request(callee.uri('a'), { method: 'OPTIONS' }, (error, req) => {
        if (error || !req) return reject(error)
        req.on('response', ((res: SrfMessage) => resolve(res.status)) as never)
      }),
    )
  await eventually('its route is known', async () => (await ask()) === 200)
  assert.is(await call(caller, callee.uri('a')), 500, 'nobody answers the question')
})

Routed('a caller that gives up during the question gets 487, and nobody is dialled', async () => {
  const app = await waitingApp()
  const url = await router({ slow: '' })
  const callee = await station(handlers({ method: 'INVITE', url }))
  const peer = await openUdp('127.0.0.1', { address: '127.0.0.1', port: callee.port })
  peers.push(peer)
  const target = { address: '127.0.0.1', port: callee.port }
  const { text } = inviteText({ from: peer.local, target, protocol: 'udp', number: 'slow' })
  peer.send(text)
  await eventually('the question is asked', () => asked.length === 1)
  peer.send(followUp(text, 'CANCEL'))
  const answer = await nextMessage(peer, 'the 487', ({ status }) => status === 487)
  peer.send(followUp(text, 'ACK', answer))
  assert.ok(peer.messages.some((message) => message.status === 200 && message.header('cseq') === '1 CANCEL'))
  assert.is(app.connections.total, 0)
  assert.equal(failures, [])
})

Routed('an application that was dialled and shows no secret, or a wrong one, gets no request: 480', async () => {
  const wrong = await waitingApp({ secret: 'wrong' })
  const caller = await station()
  const sockets: Socket[] = []
  const rude = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.end('5#hello')
  })
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
  const rudePort = (rude.address() as AddressInfo).port
  const callee = await station(
    handlers(
      { method: 'INVITE', url: `tcp://127.0.0.1:${wrong.port}` },
      { method: 'OPTIONS', url: `tcp://127.0.0.1:${rudePort}` },
    ),
  )
  const seen = answering(wrong.app)
  assert.is(await call(caller, callee.uri('a')), 480)
  const status = await new Promise((resolve) =>
    caller.app.request(callee.uri('a'), { method: 'OPTIONS' }, (_error, req) =>
      req?.on('response', ((res: SrfMessage) => resolve(res.status)) as never),
    ),
  )
  assert.is(status, 480)
  assert.equal(seen, [])
  assert.equal(
    failures.map(({ reason }) => reason),
    ['the application has not authenticated', 'the application has not authenticated'],
  )
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => rude.close(resolve))
})

Routed(
  '[10.2/8] applications are dialled over TLS: by HTTP routing, and by a tls:// handler; verified only when that is asked for',
  async () => {
    const authority = TestAuthority.create()
    try {
      const { certificate: cert, key } = authority.issue(['DNS:app.example'])
      const app = await waitingApp({ tls: { cert, key } })
      const plain = await waitingApp()
      const seen = answering(app.app)
      const url = await router({
        a: to(`127.0.0.1:${app.port};transport=tls`),
        plain: to(`127.0.0.1:${plain.port};transport=tls`),
      })
      const direct = `tls://127.0.0.1:${app.port}`
      const caller = await station()
      const routed = await station(handlers({ method: 'INVITE', url, verifyPeer: true }))
      assert.equal([await call(caller, routed.uri('a')), await call(caller, routed.uri('plain'))], [200, 480])
      const dialling = await station(handlers({ method: '*', url: direct }))
      assert.is(await call(caller, dialling.uri('a')), 200)
      assert.is(seen.length, 2)
      const strict = await station(handlers({ method: '*', url: direct, verifyPeer: true }))
      assert.is(await call(caller, strict.uri('a')), 480)
      assert.match(failures.at(-1)?.reason ?? '', /certificate|altnames/i)
    } finally {
      authority.close()
    }
  },
)

Routed('an application that was dialled and goes away: its caller gets 503', async () => {
  const app = await waitingApp()
  const caller = await station()
  const callee = await station(handlers({ method: '*', url: `tcp://127.0.0.1:${app.port}` }))
  app.app.invite((req) => app.app.endSession(req))
  assert.is(await call(caller, callee.uri('a')), 503)
})

Routed.run()
