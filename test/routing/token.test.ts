import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Decision } from '../../src/model/decision.js'
import { ContactTokens } from '../../src/store/contact-tokens.js'
import { inviteTo, RoutingBench } from '../support/routing-bench.js'

const NUMBER = '+14155550100'
const STRANGER = '198.51.100.7'
const TOKEN = new ContactTokens({ present: new Uint8Array(32), former: [] }).of({ account_id: 'default', id: 'pbx-1' })

const ContactToken = suite('Calls to a registered Contact')

function registered(): RoutingBench {
  const bench = new RoutingBench()
  bench.tokens.set(TOKEN, 'pbx-1')
  return bench
}

async function decide(bench: RoutingBench, ...request: Parameters<typeof inviteTo>): Promise<Decision> {
  return (await bench.router.decide(inviteTo(...request))).decision
}

ContactToken('the token in the user part names the trunk, wherever the call comes from', async () => {
  const decision = await decide(registered(), `sip:${TOKEN}@127.0.0.1:5060`, { to: `<sip:${NUMBER}@pbx>` }, STRANGER)
  assert.is(decision.outcome, 'agent')
  assert.is(decision.trunk_id, 'pbx-1')
  assert.is(decision.trace.identified_by, 'token')
  assert.equal(decision.trace.trunks_tried, [
    {
      trunk_id: 'pbx-1',
      account_id: 'default',
      matched: true,
      why: 'Contact token of the registration',
      rule: 'contact-token',
    },
  ])
})

ContactToken('the token in the sbt parameter does too, and the DID that replaced the user is read', async () => {
  const decision = await decide(registered(), `sip:${NUMBER}@127.0.0.1:5060;sbt=${TOKEN}`, {}, STRANGER)
  assert.is(decision.outcome, 'agent')
  assert.is(decision.trace.identified_by, 'token')
  assert.equal(decision.trace.sources_read[0], {
    source: 'request-uri',
    value: NUMBER,
    normalised: [NUMBER],
    found: NUMBER,
  })
})

ContactToken(
  'a Request-URI whose user is the token counts as absent; the other sources follow in their order',
  async () => {
    const headers = { to: '<sip:office@pbx>', 'p-called-party-id': `<sip:${NUMBER}@pbx>` }
    const decision = await decide(registered(), `sip:${TOKEN}@edge;sbt=${TOKEN}`, headers, STRANGER)
    assert.is(decision.outcome, 'agent')
    assert.equal(
      decision.trace.sources_read.slice(0, 3).map(({ source, value }) => [source, value]),
      [
        ['request-uri', null],
        ['to', 'office'],
        ['p-called-party-id', NUMBER],
      ],
    )
  },
)

ContactToken('the token is in no decision, whatever comes of the call', async () => {
  for (const [uri, headers] of [
    [`sip:${TOKEN}@edge;sbt=${TOKEN}`, { to: `<sip:${TOKEN}@pbx>` }],
    [`sip:${TOKEN}@edge`, { to: `<sip:+13125550199@pbx>` }],
    [`sip:${TOKEN}@edge`, { to: `<sip:${NUMBER}@pbx>` }],
    [`sip:sbtaaaaaaaaaaaaaaaaaaaa@edge`, { to: `<sip:${NUMBER}@pbx>` }],
  ] as const) {
    const decision = await decide(registered(), uri, headers, STRANGER)
    assert.not.match(JSON.stringify(decision), /sbt[a-z2-7]{20}/)
  }
})

ContactToken('a wrong token, a part of one, and one that is longer are as no token', async () => {
  for (const wrong of [`${TOKEN}x`, TOKEN.slice(0, -1), TOKEN.replace(/.$/, TOKEN.endsWith('a') ? 'b' : 'a')]) {
    const decision = await decide(registered(), `sip:${wrong}@edge`, { to: `<sip:${NUMBER}@pbx>` }, STRANGER)
    assert.is(decision.code, 'SOURCE_UNKNOWN', wrong)
    assert.is(decision.trace.identified_by, null)
    const known = await decide(registered(), `sip:${NUMBER}@edge;sbt=${wrong}`)
    assert.is(known.trace.identified_by, 'address', wrong)
  }
})

ContactToken(
  "a number of another trunk is not reached by this trunk's Contact, even from an address that trunk allows",
  async () => {
    const bench = registered()
    bench.addTrunk('pbx-2', { allowed_addresses: [`${STRANGER}/32`] })
    bench.addNumber('+14155550111', { trunk_id: 'pbx-2' })
    const decision = await decide(bench, `sip:${TOKEN}@edge`, { to: '<sip:+14155550111@pbx>' }, STRANGER)
    assert.is(decision.code, 'NUMBER_NOT_ON_TRUNK')
    assert.match(decision.trace.nearest_miss ?? '', 'the call came to the Contact of trunk pbx-1')
  },
)

ContactToken('tokens differ by trunk, account and key, follow from them, and outlive a change of key', () => {
  const trunk = { account_id: 'default', id: 'pbx-1' }
  const old = new ContactTokens({ present: new Uint8Array(32), former: [] })
  const renewed = new ContactTokens({ present: new Uint8Array(32).fill(1), former: [new Uint8Array(32)] })
  assert.match(TOKEN, /^sbt[a-z2-7]{20}$/)
  assert.is(old.of(trunk), new ContactTokens({ present: new Uint8Array(32), former: [] }).of(trunk))
  const others = [old.of({ ...trunk, id: 'pbx-2' }), old.of({ ...trunk, account_id: 'other' }), renewed.of(trunk)]
  assert.is(new Set([old.of(trunk), ...others]).size, 4)
  assert.equal(renewed.all(trunk), [renewed.of(trunk), old.of(trunk)])
})

ContactToken.run()
