import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decisionSchema, type Decision } from '../../src/model/decision.js'
import type { DidSource } from '../../src/model/trunk.js'
import { inviteTo, RoutingBench } from '../support/routing-bench.js'

const NUMBER = '+14155550100'
const ALL: DidSource[] = ['request-uri', 'to', 'p-called-party-id', 'diversion', 'history-info']

const RouterOfCalls = suite('The router')

async function decide(bench: RoutingBench, ...request: Parameters<typeof inviteTo>): Promise<Decision> {
  const { decision } = await bench.router.decide(inviteTo(...request))
  return decisionSchema.parse(decision)
}

RouterOfCalls('finds the number in every shape of INVITE', async () => {
  const rows: [string, string, Record<string, string>?, { did_from?: DidSource[]; country?: string }?][] = [
    ['plus', `sip:${NUMBER}@edge.example.com`],
    ['plus, port and parameters', `sip:${NUMBER}@127.0.0.1:5060;transport=tcp;user=phone`],
    ['escaped plus', 'sip:%2B14155550100@edge'],
    ['sips', `sips:${NUMBER}@edge`],
    ['user and password', `sip:${NUMBER}:secret@edge`],
    ['visual separators', 'sip:+1-(415)-555.0100@edge;user=phone'],
    ['E.164 without plus', 'sip:14155550100@edge'],
    ['00', 'sip:0014155550100@edge'],
    ['011', 'sip:01114155550100@edge'],
    ['00 on a US trunk', 'sip:0014155550100@edge', {}, { country: 'US' }],
    ['011 on a US trunk', 'sip:01114155550100@edge', {}, { country: 'US' }],
    ['national with the country of the trunk', 'sip:4155550100@edge', {}, { country: 'US' }],
    ['tel', 'tel:+1-415-555-0100'],
    ['tel with phone-context', 'tel:555-0100;phone-context=+1-415'],
    ['local tel with a domain as context', 'tel:4155550100;phone-context=example.com', {}, { country: 'US' }],
    ['user with phone-context', 'sip:5550100;phone-context=+1415@edge;user=phone'],
    ['user with phone-context and other parameters', 'sip:+14155550100;npdi;Phone-Context=+1@edge;user=phone'],
    ['To, when the Request-URI is our Contact', 'sip:edge@127.0.0.1:5060', { to: `"Us" <sip:${NUMBER}@pbx>;tag=1` }],
    ['To without brackets', 'sip:127.0.0.1', { to: `sip:${NUMBER}@pbx;tag=1` }],
    ['To with tel', 'sip:127.0.0.1', { to: `<tel:${NUMBER}>` }],
    ['P-Called-Party-ID', 'sip:edge@127.0.0.1', { to: '<sip:edge@x>', 'p-called-party-id': `<sip:${NUMBER}@ims>` }],
    [
      'Diversion, the latest first',
      'sip:100000@pbx',
      { diversion: `<sip:${NUMBER}@a>;reason=unconditional, <sip:+13125550199@b>` },
    ],
    [
      'History-Info, the first target',
      'sip:edge@127.0.0.1',
      { 'history-info': `<sip:${NUMBER}@a?Reason=SIP%3Bcause%3D302>;index=1, <sip:edge@b>;index=1.1` },
    ],
    ['a named header', 'sip:edge@x', { 'x-did': NUMBER }, { did_from: ['header:X-DID'] }],
    [
      'a named header with parameters',
      'sip:edge@x',
      { 'x-did': ` 14155550100 ;a=b, 2` },
      { did_from: ['header:X-DID'] },
    ],
    ['a named header with a URI', 'sip:edge@x', { 'x-did': `<sip:${NUMBER}@x>` }, { did_from: ['header:X-DID'] }],
    [
      'the second of its sources',
      'sip:+13125550199@x',
      { to: `<sip:${NUMBER}@x>` },
      { did_from: ['header:X-DID', 'to'] },
    ],
  ]
  for (const [shape, requestUri, headers, fields] of rows) {
    const bench = new RoutingBench()
    bench.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1/32'], did_from: ALL, ...fields })
    const decision = await decide(bench, requestUri, headers)
    assert.is(decision.outcome, 'agent', `${shape}: ${decision.detail}`)
    assert.is(decision.phone_number, NUMBER, shape)
    assert.is(decision.trunk_id, 'pbx-1')
    assert.is(decision.agent_id, 'front')
    assert.equal(decision.targets, ['sip:front@127.0.0.1:5090'])
    assert.is(decision.trace.identified_by, 'address')
    assert.is(decision.trace.looked_up, 'redis')
    assert.ok(
      decision.trace.sources_read.some(({ found }) => found === NUMBER),
      shape,
    )
  }
})

RouterOfCalls('finds an extension as it is dialled', async () => {
  const bench = new RoutingBench()
  bench.addNumber('*98#', { kind: 'extension' })
  bench.addNumber('100', { kind: 'extension' })
  assert.is((await decide(bench, 'sip:100@pbx')).phone_number, '100')
  assert.is((await decide(bench, 'sip:*98%23@pbx')).phone_number, '*98#')
})

RouterOfCalls('takes the sources in the order of the trunk', async () => {
  const bench = new RoutingBench()
  bench.addNumber('+14155550101', { inbound_agent_id: 'front' })
  bench.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1'], did_from: ['to', 'request-uri'] })
  const headers = { to: '<sip:+14155550101@x>' }
  assert.is((await decide(bench, `sip:${NUMBER}@x`, headers)).phone_number, '+14155550101')
  bench.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1'], did_from: ['request-uri', 'to'] })
  assert.is((await decide(bench, `sip:${NUMBER}@x`, headers)).phone_number, NUMBER)
})

RouterOfCalls('asks for all forms in one round trip, and not at all when memory knows the number', async () => {
  const bench = new RoutingBench()
  const headers = { to: '<sip:100@x>', diversion: '<sip:+13125550199@x>' }
  await decide(bench, 'sip:0014155550100@x', headers)
  assert.equal(bench.questions, [['0014155550100', NUMBER, '100', '+13125550199']])
  bench.questions.length = 0
  bench.warm.add(NUMBER)
  const warm = await decide(bench, `sip:${NUMBER}@x`, headers)
  assert.equal(bench.questions, [])
  assert.is(warm.trace.looked_up, 'memory')
  assert.equal(
    [...bench.metrics.lookups],
    [
      ['redis', 1],
      ['memory', 1],
    ],
  )
})

RouterOfCalls('tells two trunks behind one address apart by the number', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('acme', { allowed_addresses: ['127.0.0.1'], account_id: 'acme', country: 'DE' })
  bench.addAgent('acme-agent', { account_id: 'acme' })
  bench.addNumber('+4930901820', { trunk_id: 'acme', account_id: 'acme', inbound_agent_id: 'acme-agent' })
  const first = await decide(bench, `sip:${NUMBER}@edge`)
  assert.equal([first.trunk_id, first.account_id], ['pbx-1', 'default'])
  const second = await decide(bench, 'sip:030901820@edge')
  assert.equal([second.trunk_id, second.account_id, second.agent_id], ['acme', 'acme', 'acme-agent'])
  assert.equal(
    second.trace.trunks_tried.map(({ trunk_id, matched }) => [trunk_id, matched]),
    [['acme', true]],
    'what the other account has is not told',
  )
})

RouterOfCalls('asked by an account, counts and tells nothing of other accounts', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('acme/pbx', { allowed_addresses: ['127.0.0.1'], account_id: 'acme' })
  bench.addNumber('+14155550111', { trunk_id: 'acme/pbx', account_id: 'acme' })
  const ask = async (number: string, accountId: string) =>
    (await bench.router.decide({ ...inviteTo(`sip:${number}@edge`), accountId })).decision
  const theirs = await ask(NUMBER, 'acme')
  assert.equal(
    [theirs.code, theirs.account_id, theirs.detail],
    ['NUMBER_UNKNOWN', 'acme', `there is no record for ${NUMBER}`],
  )
  assert.not.match(JSON.stringify(theirs), /pbx-1|front/)
  assert.is((await ask(NUMBER, 'third')).code, 'SOURCE_UNKNOWN')
  const own = await ask('+14155550111', 'acme')
  assert.equal(
    own.trace.trunks_tried.map(({ trunk_id }) => trunk_id),
    ['pbx'],
    'under the id that the account gave it',
  )
})

RouterOfCalls(
  'tells two trunks that read different sources of one call apart by the host that was called',
  async () => {
    for (const [host, expected] of [
      ['one.example.com', 'one'],
      ['TWO.example.com', 'two'],
    ] as const) {
      const bench = new RoutingBench()
      const shared = { allowed_addresses: ['127.0.0.1'] }
      bench.addTrunk('one', { ...shared, sip_domain: 'one.example.com', did_from: ['header:X-One'] })
      bench.addTrunk('two', { ...shared, sip_domain: 'two.example.com:5060', did_from: ['header:X-Two'] })
      bench.addNumber('+14155550111', { trunk_id: 'one' })
      bench.addNumber('+14155550122', { trunk_id: 'two' })
      const headers = { 'x-one': '+14155550111', 'x-two': '+14155550122' }
      assert.is((await decide(bench, `sip:x@${host}`, headers)).trunk_id, expected)
    }
  },
)

RouterOfCalls('finds a trunk that memory has not heard of yet by its number', async () => {
  const bench = new RoutingBench()
  bench.coldTrunks.add('pbx-1')
  assert.is((await decide(bench, `sip:${NUMBER}@edge`)).agent_id, 'front')
  bench.addTrunk('other', { allowed_addresses: ['127.0.0.1'], did_from: ['header:X-DID'] })
  assert.is((await decide(bench, `sip:${NUMBER}@edge`)).agent_id, 'front', 'also when others share its address')
})

RouterOfCalls('lists the agent and its fall-backs as targets', async () => {
  const bench = new RoutingBench()
  bench.addAgent('front', { fallback_sip_uris: ['sip:b@127.0.0.1', 'sip:c@127.0.0.1'] })
  assert.equal((await decide(bench, `sip:${NUMBER}@edge`)).targets, [
    'sip:front@127.0.0.1:5090',
    'sip:b@127.0.0.1',
    'sip:c@127.0.0.1',
  ])
})

RouterOfCalls('refuses a stranger, and tells the record whose number was called', async () => {
  const bench = new RoutingBench()
  const decision = await decide(bench, `sip:${NUMBER}@edge`, {}, '127.0.0.66')
  assert.is(decision.code, 'SOURCE_UNKNOWN')
  assert.is(decision.sip_status, 403)
  assert.is(decision.detail, 'no trunk allows 127.0.0.66')
  assert.is(
    decision.trace.nearest_miss,
    `${NUMBER} is on trunk pbx-1, which allows 127.0.0.1/32; the call came from 127.0.0.66`,
  )
  assert.equal(decision.trace.trunks_tried, [
    { trunk_id: 'pbx-1', matched: false, why: '127.0.0.66 is not in 127.0.0.1/32', account_id: 'default', rule: null },
  ])
  assert.is(decision.phone_number, null)
  assert.is(decision.trunk_id, null)
  assert.equal(decision.targets, [])
  const stranger = await decide(bench, 'sip:+13125550199@edge', {}, '127.0.0.66')
  assert.is(stranger.code, 'SOURCE_UNKNOWN')
  assert.is(stranger.trace.nearest_miss, 'there is no record for +13125550199')
  const nothing = await decide(bench, 'sip:edge', {}, '127.0.0.66')
  assert.is(nothing.code, 'SOURCE_UNKNOWN')
  assert.is(nothing.trace.nearest_miss, 'no number could be read')
})

RouterOfCalls('refuses each thing that is wrong by its own code', async () => {
  const rows: [string, (bench: RoutingBench) => void, string, RegExp][] = [
    ['switched off', (b) => b.addNumber(NUMBER, { enabled: false }), 'NUMBER_DISABLED', /switched off/],
    ['no agent', (b) => b.addNumber(NUMBER, { inbound_agent_id: null }), 'NUMBER_HAS_NO_AGENT', /no inbound agent/],
    ['agent gone', (b) => b.agentRecords.delete('front'), 'AGENT_UNKNOWN', /front, which does not exist/],
    ['agent of another account', (b) => b.addAgent('front', { account_id: 'acme' }), 'AGENT_UNKNOWN', /accounts/],
    ['number unknown', (b) => b.numberRecords.clear(), 'NUMBER_UNKNOWN', /no record for \+14155550100/],
    ['number malformed', (b) => b.numberRecords.set(NUMBER, 'enabled: no'), 'NUMBER_RECORD_INVALID', /enabled: no/],
    [
      'agent malformed',
      (b) => b.agentRecords.set('front', 'is not JSON'),
      'NUMBER_RECORD_INVALID',
      /front does not parse: is not JSON/,
    ],
    [
      'trunk gone',
      (b) => b.addNumber(NUMBER, { trunk_id: 'gone' }),
      'NUMBER_NOT_ON_TRUNK',
      /trunk gone, which does not exist/,
    ],
    [
      'on another trunk',
      (b) => {
        b.addTrunk('pbx-2', { allowed_addresses: ['192.0.2.0/24', '198.51.100.7'] })
        b.addNumber(NUMBER, { trunk_id: 'pbx-2' })
      },
      'NUMBER_NOT_ON_TRUNK',
      /pbx-2, which allows 192\.0\.2\.0\/24, 198\.51\.100\.7; the call came from 127\.0\.0\.1/,
    ],
    [
      'on another trunk, which allows nobody',
      (b) => {
        b.addTrunk('pbx-2', { allowed_addresses: [] })
        b.addNumber(NUMBER, { trunk_id: 'pbx-2' })
      },
      'NUMBER_NOT_ON_TRUNK',
      /pbx-2, whose allowed_addresses is empty; the call came from 127\.0\.0\.1/,
    ],
    [
      'of an account that has no trunk at the address: as unknown as one that is not there',
      (b) => b.addNumber(NUMBER, { account_id: 'acme' }),
      'NUMBER_UNKNOWN',
      /^there is no record for \+14155550100 \| null$/,
    ],
    [
      'not where the trunk looks',
      (b) => b.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1'], did_from: ['header:X-DID'] }),
      'NUMBER_UNREADABLE',
      /stands in request-uri; that trunk reads header:X-DID/,
    ],
    ['Redis away and the number cold', (b) => (b.from = 'unavailable'), 'ROUTING_UNAVAILABLE', /Redis cannot be asked/],
  ]
  for (const [what, spoil, code, why] of rows) {
    const bench = new RoutingBench()
    spoil(bench)
    const decision = await decide(bench, `sip:${NUMBER}@edge`)
    assert.is(decision.code, code, `${what}: ${decision.detail}`)
    assert.is(decision.outcome, 'refused')
    assert.equal(decision.targets, [])
    assert.match(`${decision.detail} | ${decision.trace.nearest_miss}`, why, what)
  }
})

RouterOfCalls('says that nothing could be read when the request names nobody', async () => {
  const bench = new RoutingBench()
  for (const requestUri of ['sip:127.0.0.1', 'sip:@x', 'urn:service:sos', '', 'sip:a b@x', '<sip:+14155550100@x>']) {
    const decision = await decide(bench, requestUri, { to: '"<sip:unclosed', diversion: ',,,' })
    assert.is(decision.code, 'NUMBER_UNREADABLE', requestUri)
    assert.is(decision.sip_status, 484)
  }
  const alias = await decide(bench, 'sip:$%7Bjndi:x%7D@x')
  assert.is(alias.code, 'NUMBER_UNKNOWN')
})

RouterOfCalls('says that a trunk which sends national numbers has no country', async () => {
  const bench = new RoutingBench()
  const decision = await decide(bench, 'sip:4155550100@edge')
  assert.is(decision.code, 'NUMBER_UNKNOWN')
  assert.is(decision.trace.nearest_miss, '4155550100 may be a national number, but trunk pbx-1 has no country')
})

RouterOfCalls('serves what memory knows while Redis is away, and says that it could not be checked', async () => {
  const bench = new RoutingBench()
  bench.from = 'stale'
  const decision = await decide(bench, `sip:${NUMBER}@edge`)
  assert.is(decision.outcome, 'agent')
  assert.is(decision.trace.looked_up, 'stale')
  assert.is(bench.metrics.lookups.get('stale'), 1)
})

RouterOfCalls('does not call a source unknown before trunks have ever been loaded', async () => {
  const bench = new RoutingBench()
  bench.from = 'unavailable'
  bench.trunkRecords.clear()
  assert.is((await decide(bench, `sip:${NUMBER}@edge`)).code, 'SOURCE_UNKNOWN')
  bench.knowsTrunks = false
  const decision = await decide(bench, `sip:${NUMBER}@edge`)
  assert.is(decision.code, 'ROUTING_UNAVAILABLE')
  assert.is(decision.sip_status, 503)
  assert.is(bench.metrics.lookups.get('unavailable'), 2)
})

RouterOfCalls('keeps what strangers send short and printable in its record', async () => {
  const bench = new RoutingBench()
  const decision = await decide(
    bench,
    'sip:a%0d%0aX-Evil:%201%00@edge',
    { to: `<sip:${'a'.repeat(500)}@x>` },
    '127.0.0.1\r\nX: 1',
  )
  assert.is(decision.code, 'SOURCE_UNKNOWN')
  const text = JSON.stringify(decision)
  assert.not.match(text, /\\r|\\n|\\u00/)
  for (const { value } of decision.trace.sources_read) assert.ok((value ?? '').length <= 128)
})

RouterOfCalls('decides on hostile requests in linear time', async () => {
  const shapes: ((size: number) => string)[] = [
    (size) => '<'.repeat(size),
    (size) => '"'.repeat(size),
    (size) => '"\\'.repeat(size / 2),
    (size) => ','.repeat(size),
    (size) => ', '.repeat(size / 2),
    (size) => ' '.repeat(size),
    (size) => ';phone-context='.repeat(size / 15),
    (size) => `<sip:${'%2B'.repeat(size / 3)}@x>`,
    (size) => `<sip:${'+1'.repeat(size / 2)}@x>`,
    (size) => `<sip:${'1'.repeat(size)}@x>`,
    (size) => `<sip:+14155550100${';a=b'.repeat(size / 4)}@x>`,
    (size) => `<sip:+14155550100@x>,`.repeat(size / 21),
    (size) => `<sip:+1@${'a.'.repeat(size / 2)}>`,
    (size) => `tel:${'-'.repeat(size)}`,
    (size) => `sip:${':'.repeat(size)}@x`,
    (size) => '\t\u0000\ud800'.repeat(size / 3),
  ]
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1'], did_from: [...ALL, 'header:X-DID'] })
  for (const shape of shapes) {
    const text = shape(65_536)
    const headers = Object.fromEntries([...ALL, 'x-did'].map((name) => [name, text]))
    const tookMs: number[] = []
    for (let round = 0; round < 3; round++) {
      const startMs = performance.now()
      await decide(bench, text, headers)
      tookMs.push(performance.now() - startMs)
    }
    // The best of three: the machine may be busy. Anything worse than linear takes seconds.
    assert.ok(Math.min(...tookMs) < 50, `${text.slice(0, 20)}: ${tookMs.join(', ')} ms`)
  }
})

RouterOfCalls('answers when the directory fails', async () => {
  const bench = new RoutingBench()
  bench.numbers = () => Promise.reject(new Error('broken'))
  const decision = await decide(bench, `sip:${NUMBER}@edge`)
  assert.is(decision.code, 'INTERNAL_ERROR')
  assert.is(bench.log.matching('error', 'routing failed').length, 1)
})

RouterOfCalls.run()
