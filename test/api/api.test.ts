import { connect, type AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { problems } from '../../src/api/problem.js'
import { inject, startApi } from '../support/api-fakes.js'

const ApiErrors = suite('ApiErrors')

const assertProblem = (answer: Awaited<ReturnType<typeof inject>>, status: number, code: string): void => {
  assert.is(answer.status, status, answer.text)
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
  assert.is(answer.body.code, code)
  assert.is(answer.body.status, status)
  assert.is(answer.body.type, `urn:signalbox:problem:${code.toLowerCase().replaceAll('_', '-')}`)
  for (const field of ['title', 'detail', 'instance']) assert.type(answer.body[field], 'string')
  assert.not.match(answer.text, /\bat .*\.(js|ts):\d/)
}

ApiErrors('every kind of refusal is a problem document of RFC 9457', async () => {
  const { ask, services } = startApi()
  assertProblem(await ask('GET', '/nothing'), 404, 'ROUTE_NOT_FOUND')
  assertProblem(await ask('GET', '/v1/nothing'), 404, 'ROUTE_NOT_FOUND')
  assertProblem(await ask('GET', '/v1/agents/%zz'), 400, 'URL_MALFORMED')
  assertProblem(await ask('GET', `/v1/agents/${'a'.repeat(2000)}`), 414, 'URL_TOO_LONG')
  assertProblem(await ask('POST', '/v1/numbers', '{"a":'), 400, 'JSON_MALFORMED')
  assertProblem(await ask('POST', '/v1/numbers', 'x'.repeat(262_145)), 413, 'BODY_TOO_LARGE')
  assertProblem(await ask('POST', '/v1/numbers', 'x', { 'content-type': 'text/plain' }), 415, 'MEDIA_TYPE_UNSUPPORTED')
  assertProblem(await ask('POST', '/v1/numbers', '[]'), 400, 'VALIDATION_FAILED')
  assertProblem(await ask('POST', '/v1/numbers'), 400, 'VALIDATION_FAILED')
  services.nextError = new Error('secret inside')
  const broken = await ask('GET', '/v1/agents')
  assertProblem(broken, 500, 'INTERNAL_ERROR')
  assert.not.match(broken.text, 'secret inside')
  assert.ok(services.logged.some(({ message }) => message.startsWith('API: ')))
})

ApiErrors('405 names the methods that are allowed, for every path', async () => {
  const { ask } = startApi()
  const tries: [method: string, url: string, allow: string][] = [
    ['POST', '/v1/agents', 'GET, HEAD'],
    ['PATCH', '/v1/agents/x', 'DELETE, GET, HEAD, PUT'],
    ['PUT', '/v1/numbers/%2B14155550100', 'DELETE, GET, HEAD, PATCH'],
    ['DELETE', '/v1/numbers', 'GET, HEAD, POST'],
    ['POST', '/v1/trunks', 'GET, HEAD'],
    ['PATCH', '/v1/calls', 'GET, HEAD, POST'],
    ['GET', '/v1/route-tests', 'POST'],
    ['OPTIONS', '/v1/cdrs', 'GET, HEAD'],
    ['DELETE', '/v1/origination', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
  ]
  for (const [method, url, allow] of tries) {
    const answer = await ask(method, url, method === 'OPTIONS' ? undefined : 'not even JSON')
    assertProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    assert.is(answer.headers.allow, allow, `${method} ${url}`)
  }
})

ApiErrors('an empty JSON body of a DELETE is no error', async () => {
  const { ask } = startApi()
  assert.is((await ask('DELETE', '/v1/agents/none', '')).status, 404)
})

ApiErrors('answers under /v1 are not kept by caches', async () => {
  const { ask } = startApi()
  assert.is((await ask('GET', '/v1/agents')).headers['cache-control'], 'no-store')
  assert.is((await ask('GET', '/v1/nothing')).headers['cache-control'], 'no-store')
})

ApiErrors('the titles are one line each, and the codes follow the statuses', () => {
  for (const [code, { status, title }] of Object.entries(problems)) {
    assert.match(code, /^[A-Z]+(_[A-Z0-9]+)*$/)
    assert.ok(status >= 400 && status < 600)
    assert.ok(title.length > 0 && title.length < 80)
    if (code.endsWith('_NOT_FOUND')) assert.is(status, 404)
  }
})

ApiErrors('bytes that are not HTTP are answered as a problem too, and the connection ends', async () => {
  const { api } = startApi()
  await api.listen({ host: '127.0.0.1', port: 0 })
  try {
    const { port } = api.server.address() as AddressInfo
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(port, '127.0.0.1', () => socket.write('INVITE sip:x SIP/2.0\r\n\r\n'))
      socket.on('data', (bytes) => (text += bytes.toString()))
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(answer, 'application/problem+json')
    assert.match(answer, '"code":"REQUEST_MALFORMED"')
  } finally {
    await api.close()
  }
})

const Health = suite('Health')

Health('/healthz answers while the process does, /readyz 200 or 503 with every check, /metrics in text', async () => {
  const { api, services } = startApi()
  assert.equal((await inject(api, 'GET', '/healthz')).body, { status: 'ok' })
  const ready = await inject(api, 'GET', '/readyz')
  assert.is(ready.status, 200)
  assert.equal(ready.body.checks, { redis: { ok: true, detail: 'answers' } })
  services.ready = false
  const starting = await inject(api, 'GET', '/readyz')
  assert.is(starting.status, 503)
  assert.is(starting.body.status, 'starting')
  assert.equal(starting.body.checks, { redis: { ok: false, detail: 'does not answer' } })
  const metrics = await inject(api, 'GET', '/metrics')
  assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  assert.match(metrics.text, 'signalbox_redis_up 1')
})

Health('/v1/origination tells where to send calls', async () => {
  const { ask } = startApi()
  const { body } = await ask('GET', '/v1/origination')
  assert.equal(body, {
    origination_uris: ['sip:127.0.0.1:5060;transport=udp', 'sip:127.0.0.1:5060;transport=tcp'],
    signalling_addresses: ['127.0.0.1'],
    transports: ['udp', 'tcp'],
  })
})

ApiErrors.run()
Health.run()
