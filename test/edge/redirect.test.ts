import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { redirectedUri } from '../../src/edge/redirect.js'
import { Response } from './scripted-server.js'

const ARedirection = suite('A 3xx')

const follow = (Contact: string, status = 302) => redirectedUri(new Response(status, 'Moved', { Contact }))

ARedirection('says whom to call instead by the Contact of the highest q', () => {
  assert.is(follow('<sip:+13125550111@other.example.com:5070>'), 'sip:+13125550111@other.example.com:5070')
  assert.is(follow('sip:100@other.example.com', 301), 'sip:100@other.example.com')
  assert.is(follow('<sip:a@x>;q=0.1, <sip:b@x>;q=0.9, <sip:c@x>;q=nonsense', 300), 'sip:b@x')
  assert.is(follow('"A" <sip:a@x>;q=0.5, <sip:b@x>'), 'sip:b@x')
  assert.is(follow('<sip:100@[2001:db8::1]:5070;user=phone;transport=tcp>'), 'sip:100@[2001:db8::1]:5070;user=phone')
})

ARedirection('is not followed to what no Request-URI may be, or where nobody is named', () => {
  const unusable = [
    '<tel:+13125550111>',
    '<sips:a@x>',
    '<sip:x>',
    '<sip:a@x?Replaces=1>',
    '<sip:a@x;maddr=10.0.0.1>',
    '<sip:a@x;method=REGISTER>',
    '*',
    '',
    'nonsense <',
    `<sip:${'a'.repeat(5_000)}@x>`,
  ]
  for (const contact of unusable) assert.is(follow(contact), undefined, contact.slice(0, 60))
  assert.is(follow('<sip:a@x>', 305), undefined)
  assert.is(follow('<sip:a@x>', 380), undefined)
  assert.is(redirectedUri(new Response(302, 'Moved')), undefined)
})

ARedirection.run()
