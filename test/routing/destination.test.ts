import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readDestination } from '../../src/routing/destination.js'

const ADestination = suite('A destination')

const trunk = (country: string | null = null, ...allowed_extensions: string[]) => ({
  id: 'pbx-1',
  country,
  allowed_extensions,
})

function read(text: string, on = trunk()): string {
  const result = readDestination(text, on)
  return result.ok ? `${result.destination.kind} ${result.destination.value}` : result.code
}

ADestination('is a possible number in any usual spelling', () => {
  const rows: [string, ReturnType<typeof trunk>?][] = [
    ['+13125550199'],
    ['+1 (312) 555-0199'],
    ['0013125550199'],
    ['01113125550199'],
    ['3125550199', trunk('US')],
    ['13125550199', trunk('US')],
    ['01113125550199', trunk('US')],
    ['0013125550199', trunk('DE')],
    ['tel:+1-312-555-0199'],
    ['tel:555-0199;phone-context=+1-312'],
    ['sip:+13125550199@edge.example.com:5060;user=phone'],
    ['sip:5550199;phone-context=+1312@edge;user=phone'],
    ['SIP:%2B13125550199@edge'],
  ]
  for (const [text, on] of rows) assert.is(read(text, on), 'e164 +13125550199', text)
  assert.is(read('030 901820', trunk('DE')), 'e164 +4930901820')
})

ADestination('is impossible when no country has such a number, or none is told', () => {
  for (const text of [
    '',
    ' ',
    '+12',
    '+99912345678',
    'sip:edge.example.com',
    'tel:',
    '+1312555019912345678',
    'a b',
    '+x',
  ])
    assert.is(read(text), 'DESTINATION_IMPOSSIBLE', `"${text}"`)
  assert.is(read('3125550199'), 'DESTINATION_IMPOSSIBLE', 'national without a country')
  assert.is(read('1'.repeat(100_000)), 'DESTINATION_IMPOSSIBLE')
  const result = readDestination('3125550199', trunk())
  assert.is(
    result.ok ? '' : result.nearestMiss,
    '"3125550199" may be a national number, but trunk pbx-1 has no country',
  )
})

ADestination(
  'with a digit too many is not a number of another country: 011 stands for that only where it is dialled so',
  () => {
    assert.is(read('0113 125 5019', trunk('GB')), 'e164 +441131255019')
    for (const country of ['GB', 'IT', 'AR'])
      assert.is(read('0113125550199', trunk(country)), 'DESTINATION_IMPOSSIBLE', country)
    assert.is(read('0113125550199', trunk('US')), 'e164 +3125550199', 'the Netherlands, from there')
  },
)

ADestination('is an extension that the trunk allows, whole or by its beginning, as it is dialled', () => {
  assert.is(read('200', trunk(null, '200')), 'extension 200')
  assert.is(read('sip:2001@edge', trunk(null, '2*')), 'extension 2001')
  assert.is(read('*98#', trunk(null, '*')), 'extension *98#')
  assert.is(read('tel:200;phone-context=pbx.example.com', trunk('US', '200')), 'extension 200')
  for (const on of [trunk(), trunk(null, '2000'), trunk(null, '20', '3*')])
    assert.is(read('200', on), 'DESTINATION_NOT_ALLOWED')
  const result = readDestination('400', trunk('US', '200', '3*'))
  assert.is(result.ok ? '' : result.nearestMiss, 'allowed_extensions of trunk pbx-1: 200, 3*')
})

ADestination('that is both is the extension when that is named whole or short, else the number', () => {
  // In Germany 20001 is a possible number.
  assert.is(read('20001', trunk('DE')), 'e164 +4920001')
  assert.is(read('20001', trunk('DE', '2*')), 'extension 20001')
  assert.is(read('2025550123', trunk('US', '2*')), 'e164 +12025550123')
  assert.is(read('2025550123', trunk('US', '2025550123')), 'extension 2025550123')
  assert.is(read('+12025550123', trunk('US', '*')), 'e164 +12025550123')
})

ADestination.run()
