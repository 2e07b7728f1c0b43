import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HttpQuestions } from '../../../src/engine/control/http-question.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'

const Questions = suite('Questions to an HTTP server')

let clock: ManualClock
let questions: HttpQuestions
let server: Server
let base: string
const sockets = new Set<Socket>()
const seen: string[] = []
let handle: (request: IncomingMessage, response: ServerResponse) => void

Questions.before.each(async () => {
  clock = new ManualClock()
  questions = new HttpQuestions(clock)
  seen.length = 0
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    handle(request, response)
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

Questions.after.each(async () => {
  questions.close()
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  assert.is(clock.pending, 0, 'no timer is left')
})

const ask = (url = base, body?: string): Promise<string | Error> =>
  new Promise((resolve) => void questions.ask({ url: new URL(url), body, verifyPeer: false }, resolve))

const failure = async (answer: Promise<string | Error>): Promise<string> => {
  const settled = await answer
  return settled instanceof Error ? settled.message : `answered ${settled}`
}

Questions('give the text of the answer, whatever its status, as UTF-8', async () => {
  handle = (_request, response) => response.writeHead(404).end('{"ö":1}')
  assert.is(await ask(`${base}/a?b=c`), '{"ö":1}')
  assert.equal(seen, ['GET /a?b=c'])
})

Questions('name the client as drachtio-server does', async () => {
  handle = (request, response) => response.end(request.headers['user-agent'])
  assert.is(await ask(base), 'Drachtio/v0.9.10')
})

Questions('carry the request in a POST byte by byte', async () => {
  handle = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () =>
      response.end(`${request.headers['content-type']} ${Buffer.concat(chunks).toString('utf8')}`),
    )
  }
  const text = Buffer.from('INVITE ☎', 'utf8').toString('latin1')
  assert.is(await ask(base, text), 'text/plain; charset=UTF-8 INVITE ☎')
})

Questions('follow redirects, five at most; only 307 and 308 repeat the POST', async () => {
  handle = (request, response) => {
    const left = Number(request.url?.slice(1))
    if (left === 0) response.end(request.method)
    else response.writeHead(left % 2 === 0 ? 307 : 302, { location: `/${left - 1}` }).end()
  }
  assert.is(await ask(`${base}/5`), 'GET')
  assert.is(await ask(`${base}/2`, 'x'), 'GET')
  assert.match(await failure(ask(`${base}/6`)), /more than 5 redirects/)
  handle = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()
  assert.match(await failure(ask()), /no HTTP server/)
  handle = (_request, response) => response.writeHead(302, { location: 'http://[' }).end()
  assert.match(await failure(ask()), /no URL/)
  handle = (_request, response) => response.writeHead(302, { location: 'http://%zz:a@127.0.0.1/' }).end()
  assert.match(await failure(ask()), /malformed/i)
})

Questions('fail when nobody listens, when the answer is too long, cut off, or no HTTP', async () => {
  handle = (_request, response) => response.end('x'.repeat(70_000))
  assert.match(await failure(ask()), /longer than 65536/)
  handle = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('{}')
    setImmediate(() => response.destroy())
  }
  assert.match(await failure(ask()), /aborted|cut off|ECONNRESET/)
  handle = (request) => request.socket.end('no HTTP at all\r\n\r\n')
  assert.match(await failure(ask()), /Parse Error|hang up/)
  assert.match(await failure(ask('http://127.0.0.1:1')), /ECONNREFUSED/)
})

Questions('fail after three seconds in all, also when the answer trickles in', async () => {
  handle = (_request, response) => void response.write('{')
  const answer = ask()
  await eventually('it is asked', () => seen.length === 1)
  clock.advance(2_999)
  assert.is(clock.pending, 1)
  clock.advance(1)
  assert.match(await failure(answer), /no answer within 3000 ms/)
})

Questions('fail after two seconds without a connection', async () => {
  const answer = ask()
  // Not a turn of the loop passes: the connection cannot have come up.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  clock.advance(2_000)
  assert.match(await failure(answer), /no connection within 2000 ms/)
})

Questions('that are withdrawn are not answered', async () => {
  handle = () => undefined
  let answered = false
  const stop = questions.ask({ url: new URL(base), body: undefined, verifyPeer: false }, () => (answered = true))
  await eventually('it is asked', () => seen.length === 1)
  stop()
  await eventually('the connection is closed', () => sockets.size === 0)
  clock.advance(10_000)
  assert.not(answered)
})

Questions('share a connection, and are asked again on a new one where that has died', async () => {
  handle = (_request, response) => response.end('{}')
  assert.is(await ask(), '{}')
  const [kept] = sockets
  assert.is(await ask(), '{}')
  assert.equal([...sockets], [kept])
  handle = (request, response) => {
    if (request.socket === kept) request.socket.destroy()
    else response.end('new')
  }
  assert.is(await ask(), 'new')
})

Questions.run()
