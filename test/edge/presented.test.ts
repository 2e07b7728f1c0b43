import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { asksPrivacy, presentedNumber } from '../../src/edge/presented.js'
import { Message } from './scripted-server.js'

const Presented = suite('The number an agent presents')

const numberIn = (lines: Readonly<Record<string, string>>): [string, string] => {
  const { source, value } = presentedNumber(new Message(lines))
  return [source, value]
}
const From = '"Ann" <sip:+14155550100@agent.local>;tag=1'

Presented('stands in X-Signalbox-Number, else in From', () => {
  assert.equal(numberIn({ From }), ['From', 'sip:+14155550100@agent.local'])
  assert.equal(numberIn({ From: '<tel:+14155550100>;tag=1' }), ['From', 'tel:+14155550100'])
  assert.equal(numberIn({ From, 'x-signalbox-number': ' 100 ' }), ['X-Signalbox-Number', '100'])
  assert.equal(numberIn({ From, 'X-Signalbox-Number': '"A" <sip:100@x>' }), ['X-Signalbox-Number', 'sip:100@x'])
  assert.equal(numberIn({ From, 'X-Signalbox-Number': '' }), ['X-Signalbox-Number', ''])
})

Presented('stands behind an anonymous From in the identity that goes with it', () => {
  const hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'
  const named = '"Ann" <sip:+14155550100@x>, <tel:+14155550100>'
  assert.equal(numberIn({ From: hidden, 'P-Preferred-Identity': named }), [
    'P-Preferred-Identity',
    'sip:+14155550100@x',
  ])
  assert.equal(numberIn({ From: hidden, 'P-Asserted-Identity': named }), ['P-Asserted-Identity', 'sip:+14155550100@x'])
  assert.equal(numberIn({ From: hidden }), ['From', ''])
  assert.equal(numberIn({ From, 'P-Asserted-Identity': '<sip:+1@x>' })[0], 'From')
})

Presented('is none where nobody is named, or nothing can be read', () => {
  for (const value of ['<sip:agent.local>', 'sip:@x', '<', '', `<sip:${'1'.repeat(10_000)}@x>`])
    assert.equal(numberIn({ From: value }), ['From', ''], value.slice(0, 40))
  assert.equal(numberIn({}), ['From', ''])
})

Presented('is hidden on request', () => {
  for (const Privacy of ['id', 'user', 'header', 'id;critical', 'none, USER '])
    assert.ok(asksPrivacy(new Message({ From, Privacy })))
  for (const Privacy of ['none', 'session', 'critical', 'idx']) assert.not(asksPrivacy(new Message({ From, Privacy })))
  assert.ok(asksPrivacy(new Message({ From: '<sip:ANONYMOUS@agent.local>' })))
  assert.ok(asksPrivacy(new Message({ From: '<sip:x@Anonymous.Invalid>' })))
  assert.not(asksPrivacy(new Message({ From })))
  assert.not(asksPrivacy(new Message({})))
})

Presented.run()
