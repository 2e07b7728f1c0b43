import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseNumber } from '../../src/routing/normalise.js'

const Normalise = suite('A number')

const e164Of = (input: string, country?: string, phoneContext?: string): string => {
  const normalised = normaliseNumber(input, { country, phoneContext })
  return normalised.ok ? normalised.e164 : `refused: ${normalised.why}`
}

Normalise('is read as people write it', () => {
  for (const input of [
    '+14155550100',
    '+1 (415) 555-0100',
    '+1.415.555.0100',
    '(+1) 415/555-0100',
    ' +1-415-555-0100 ',
    '0014155550100',
    '00 1 415 555 0100',
    '01114155550100',
    'tel:+1-415-555-0100',
    'TEL:+14155550100;isub=1',
    'tel:555-0100;phone-context=+1-415',
    'tel:0014155550100',
  ])
    assert.is(e164Of(input), '+14155550100', input)
})

Normalise('is national with its country, whose own international prefix counts', () => {
  const rows: [string, string, string][] = [
    ['4155550100', 'US', '+14155550100'],
    ['(415) 555-0100', 'US', '+14155550100'],
    ['14155550100', 'US', '+14155550100'],
    ['011 49 30 901820', 'US', '+4930901820'],
    ['00 49 30 901820', 'US', '+4930901820'],
    ['030 901820', 'DE', '+4930901820'],
    ['0014155550100', 'DE', '+14155550100'],
    ['+49 (0) 30 901820', 'US', '+4930901820'],
    ['020 7946 0018', 'GB', '+442079460018'],
    ['0011 1 415 555 0100', 'AU', '+14155550100'],
    ['06 698 12345', 'IT', '+390669812345'],
    ['+390669812345', 'DE', '+390669812345'],
  ]
  for (const [input, country, expected] of rows) assert.is(e164Of(input, country), expected, `${input} in ${country}`)
})

Normalise('need not be given out to anybody', () => {
  assert.is(e164Of('+12025550123'), '+12025550123')
  assert.is(e164Of('+15555550100'), '+15555550100')
})

Normalise('stands under the global prefix of its phone-context; a domain says nothing', () => {
  assert.is(e164Of('555-0100', undefined, '+1-415'), '+14155550100')
  assert.is(e164Of('4155550100', 'US', 'example.com'), '+14155550100')
  assert.match(e164Of('4155550100', undefined, 'example.com'), 'country')
  assert.is(e164Of('+14155550100', undefined, '+49'), '+14155550100')
})

Normalise('that is impossible is refused, saying why', () => {
  const rows: [string, string | undefined, string][] = [
    ['+1415555', undefined, 'too short'],
    ['+141555501001234', undefined, 'too long'],
    ['+999123456789', undefined, 'country code'],
    ['4155550100', undefined, 'needs "+" and the country code'],
    ['14155550100', undefined, 'needs "+" and the country code'],
    ['12', 'DE', 'too short'],
    ['4155550100', 'ZZ', 'country that is not known'],
    ['', undefined, 'no digits'],
    ['+', undefined, 'no digits'],
    ['(-) .', undefined, 'no digits'],
    ['1+4155550100', undefined, 'digits only'],
    ['++14155550100', undefined, 'digits only'],
    ['+1415555o100', undefined, 'digits only'],
    ['+14155550100 ext. 5', undefined, 'digits only'],
    ['sip:+14155550100@pbx', undefined, 'digits only'],
    ['+14155550100\n', undefined, 'digits only'],
    ['+1415\u0000', undefined, 'digits only'],
    ['\u0661\u0662\u0663', 'EG', 'digits only'],
    ['\uff0b14155550100', undefined, 'digits only'],
    ['tel:', undefined, 'not a tel URI'],
    ['tel:+1;phone-context=x', undefined, 'too short'],
    ['123456789012345678901', undefined, 'too many digits'],
    ['+'.padEnd(70, '1'), undefined, 'longer than 64'],
    ['9'.repeat(10_000_000), undefined, 'longer than 64'],
  ]
  for (const [input, country, why] of rows)
    assert.match(e164Of(input, country), why, JSON.stringify(input.slice(0, 70)))
})

Normalise('stays what it is when it is read again, zeros in front of it or not', () => {
  assert.match(e164Of('00005550100', 'GB'), /^refused: /)
  for (const [input, country] of [
    ['020 7946 0018', 'GB'],
    ['06 698 12345', 'IT'],
    ['0014155550100', 'GB'],
  ] as const) {
    const e164 = e164Of(input, country)
    assert.is(e164Of(e164, country), e164)
  }
})

Normalise.run()
