import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatNumber } from '../../src/routing/format-number.js'

const ANumber = suite('A number on a trunk')

ANumber('is written with its plus, without, or as it is dialled inside the trunk’s country', () => {
  const rows: [string, '+e164' | 'e164' | 'national', string | null, string][] = [
    ['+13125550199', '+e164', null, '+13125550199'],
    ['+13125550199', 'e164', 'US', '13125550199'],
    ['+13125550199', 'national', 'US', '3125550199'],
    ['+4930901820', 'national', 'DE', '030901820'],
    ['+442079460000', 'national', 'GB', '02079460000'],
    // Canada is dialled as another area of the same plan.
    ['+16135550123', 'national', 'US', '6135550123'],
    ['+4930901820', 'national', 'US', '+4930901820'],
    ['+13125550199', 'national', null, '+13125550199'],
    ['+13125550199', 'national', 'ZZ', '+13125550199'],
    ['200', 'national', 'US', '200'],
    ['*98#', 'e164', null, '*98#'],
  ]
  for (const [value, number_format, country, written] of rows)
    assert.is(formatNumber(value, { number_format, country }), written, `${value} as ${number_format} in ${country}`)
})

ANumber.run()
