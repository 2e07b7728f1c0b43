import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Trunk } from '../../src/model/trunk.js'
import type { HeaderMap } from '../../src/edge/sip-server.js'
import { type TrunkInvite, trunkInviteHeaders, trunkRequestUri } from '../../src/edge/trunk-invite.js'
import { planOf } from '../support/outbound-plan.js'
import { Message, SDP } from './scripted-server.js'

const TrunkInvites = suite('The INVITE to a trunk')

function headersOf(trunk: Partial<Trunk>, more: Partial<TrunkInvite> = {}): HeaderMap {
  return trunkInviteHeaders({
    plan: planOf(trunk),
    callerName: '',
    privacy: false,
    message: undefined,
    headers: {},
    hopsLeft: 70,
    reliable: false,
    userAgent: null,
    sessionTimers: null,
    routes: [],
    ...more,
  })
}

TrunkInvites('asks for the destination as the trunk writes numbers, at its SIP domain', () => {
  const rows: [Partial<Trunk>, string][] = [
    [{}, 'sip:+13125550199@pbx.example.com'],
    [{ sip_domain: 'pbx.example.com:5070' }, 'sip:+13125550199@pbx.example.com:5070'],
    [{ sip_domain: '[2001:db8::1]' }, 'sip:+13125550199@[2001:db8::1]'],
    [{ number_format: 'e164' }, 'sip:13125550199@pbx.example.com'],
    [{ number_format: 'national', country: 'US' }, 'sip:3125550199@pbx.example.com'],
    [{ outbound_proxy: 'sip:proxy.example.com:5065;transport=tcp' }, 'sip:+13125550199@pbx.example.com'],
    [{ sip_domain: null, outbound_proxy: 'proxy.example.com' }, 'sip:+13125550199@proxy.example.com'],
    [{ sip_domain: null, outbound_proxy: 'sip:127.0.0.1;transport=tcp' }, 'sip:+13125550199@127.0.0.1'],
    [{ sip_domain: null, outbound_proxy: 'sip:127.0.0.1:5065' }, 'sip:+13125550199@127.0.0.1:5065'],
  ]
  for (const [trunk, uri] of rows) assert.is(trunkRequestUri(planOf(trunk)), uri)
  const extension = planOf({}, { destination: { kind: 'extension', value: '*98#' } })
  assert.is(trunkRequestUri(extension), 'sip:*98%23@pbx.example.com')
  assert.is(headersOf({ sip_domain: 'pbx.example.com:5070' })['To'], '<sip:+13125550199@pbx.example.com>')
})

const NUMBER = 'sip:+14155550100@pbx.example.com'

// The trunk, From, and the one header that has the number besides.
const identities: [string, Partial<Trunk>, string, HeaderMap][] = [
  ['from', {}, `<${NUMBER}>`, {}],
  ['from, in its number format', { number_format: 'e164' }, '<sip:14155550100@pbx.example.com>', {}],
  ['from, with a username', { username: 'u1' }, `<${NUMBER}>`, {}],
  ['from, with from_domain', { from_domain: 'example.net:5070' }, '<sip:+14155550100@example.net>', {}],
  [
    'from, with from_user: the account is in From',
    { from_user: 'sipid' },
    '<sip:sipid@pbx.example.com>',
    { 'P-Preferred-Identity': `<${NUMBER}>` },
  ],
  [
    'p-preferred-identity',
    { caller_id: 'p-preferred-identity', username: 'sipid' },
    '<sip:sipid@pbx.example.com>',
    { 'P-Preferred-Identity': `<${NUMBER}>` },
  ],
  [
    'p-asserted-identity without a user of ours',
    { caller_id: 'p-asserted-identity' },
    `<${NUMBER}>`,
    { 'P-Asserted-Identity': `<${NUMBER}>` },
  ],
  [
    'remote-party-id',
    { caller_id: 'remote-party-id', from_user: 'acc@1', username: 'u' },
    '<sip:acc%401@pbx.example.com>',
    { 'Remote-Party-ID': `<${NUMBER}>;party=calling;privacy=off;screen=yes` },
  ],
]
const IDENTITY = ['P-Asserted-Identity', 'P-Preferred-Identity', 'Remote-Party-ID', 'Privacy']
const identityOf = (headers: HeaderMap): HeaderMap =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => IDENTITY.includes(name)))

for (const [name, trunk, from, others] of identities)
  TrunkInvites(`says who calls by ${name}`, () => {
    const headers = headersOf(trunk)
    assert.is(headers['From'], from)
    assert.equal(identityOf(headers), others)
  })

TrunkInvites('says the number to the trunk alone when the caller asks for privacy', () => {
  const rows: [Partial<Trunk>, HeaderMap][] = [
    [{}, { 'P-Preferred-Identity': `<${NUMBER}>`, Privacy: 'id' }],
    [{ from_user: 'sipid' }, { 'P-Preferred-Identity': `<${NUMBER}>`, Privacy: 'id' }],
    [{ caller_id: 'p-asserted-identity' }, { 'P-Asserted-Identity': `<${NUMBER}>`, Privacy: 'id' }],
    [
      { caller_id: 'remote-party-id' },
      { 'Remote-Party-ID': `<${NUMBER}>;party=calling;privacy=full;screen=yes`, Privacy: 'id' },
    ],
  ]
  for (const [trunk, others] of rows) {
    const headers = headersOf(trunk, { privacy: true })
    assert.is(headers['From'], '"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert.equal(identityOf(headers), others)
  }
})

TrunkInvites('keeps the caller’s name, quoted, whatever it holds', () => {
  assert.is(headersOf({}, { callerName: 'Ann' })['From'], `"Ann" <${NUMBER}>`)
  const hostile = headersOf({}, { callerName: 'A" <sip:x@y>\r\nEvil: 1\\' })['From'] ?? ''
  assert.is(hostile, `"A\\" <sip:x@y> Evil: 1\\\\" <${NUMBER}>`)
  assert.is(headersOf({}, { callerName: 'Zoë' })['From'], `"Zoë" <${NUMBER}>`)
})

TrunkInvites('takes along of the agent’s headers those the trunk lets through, and User-to-User', () => {
  const message = new Message(
    {
      'X-Customer': '4711',
      'x-campaign': 'spring',
      'X-Other': 'no',
      'X-Signalbox-Number': '+1',
      'User-to-User': '56a3;encoding=hex',
      'P-Asserted-Identity': '<sip:me@agent.local>',
      Diversion: '<sip:me@agent.local>',
      Subject: 'no',
      'User-Agent': 'agent/1',
      'Content-Type': 'application/sdp',
      'Content-Disposition': 'session',
    },
    SDP,
  )
  const trunk = { pass_headers: ['x-customer', 'X-Campaign'], headers: { 'X-Customer': 'ours', 'X-Trunk': 't' } }
  const headers = headersOf(trunk, {
    message,
    headers: { 'X-Campaign': 'late', 'X-Third': 'no' },
    hopsLeft: 20,
    userAgent: 'signalbox',
    routes: ['sip:edge.example.com;lr', 'sip:core.example.com;lr'],
    reliable: true,
  })
  assert.equal(headers, {
    From: `<${NUMBER}>`,
    To: '<sip:+13125550199@pbx.example.com>',
    'Max-Forwards': '19',
    Route: '<sip:edge.example.com;lr>, <sip:core.example.com;lr>',
    Allow: 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, REFER, UPDATE, PRACK',
    Supported: '100rel',
    'User-Agent': 'signalbox',
    'X-Customer': 'ours',
    'X-Trunk': 't',
    'Content-Type': 'application/sdp',
    'Content-Disposition': 'session',
    'x-campaign': 'spring',
    'User-to-User': '56a3;encoding=hex',
  })
})

TrunkInvites('asks for no reliable responses without an offer', () => {
  assert.is(headersOf({}, { message: new Message({}), reliable: true })['Supported'], undefined)
})

TrunkInvites.run()
