import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../../src/model/registration.js'
import { PathsElsewhere } from '../../../src/trunks/registration/paths-elsewhere.js'
import { sampleRegistration } from '../../support/api-fakes.js'
import { ManualClock } from '../../support/manual-clock.js'

const Elsewhere = suite('Trunks that other edges register')

const ROUTE = 'sip:edge.carrier.example;lr'

function pathsOf(fields: Partial<Registration>) {
  const clock = new ManualClock()
  const expires_at = new Date(clock.date().getTime() + 60_000).toISOString()
  const record = sampleRegistration('one', { expires_at, ...fields })
  return new PathsElsewhere(clock, { get: () => Promise.resolve(record) }).of('one')
}

Elsewhere('calls go to the server, and by the Service-Route, that their owner wrote', async () => {
  assert.equal(await pathsOf({ service_route: [ROUTE] }), {
    target: { transport: 'tcp', address: '192.0.2.7', port: 5065 },
    serviceRoute: [ROUTE],
  })
})

Elsewhere('a Service-Route in Redis that is none ends in no request', async () => {
  for (const service_route of [
    [ROUTE, 'sip:a@h>\r\nX-Evil: 1\r\nX-A: <'],
    ['sip:a@h>, <sip:b@h'],
    ['sip:a@h\nX-Evil: 1'],
    ['tel:+1'],
    [''],
    [`sip:${'a'.repeat(600)}@h`],
    Array.from({ length: 9 }, () => ROUTE),
  ])
    assert.equal((await pathsOf({ service_route }))?.serviceRoute, [], JSON.stringify(service_route).slice(0, 60))
})

Elsewhere.run()
