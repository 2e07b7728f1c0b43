import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCSeq, parseCSeq } from '../../../src/engine/message/cseq.js'

const CSeqHeader = suite('CSeq')

CSeqHeader('is a number from 0 to 2^31 - 1 and a method', () => {
  assert.equal(parseCSeq('314159 INVITE'), { number: 314_159, method: 'INVITE' })
  assert.equal(parseCSeq('0009 \t INVITE'), { number: 9, method: 'INVITE' })
  assert.equal(parseCSeq('0 ACK'), { number: 0, method: 'ACK' })
  assert.equal(parseCSeq('2147483647 X'), { number: 2_147_483_647, method: 'X' })
  assert.equal(
    parseCSeq("1 !interesting-Method0123456789_*+`.%indeed'~")?.method,
    "!interesting-Method0123456789_*+`.%indeed'~",
  )
})

for (const value of [
  '',
  '1',
  '1 ',
  ' INVITE',
  'INVITE',
  '1INVITE',
  '-1 INVITE',
  '+1 INVITE',
  '1.0 INVITE',
  '0x1 INVITE',
  '1e3 INVITE',
  '2147483648 INVITE',
  '36893488147419103232 REGISTER',
  '4294967297 INVITE',
  '1 IN VITE',
  '1 INVITE ',
  '1 INVITE;x',
  '1 INV,ITE',
  '1 \0',
  ' 1 INVITE',
  '1 É',
])
  // prettier-ignore
  CSeqHeader(`${JSON.stringify(value)} is none`, () => assert.is(parseCSeq(value), undefined))

CSeqHeader('is formatted as read', () => assert.is(formatCSeq({ number: 7, method: 'BYE' }), '7 BYE'))

CSeqHeader.run()
