import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseNameAddr, parseUri } from '../../src/engine/index.js'
import { breaksText, hostileValues } from '../support/hostile-values.js'
import { startApi } from '../support/api-fakes.js'

const RouteTests = suite('RouteTests')

RouteTests('a number is asked as the INVITE it stands for', async () => {
  const { ask, services } = startApi()
  const answer = await ask('POST', '/v1/route-tests', {
    to: '+14155550100',
    from: '+13125550199',
    source_address: '127.0.0.1',
    headers: { Diversion: '<sip:+14155550111@pbx>' },
  })
  assert.is(answer.status, 200)
  assert.is(answer.body.code, 'NUMBER_UNKNOWN')
  const request = services.decided[0]
  assert.is(request?.requestUri, 'sip:+14155550100@signalbox.invalid')
  assert.is(request?.sourceAddress, '127.0.0.1')
  assert.is(request?.header('To'), '<sip:+14155550100@signalbox.invalid>')
  assert.match(request?.header('from') ?? '', /^<sip:\+13125550199@/)
  assert.is(request?.header('diversion'), '<sip:+14155550111@pbx>')
  assert.is(request?.header('x-none'), undefined)
})

RouteTests('a URI is asked as it is', async () => {
  const { ask, services } = startApi()
  for (const to of ['sip:+14155550100@pbx.example.com;user=phone', 'tel:+14155550100']) {
    assert.is((await ask('POST', '/v1/route-tests', { to, source_address: '::1' })).status, 200)
    assert.is(services.decided.at(-1)?.requestUri, to)
  }
})

RouteTests('whatever stands in `to`, the request is one URI or the field is refused by name', async () => {
  const { ask, services } = startApi()
  for (const value of hostileValues) {
    const before = services.decided.length
    const answer = await ask('POST', '/v1/route-tests', { to: value, from: value, source_address: '127.0.0.1' })
    if (answer.status === 400) {
      assert.ok(answer.body.errors?.some(({ field }) => field === 'to'))
      assert.is(services.decided.length, before)
      continue
    }
    assert.is(answer.status, 200)
    assert.not.ok(breaksText(value), JSON.stringify(value.slice(0, 40)))
    const request = services.decided.at(-1)
    assert.ok(parseUri(request?.requestUri ?? '') !== undefined, request?.requestUri)
    assert.is(parseNameAddr(request?.header('to') ?? '')?.uri, request?.requestUri)
  }
})

RouteTests('the source must be an IP address; reserved headers are refused by name', async () => {
  const { ask } = startApi()
  for (const source_address of ['localhost', '127.0.0.1/32', '127.1', 'fe80::1%lo', '', '[::1]', 7]) {
    const answer = await ask('POST', '/v1/route-tests', { to: '+14155550100', source_address })
    assert.is(answer.status, 400)
    assert.is(answer.body.errors?.[0]?.field, 'source_address')
  }
  const answer = await ask('POST', '/v1/route-tests', {
    to: '+14155550100',
    source_address: '127.0.0.1',
    headers: { Via: 'x' },
  })
  assert.is(answer.body.errors?.[0]?.field, 'headers.Via')
})

RouteTests.run()
