import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreError } from '../../../src/store/errors.js'
import { credentials, MemoryBindings, RegistrarBench, trunk } from './registrar-bench.js'

const Auth = suite('Who registers')

Auth('is asked for digest credentials, SHA-256 before MD5 (RFC 8760)', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const { status, headers } = await bench.raw({ contact: '<sip:pbx@192.0.2.7>' })
  assert.is(status, 401)
  const algorithms = Object.values(headers).map((line) => /algorithm=([A-Z0-9-]+)/.exec(line)?.[1])
  assert.equal(algorithms, ['SHA-256', 'MD5'])
})

Auth('gets the same answer for an unknown user and for a wrong password', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const wrong = await bench.send({ password: 'wrong', contact: '<sip:pbx@192.0.2.7>' })
  const unknown = await bench.send({ user: 'nobody', aor: 'nobody', contact: '<sip:pbx@192.0.2.7>' })
  assert.equal(wrong, unknown)
  assert.is(wrong.status, 403)
  assert.is(bench.store.records.size, 0)
})

Auth('cannot tell by the realm whether a user is there', async () => {
  const inbound_auth = { username: 'other', realm: 'elsewhere' }
  const bench = await new RegistrarBench().start(trunk('pbx'), trunk('pbx-2', { inbound_auth }))
  const realmOf = async (aor: string): Promise<string> =>
    /realm="([^"]+)"/.exec(Object.values((await bench.raw({ aor })).headers)[0] ?? '')?.[1] ?? ''
  const names = Array.from({ length: 32 }, (_, i) => `nobody-${i}`)
  const realms = await Promise.all(names.map(realmOf))
  assert.equal([...new Set(realms)].sort(), ['elsewhere', 'signalbox'])
  assert.equal(await Promise.all(names.map(realmOf)), realms)
  assert.is(await realmOf('other'), 'elsewhere')
})

Auth('may not replay credentials', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const sent = { contact: '<sip:pbx@192.0.2.7>' }
  const shown = credentials(await bench.raw(sent), {})
  assert.is((await bench.raw(sent, shown)).status, 200)
  const again = await bench.raw(sent, shown)
  assert.is(again.status, 401)
  assert.match(Object.values(again.headers)[0] ?? '', 'stale=true')
})

Auth('may bind its own address-of-record alone: 403 for another user, 404 for another host', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx', { username: '2001', sip_domain: 'pbx.example.com:5070' }))
  const contact = '<sip:pbx@192.0.2.7>'
  assert.is((await bench.send({ aor: 'somebody', contact })).status, 403)
  assert.is((await bench.send({ contact, headers: { to: '<sip:line@elsewhere.example.com>' } })).status, 404)
  assert.is((await bench.send({ contact, headers: { to: '<sip:line@pbx.example.com>' } })).status, 200)
  assert.is((await bench.send({ aor: '2001', contact })).status, 200, 'the username of the trunk is its AOR too')
})

Auth('is told apart from another account with the same user by the password', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'), trunk('pbx-2', { account_id: 'two' }))
  assert.is((await bench.send({ password: 'secret of pbx-2', contact: '<sip:a@192.0.2.7>' })).status, 200)
  assert.equal([...bench.store.records.keys()], ['pbx-2'])
  assert.is(bench.store.records.get('pbx-2')?.account_id, 'two')
})

Auth('hears 503 with Retry-After while Redis is away', async () => {
  class Away extends MemoryBindings {
    override update(): Promise<never> {
      return Promise.reject(new StoreError('UNAVAILABLE', 'Redis is away'))
    }
  }
  const bench = await new RegistrarBench({ store: new Away() }).start(trunk('pbx'))
  const answer = await bench.send({ contact: '<sip:pbx@192.0.2.7>' })
  assert.is(answer.status, 503)
  assert.is(answer.headers['Retry-After'], '10')
})

const Answer = suite('The answer to a REGISTER')

Answer('lists all contacts with their expiries, and the Date (RFC 3261 10.3 step 8)', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  await bench.send({ contact: '<sip:a@192.0.2.7>;q=0.5;expires=120' })
  await bench.advance(20_000)
  const { status, headers } = await bench.send({ contact: '<sip:b@192.0.2.7>', headers: { expires: '600' } })
  assert.is(status, 200)
  assert.is(headers['Contact'], '<sip:a@192.0.2.7>;expires=100;q=0.5, <sip:b@192.0.2.7>;expires=600')
  assert.is(headers['Date'], bench.clock.date().toUTCString())
})

Answer('without a Contact in the REGISTER changes nothing', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  await bench.send({ contact: '<sip:a@192.0.2.7>' })
  const before = JSON.stringify(bench.store.records.get('pbx'))
  const { status, headers } = await bench.send({ callId: 'another' })
  assert.is(status, 200)
  assert.is(headers['Contact'], '<sip:a@192.0.2.7>;expires=300')
  assert.is(JSON.stringify(bench.store.records.get('pbx')), before)
})

Answer('to less than the shortest expiry is 423 with Min-Expires, and nothing is bound', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const { status, headers } = await bench.send({ contact: '<sip:a@192.0.2.7>;expires=59, <sip:b@192.0.2.7>' })
  assert.is(status, 423)
  assert.is(headers['Min-Expires'], '60')
  assert.is(bench.store.records.size, 0)
})

Answer('takes Path and the flow back when the PBX knows them (RFC 3327, RFC 5626)', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const headers = { path: '<sip:192.0.2.9;lr>', supported: 'path, outbound' }
  const contact = '<sip:a@192.0.2.7>;+sip.instance="<urn:uuid:1>";reg-id=1'
  const answer = await bench.send({ contact, headers })
  assert.is(answer.headers['Path'], '<sip:192.0.2.9;lr>')
  assert.is(answer.headers['Require'], 'outbound')
  assert.is(answer.headers['Contact'], '<sip:a@192.0.2.7>;expires=300;+sip.instance="<urn:uuid:1>";reg-id=1')
})

Answer('to what cannot be kept is 400, which names the header', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const refused: [Record<string, string>, RegExp][] = [
    [{ contact: '<sip:a@192.0.2.7?X-Evil=1>' }, /Contact/],
    [{ contact: '<sip:a@192.0.2.7;maddr=10.0.0.1>' }, /maddr/],
    [{ contact: '<tel:+14155550100>' }, /Contact/],
    [{ contact: `<sip:${'a'.repeat(600)}@192.0.2.7>` }, /512/],
    [{ contact: '<sip:a@192.0.2.7>, *' }, /Contact: \*/],
    [{ contact: '*', expires: '60' }, /Contact: \*/],
    [{ contact: '*' }, /Contact: \*/],
    [{ contact: Array.from({ length: 21 }, (_, i) => `<sip:${i}@192.0.2.7>`).join(',') }, /Contacts/],
    [{ contact: `<sip:a@192.0.2.7>;x=${'y'.repeat(9_000)}` }, /Contact/],
    [{ contact: '<sip:a@192.0.2.7>;q=2' }, /q of Contact/],
    [{ contact: '<sip:a@192.0.2.7>;+sip.instance="evil>"' }, /instance/],
    [{ contact: '<sip:a@192.0.2.7>', path: '<sip:192.0.2.9>' }, /Path/],
    [{ contact: '<sip:a@192.0.2.7>', cseq: '1 INVITE' }, /CSeq/],
    [{ contact: '<sip:a\u0000b@192.0.2.7>' }, /Contact/],
  ]
  for (const [headers, reason] of refused) {
    const answer = await bench.send({ headers })
    assert.is(answer.status, 400, JSON.stringify(headers).slice(0, 100))
    assert.match(answer.reason, reason)
  }
  assert.is(bench.store.records.size, 0)
})

const Changing = suite('Contacts of a PBX')

Changing('are all bound or none, whatever others write meanwhile', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const other = await new RegistrarBench({ clock: bench.clock, store: bench.store, edgeId: 'edge-2' }).start(
    trunk('pbx'),
  )
  await other.send({ contact: '<sip:c@192.0.2.8>', callId: 'other' })
  const theirs = bench.store.records.get('pbx')!
  bench.store.records.clear()
  bench.store.between = () => bench.store.records.set('pbx', theirs)
  assert.is((await bench.send({ contact: '<sip:a@192.0.2.7>, <sip:b@192.0.2.7>' })).status, 200)
  const contacts = bench.store.records.get('pbx')?.bindings.map(({ contact }) => contact)
  assert.equal(contacts, ['sip:c@192.0.2.8', 'sip:a@192.0.2.7', 'sip:b@192.0.2.7'])
  assert.is((await bench.send({ contact: '<sip:d@192.0.2.7>' })).status, 403, 'three at most')
  assert.is(bench.store.records.get('pbx')?.bindings.length, 3)
})

Changing('are told of as they come, go and end: each once', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const types = (): string[] => bench.events.splice(0).map(({ type }) => type)
  await bench.send({ contact: '<sip:a@192.0.2.7>;expires=60, <sip:b@192.0.2.7>' })
  assert.equal(types(), ['binding.created', 'binding.created'])
  await bench.send({ contact: '<sip:b@192.0.2.7>' })
  assert.equal(types(), [])
  await bench.send({ contact: '<sip:b@192.0.2.7>;expires=0' })
  assert.equal(types(), ['binding.removed'])
  for (let s = 0; s < 70; s++) await bench.advance(1_000)
  assert.equal(types(), ['binding.expired'])
  assert.is(bench.store.records.size, 0)
  assert.is(bench.gauge, 0)
  assert.equal(bench.known.get('pbx'), [])
})

Changing('are seen by another edge within a second, which ends those of an edge that died', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const other = await new RegistrarBench({ clock: bench.clock, store: bench.store, edgeId: 'edge-2' }).start(
    trunk('pbx'),
  )
  await bench.send({ contact: '<sip:a@192.0.2.7>;expires=60' })
  await other.advance(1_000)
  assert.is(other.location.view('pbx')[0]?.contact, 'sip:a@192.0.2.7')
  assert.is(other.location.view('pbx')[0]?.edge_id, 'edge-1')
  assert.equal(other.known.get('pbx'), ['192.0.2.7'])
  bench.location.stop()
  for (let s = 0; s < 66; s++) await other.advance(1_000)
  assert.equal(
    other.events.map(({ type }) => type),
    ['binding.expired'],
  )
  assert.is(bench.store.records.size, 0)
})

Changing('end with the trunk, with register_in, and with its inbound_auth', async () => {
  for (const change of [
    (bench: RegistrarBench) => bench.remove('pbx'),
    (bench: RegistrarBench) => bench.learn(trunk('pbx', { register_in: false })),
    (bench: RegistrarBench) => bench.learn(trunk('pbx', { inbound_auth: { username: 'new', realm: 'signalbox' } })),
  ]) {
    const bench = await new RegistrarBench().start(trunk('pbx'))
    await bench.send({ contact: '<sip:a@192.0.2.7>' })
    change(bench)
    await bench.settle()
    assert.is(bench.store.records.size, 0)
    assert.equal(bench.location.targets('pbx'), [])
    assert.is(bench.events.at(-1)?.type, 'binding.removed')
  }
})

Changing('are called over the connection they came on, until it is closed', async () => {
  const bench = await new RegistrarBench().start(trunk('pbx'))
  const from = { source: '192.0.2.7', port: 40_000, protocol: 'tcp' }
  await bench.send({ ...from, contact: '<sip:a@10.0.0.7;transport=tcp>' })
  const [target] = bench.location.targets('pbx')
  assert.is(`${target?.transport} ${target?.address}:${target?.port}`, 'tcp 192.0.2.7:40000')
  assert.equal(bench.location.at({ address: '192.0.2.7', port: 40_000, protocol: 'tcp' }), ['pbx'])
  assert.equal(bench.location.at({ address: '192.0.2.7', port: 40_001, protocol: 'tcp' }), [])
  // Its port may be another's when the connection is closed.
  bench.location.flowClosed({ address: '192.0.2.7', port: 40_000, protocol: 'tcp' })
  assert.equal(bench.location.at({ address: '192.0.2.7', port: 40_000, protocol: 'tcp' }), [])
  bench.location.flowClosed({ address: '192.0.2.7', port: 40_000, protocol: 'tcp' })
  assert.equal(bench.location.targets('pbx'), [])
  await bench.send({ ...from, port: 40_002, contact: '<sip:a@10.0.0.7;transport=tcp>' })
  assert.is(bench.location.targets('pbx')[0]?.port, 40_002)
  await bench.send({ ...from, protocol: 'tls', contact: '<sip:a@10.0.0.7;transport=tls>' })
  assert.equal(
    bench.location
      .targets('pbx')
      .map(({ transport, connected }) => `${transport} ${connected}`)
      .sort(),
    ['tcp undefined', 'tls true'],
  )
})

Auth.run()
Answer.run()
Changing.run()
