import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { destinationFault, transferFault } from '../../src/routing/allowed-destinations.js'
import { kindOf } from '../../src/routing/number-kind.js'
import { trunkFields, type TrunkFields } from '../../src/model/trunk.js'
import { RoutingBench } from '../support/routing-bench.js'
import { trunkOf } from '../support/trunk-bench.js'

const US = '+14155550100'
const faultOf = (number: string, fields: Partial<TrunkFields> = {}, presented: string | null = US) =>
  destinationFault(number, presented, trunkOf('pbx-1', fields))
const codeOf = (...of: Parameters<typeof faultOf>): string | undefined => faultOf(...of)?.code
const allow = (...allowed_destinations: string[]): Partial<TrunkFields> => ({ allowed_destinations })

const Allowed = suite('Where calls to a trunk may go')

Allowed(
  '[A10] is the country of the presented number where nothing is said, and the country decides, not the code',
  () => {
    assert.is(codeOf('+13125550199'), undefined)
    // The Dominican Republic, Jamaica, the Bahamas, Canada: all +1.
    for (const number of ['+18095551234', '+18765551234', '+12425551234', '+14165550123', '+442079460000'])
      assert.is(codeOf(number), 'DESTINATION_BARRED', number)
    assert.is(codeOf('+442079460000', {}, '+442079460001'), undefined)
    // Guernsey and Jersey have mobile numbers of +44.
    assert.is(codeOf('+447797123456', {}, '+442079460001'), 'DESTINATION_BARRED')
    assert.match(
      faultOf('+18095551234')?.why ?? '',
      /is in DO; allowed_destinations of trunk pbx-1: none, so that calls go to US only/,
    )
  },
)

Allowed('[A10] has numbers that are free of charge in all of North America wherever a country of it is allowed', () => {
  assert.is(codeOf('+18005551234', {}, '+14165550123'), undefined)
  assert.is(codeOf('+18885551234', allow('DE', 'CA')), undefined)
  assert.is(codeOf('+18005551234', allow('DE')), 'DESTINATION_BARRED')
  assert.is(codeOf('+18005551234', {}, '+442079460001'), 'DESTINATION_BARRED')
  assert.is(codeOf('+18095551234', {}, '+14165550123'), 'DESTINATION_BARRED')
})

Allowed('[A10] is the trunk’s country where an extension is presented, and nowhere when it has none', () => {
  assert.is(codeOf('+13125550199', { country: 'US' }, '200'), undefined)
  assert.is(codeOf('+442079460000', { country: 'US' }, '200'), 'DESTINATION_BARRED')
  assert.is(codeOf('+13125550199', {}, '200'), 'DESTINATION_BARRED')
})

Allowed('[A10] is what its list says: countries, beginnings of numbers, every country, or nothing', () => {
  const listed = allow('DE', '+4420', '+1809')
  for (const number of ['+4915112345678', '+442079460000', '+18095551234']) assert.is(codeOf(number, listed), undefined)
  for (const number of ['+13125550199', '+441614960000', '+33123456789'])
    assert.is(codeOf(number, listed), 'DESTINATION_BARRED', number)
  assert.is(codeOf('+18095551234', allow('*')), undefined)
  assert.is(codeOf('+13125550199', allow()), 'DESTINATION_BARRED')
})

Allowed(
  '[A10] is never a premium-rate, shared-cost, personal, satellite or network number that no prefix names',
  () => {
    const dear = {
      '+19005551234': '+190',
      '+15005550006': '+150',
      '+449098790000': '+4490',
      '+447024123456': '+4470',
      '+491801234567': '+4918',
      '+33899123456': '+3389',
      '+870773111632': '+870',
      '+881612345678': '+881',
      '+88213300655': '+882',
      '+883510012345': '+883',
      '+878101234567': '+878',
      '+888123456789': '+888',
      '+979123456789': '+979',
    }
    for (const [number, prefix] of Object.entries(dear)) {
      const { code, why = '' } =
        faultOf(number, allow('*', 'US', 'GB', 'DE', 'FR', '+1', '+4', '+44', '+49', '+33', '+8')) ?? {}
      assert.is(code, 'DESTINATION_HIGH_RISK', number)
      assert.ok(
        why.startsWith(`${number} is `) && why.includes(`name the prefix ${prefix} in allowed_destinations`),
        why,
      )
      assert.is(codeOf(number, allow(prefix)), undefined, number)
      assert.is(codeOf(number, allow(number)), undefined, number)
    }
  },
)

Allowed('[A10] knows a premium-rate number by its beginning, whatever is dialled after it', () => {
  assert.is(kindOf('+499001234567').risk, 'a premium-rate number')
  assert.is(codeOf('+49900123456789', allow('DE')), 'DESTINATION_HIGH_RISK')
  assert.is(codeOf('+4915112345678', allow('DE')), undefined)
})

Allowed('is not decided for an area code by a number in it that is none', () => {
  assert.is(codeOf('+12120000000'), 'DESTINATION_BARRED')
  assert.is(codeOf('+12125550123'), undefined)
})

Allowed(
  '[A10] holds for transfers and redirections in any spelling, and leaves names and extensions to the trunk',
  () => {
    const trunk = trunkOf('pbx-1', { country: 'US' })
    const of = (target: string): string | undefined => transferFault(target, US, trunk)?.code
    for (const uri of [
      'sip:+88213300655@pbx.example.com',
      'sip:01188213300655@pbx.example.com',
      'sip:0088213300655@pbx.example.com',
      'sip:%2B88213300655;npdi@pbx.example.com',
      'tel:+882-133-00655',
    ])
      assert.is(of(uri), 'DESTINATION_HIGH_RISK', uri)
    assert.is(of('sip:9011442079460000@pbx.example.com'), 'DESTINATION_IMPOSSIBLE')
    for (const uri of [
      'sip:+13125550100@pbx.example.com',
      'sip:alice@pbx.example.com',
      'sip:200@pbx.example.com',
      'sip:pbx.example.com',
    ])
      assert.is(of(uri), undefined, uri)
  },
)

Allowed(
  '[A10] holds for what a switch may dial although it is written as no number: letters, service codes, escapes',
  () => {
    const trunk = trunkOf('pbx-1', { country: 'US' })
    const of = (target: string): string | undefined => transferFault(target, US, trunk)?.code
    for (const user of [
      '1900555FLOW',
      '1900FLOWERS',
      '19005551234x55',
      '900-555-1234-abc',
      '90a05551234',
      "'1900555FLOW",
    ])
      assert.is(of(`sip:${user}@pbx.example.com`), 'DESTINATION_HIGH_RISK', user)
    const unreadable = ['+1900555FLOW', '+19005551234abc', '%252B19005551234', '%25252b19005551234', '*679005551234']
    for (const user of [...unreadable, '**+19005551234', '900#5551234', '!19005551234', '1900_5551234', '1900~5551234'])
      assert.is(of(`sip:${user}@pbx.example.com`), 'DESTINATION_IMPOSSIBLE', user)
    assert.is(of('tel:+1900555a234'), 'DESTINATION_IMPOSSIBLE')
    for (const user of [
      'conf-19005551234',
      '12345678-90ab-cdef-1234-567890abcdef',
      '*98',
      '4155550101abc',
      '3com',
      '%zz',
    ])
      assert.is(of(`sip:${user}@pbx.example.com`), undefined, user)
  },
)

Allowed('[A10] is told with the decision', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', allowed_extensions: ['*'] })
  bench.addNumber(US, { outbound_agent_ids: ['front'] })
  const decide = (to: string) => bench.outbound.decide({ agentId: 'front', from: US, to })
  const refused = await decide('+882 133 00655')
  assert.is(refused.code, 'DESTINATION_HIGH_RISK')
  assert.match(refused.trace.nearest_miss ?? '', /satellite or another international network: name the prefix \+882/)
  assert.equal(refused.trace.destination, { value: '+882 133 00655', normalised: '+88213300655' })
  assert.is((await decide('200')).plan?.destination.value, '200')
})

Allowed('is named by countries that there are, beginnings with their plus, and "*"', () => {
  const { allowed_destinations: field } = trunkFields.shape
  assert.ok(field.safeParse(['DE', '+4420', '*']).success)
  for (const entry of ['XX', 'de', '4420', '+', '+0', '+44 20', '**', ''])
    assert.not(field.safeParse([entry]).success, entry)
})

Allowed.run()
