import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { referRefusal, uriRefusal } from '../../src/edge/named-destination.js'
import { DestinationPolicy } from '../../src/model/destinations.js'

const Named = suite('Named destinations')

const policy = new DestinationPolicy({ allowed: [] })
const refer = (value: string | undefined) => referRefusal({ header: () => value }, policy)

Named('[A9] a Refer-To that names loopback, a private or a metadata address is refused with 403', () => {
  for (const host of [
    '127.0.0.1:6379',
    '10.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
    'localhost',
    'metadata.google.internal',
  ])
    assert.equal(refer(`<sip:x@${host}>`), { status: 403, reason: 'Refer-To Not Allowed' }, host)
  assert.is(refer('"A" <sip:x@127.0.0.1;maddr=203.0.113.5>')?.status, 403)
  assert.is(refer('<sip:x@203.0.113.5;maddr=127.0.0.1>')?.status, 403)
  assert.is(refer('<sip:x@203.0.113.5:6379>')?.status, 403)
})

Named('one that names a public host or a number goes on, with the headers of an attended transfer', () => {
  for (const value of ['<sip:+13125550199@203.0.113.5>', 'sip:a@pbx.example.com', '<tel:+13125550199>'])
    assert.is(refer(value), undefined, value)
  assert.is(refer('<sip:a@pbx.example.com?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>'), undefined)
})

Named('[A9] one whose URI asks for a route, an identity or a body, or could end a line, is refused with 403', () => {
  for (const headers of [
    'Route=%3Csip:127.0.0.1%3E',
    'Replaces=1&rOUTE=x',
    '%52oute=x',
    'From=sip:a%40b',
    'f=x',
    'P-Asserted-Identity=x',
    'body=x',
    'X-A=1%0D%0ARoute:x',
    'X-A=%00',
  ])
    assert.equal(refer(`<sip:a@pbx.example.com?${headers}>`), { status: 403, reason: 'Refer-To Not Allowed' }, headers)
  assert.is(refer('<sip:a%0d%0aX-Evil:1@pbx.example.com>')?.status, 403)
  for (const headers of ['X-Ticket=7', 'Require=replaces&Replaces=1', 'Referred-By=sip:a%40b', 'Subject=to%20you'])
    assert.is(refer(`<sip:a@pbx.example.com?${headers}>`), undefined, headers)
})

Named('none at all, two of them, or one that is no SIP URI is refused with 400 (RFC 3515 2.4.2)', () => {
  for (const value of [undefined, '', '<http://x>', '<sip:a@b>, <sip:c@d>', `<sip:${'a'.repeat(100_000)}@b>`])
    assert.is(refer(value)?.status, 400, value?.slice(0, 40))
})

Named('without a policy everybody may be named', () => {
  assert.is(uriRefusal('sip:x@127.0.0.1:6379', undefined), undefined)
  assert.is(referRefusal({ header: () => '<sip:x@127.0.0.1>' }, undefined), undefined)
})

Named.run()
