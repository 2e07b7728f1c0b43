import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SignalboxEvent } from '../../src/model/event.js'
import type { EventListener } from '../../src/store/events.js'
import { registrationSchema } from '../../src/model/registration.js'
import { FakeServices, sampleCall, sampleCdr, startApi, TOKEN, type TestApi } from '../support/api-fakes.js'
import { eventually, wait } from '../support/eventually.js'

const EventsApi = suite('Events over HTTP')

const AT = '2026-01-01T00:00:00.000Z'

const started = (callId: string, fields: object = {}): SignalboxEvent => ({
  type: 'call.started',
  at: AT,
  account_id: 'default',
  data: sampleCall(callId, fields),
})
const ended = (callId: string): SignalboxEvent => ({
  type: 'call.ended',
  at: AT,
  account_id: 'default',
  data: sampleCdr(callId),
})
const registration: SignalboxEvent = {
  type: 'registration',
  at: AT,
  account_id: 'default',
  data: registrationSchema.parse({
    account_id: 'default',
    trunk_id: 'pbx',
    state: 'registered',
    reason: 'granted',
    last_code: 200,
    last_phrase: 'OK',
    registrar: null,
    transport: null,
    granted_expires_s: 300,
    min_expires_s: null,
    expires_at: null,
    next_attempt_at: null,
    failures: 0,
    since: AT,
    service_route: [],
    path: [],
    edge_id: null,
  }),
}

let test: TestApi
let services: FakeServices
let port = 0

EventsApi.before.each(async () => {
  services = new FakeServices()
  test = startApi(services)
  await test.api.listen({ host: '127.0.0.1', port: 0 })
  port = (test.api.server.address() as AddressInfo).port
})

EventsApi.after.each(async () => {
  test.api.server.closeAllConnections()
  await test.api.close()
})

/** A client's view of the stream. */
class Followed {
  text = ''
  closed = false

  constructor(readonly message: IncomingMessage) {
    message.setEncoding('utf8')
    message.on('data', (piece: string) => (this.text += piece))
    message.on('close', () => (this.closed = true))
    message.on('error', () => {})
  }

  expect(text: string): Promise<unknown> {
    return eventually(`${text} in ${this.text.slice(-500)}`, () => this.text.includes(text))
  }
}

function follow(query = '', headers: Record<string, string> = {}): Promise<Followed> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: `/v1/events${query}`, agent: false as const }
    get({ ...options, headers: { authorization: `Bearer ${TOKEN}`, ...headers } }, (message) =>
      resolve(new Followed(message)),
    ).on('error', reject)
  })
}

const tell = (event: SignalboxEvent, id?: string): void => {
  for (const listener of [...services.eventListeners]) listener.event({ id, event, text: JSON.stringify(event) })
}
const listeners = (many: number): Promise<unknown> =>
  eventually(`${many} listeners`, () => services.eventListeners.size === many && services.listening === many)

EventsApi('each event has its id, its type and one line of JSON', async () => {
  const followed = await follow()
  const { statusCode, headers } = followed.message
  assert.is(statusCode, 200)
  assert.is(headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.is(headers['cache-control'], 'no-store, no-transform')
  assert.is(headers['x-accel-buffering'], 'no')
  await listeners(1)
  tell(started('c1', { from: 'a\nb' }), '17-3')
  tell(ended('c1'))
  await followed.expect('call.ended')
  const [first, second, third] = followed.text.split('\n\n')
  assert.is(first, 'retry: 2000')
  const lines = second?.split('\n') ?? []
  assert.equal(lines.slice(0, 2), ['id: 17-3', 'event: call.started'])
  assert.equal(JSON.parse(lines[2]!.slice('data: '.length)), started('c1', { from: 'a\nb' }))
  assert.is(lines.length, 3)
  assert.is(third?.split('\n')[0], 'event: call.ended')
})

EventsApi('needs the token, and refuses what is no filter', async () => {
  assert.is((await follow('', { authorization: 'Bearer wrong' })).message.statusCode, 401)
  for (const [query, field] of [
    ['?types=call', 'types[0]'],
    ['?types=', 'types[0]'],
    ['?types=call.ended,,call.started', 'types[1]'],
    ['?trunk_id=%2F', 'trunk_id'],
    ['?agent_id=', 'agent_id'],
    ['?phone_number=%3Cscript%3E', 'phone_number'],
    ['?since=1', 'since'],
  ] as const) {
    const answer = await test.ask('GET', `/v1/events${query}`)
    assert.is(answer.status, 400, query)
    assert.is(answer.body.errors?.[0]?.field, field, query)
  }
  assert.is((await test.ask('POST', '/v1/events', {})).status, 405)
  assert.is(services.eventListeners.size, 0)
})

EventsApi(
  '[A15] ends once its token is revoked or has expired, that of others goes on, and no timer is left',
  async () => {
    const [revoked, brief, other] = await Promise.all([
      services.tokenOf('viewer'),
      services.tokenOf('viewer', null, '2026-01-01T00:00:02.500Z'),
      services.tokenOf('viewer'),
    ])
    const streams: Followed[] = []
    for (const token of [revoked, brief, other, TOKEN])
      streams.push(await follow('', { authorization: `Bearer ${token}` }))
    await listeners(4)
    await test.ask('DELETE', `/v1/tokens/${revoked.split('_')[1]}`)
    services.clock.advance(1_000)
    await eventually('the revoked one ends', () => streams[0]!.closed)
    await listeners(3)
    services.away = true
    services.clock.advance(1_000)
    await wait(20)
    assert.is(services.eventListeners.size, 3, 'while Redis is away nobody is cut off for what cannot be told')
    services.clock.advance(1_000)
    await eventually('the one that expired ends', () => streams[1]!.closed)
    await listeners(2)
    assert.equal(
      streams.map(({ closed }) => closed),
      [true, true, false, false],
    )
    for (const { message } of streams) message.destroy()
    await listeners(0)
    assert.is(services.clock.pending, 0)
  },
)

EventsApi('is filtered by type, trunk, agent and number', async () => {
  const all = {
    types: await follow('?types=call.ended,registration'),
    trunk: await follow('?trunk_id=pbx'),
    agent: await follow('?agent_id=back'),
    number: await follow('?phone_number=+14155550199'),
  }
  await listeners(4)
  tell(registration, '1-1')
  tell(started('c1'), '1-2')
  tell(started('c2', { agent_id: 'back', trunk_id: 'other' }), '1-3')
  tell(started('c3', { phone_number: '+14155550199', trunk_id: 'other' }), '1-4')
  tell(ended('c1'), '1-5')
  for (const listener of services.eventListeners) listener.reset()
  for (const followed of Object.values(all)) await followed.expect(': reset')
  const idsOf = ({ text }: Followed): string[] => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!)
  assert.equal(idsOf(all.types), ['1-1', '1-5'])
  assert.equal(idsOf(all.trunk), ['1-1', '1-2', '1-5'])
  assert.equal(idsOf(all.agent), ['1-3'])
  assert.equal(idsOf(all.number), ['1-4'])
})

EventsApi('goes on from Last-Event-ID, and says "reset" when that cannot be', async () => {
  await follow('', { 'last-event-id': '17-3' })
  await listeners(1)
  services.resumes = false
  const followed = await follow('', { 'last-event-id': 'nonsense' })
  await followed.expect(': reset\n\n')
  assert.equal(services.resumedFrom, ['17-3', 'nonsense'])
})

EventsApi('says something every 15 s when nothing happens', async () => {
  const followed = await follow()
  await listeners(1)
  services.clock.advance(14_999)
  tell(started('c1'), '1-1')
  services.clock.advance(14_999)
  assert.not.match(followed.text, 'keep-alive')
  services.clock.advance(1)
  await followed.expect(': keep-alive\n\n')
  services.clock.advance(30_000)
  await eventually('two more', () => followed.text.split(': keep-alive').length === 4)
})

EventsApi('tells a client with a filter how far the stream has come, so that it can go on from there', async () => {
  const followed = await follow('?types=call.ended')
  await listeners(1)
  tell(started('c1'), '1-1')
  tell(started('c2'), '1-2')
  services.clock.advance(15_000)
  await followed.expect(': keep-alive\nid: 1-2\n\n')
  services.clock.advance(15_000)
  await followed.expect(': keep-alive\n\n')
})

EventsApi('a client that goes leaves nothing behind', async () => {
  const followed = await follow()
  await listeners(1)
  followed.message.destroy()
  await listeners(0)
  assert.is(services.clock.pending, 0)
})

EventsApi('takes 100 clients and refuses the next one', async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => follow()))
  const refused = await test.ask('GET', '/v1/events')
  assert.is(refused.status, 503)
  assert.is(refused.body.code, 'TOO_MANY_LISTENERS')
  assert.is(refused.headers['retry-after'], '10')
  all[0]!.message.destroy()
  await listeners(99)
  assert.is((await follow()).message.statusCode, 200)
})

EventsApi('drops a client that does not read, and nobody else', async () => {
  const slow = await follow()
  slow.message.pause()
  const quick = await follow()
  await listeners(2)
  const long = started('c1', { from: 'x'.repeat(60_000) })
  for (let at = 0; at < 400 && services.eventListeners.size === 2; at++) {
    tell(long, `1-${at}`)
    if (at % 10 === 9) await wait(1)
  }
  await listeners(1)
  tell(started('last'), '2-1')
  await quick.expect('id: 2-1')
  slow.message.resume()
  await eventually('the slow one is told', () => slow.closed)
})

EventsApi('ends when the edge stops, slow readers included, and takes nobody new', async () => {
  const [followed, slow] = [await follow(), await follow()]
  slow.message.pause()
  await listeners(2)
  const slowly = [...services.eventListeners][1] as unknown as EventListener & { response: { writableLength: number } }
  const text = JSON.stringify(started('c1', { from: 'x'.repeat(60_000) }))
  // Until the system takes no more.
  while (slowly.response.writableLength < 200_000) slowly.event({ id: '1-1', event: started('c1'), text })
  const closed = test.api.close()
  await wait(50)
  services.clock.advance(500)
  await closed
  await eventually('it has ended', () => followed.closed)
  await listeners(0)
  assert.is(services.clock.pending, 0)
})

EventsApi('ends the stream when it cannot be followed', async () => {
  services.events.listen = () => Promise.reject(new Error('a bug'))
  const followed = await follow()
  await eventually('it has ended', () => followed.closed)
  await eventually('nobody is counted', () => services.listening === 0)
})

EventsApi('clients of one account take half of the places at most, and leave the others to others', async () => {
  const authorization = `Bearer ${await services.tokenOf('viewer', 'acme')}`
  await Promise.all(Array.from({ length: 50 }, () => follow('', { authorization })))
  const refused = await follow('', { authorization })
  assert.is(refused.message.statusCode, 503)
  assert.is(
    (await follow('', { authorization: `Bearer ${await services.tokenOf('viewer', 'umbra')}` })).message.statusCode,
    200,
  )
})

EventsApi.run()
