import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseUri, type SipUri } from '../../../src/engine/index.js'
import type { Binding } from '../../../src/model/binding.js'
import { bind, type Bound } from '../../../src/trunks/registrar/bind.js'
import { contactTargets } from '../../../src/trunks/registrar/contact-targets.js'
import type { Asked, AskedContact } from '../../../src/trunks/registrar/register-request.js'
import { settings } from './registrar-bench.js'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const from = { transport: 'udp', address: '192.0.2.7', port: 5060, edge_id: 'edge-1', edge_life: 'life-1' } as const

const contact = (uri: string, more: Partial<AskedContact> = {}): AskedContact => ({
  uri,
  parsed: parseUri(uri) as SipUri,
  expiresS: undefined,
  q: 1,
  instance: null,
  regId: null,
  ...more,
})

const asked = (contacts: Asked['contacts'], more: Partial<Asked> = {}): Asked => ({
  aor: parseUri('sip:line@edge.example.com') as SipUri,
  contacts,
  callId: 'call-1',
  cseq: 1,
  userAgent: null,
  path: [],
  supports: { path: false, outbound: false },
  natted: false,
  ...more,
})

function bound(current: readonly Binding[], request: Asked, nowMs = NOW): Bound {
  const result = bind({ bindings: [...current] }, request, from, settings, nowMs)
  if ('status' in result) throw new Error(`${result.status} ${result.why}`)
  return result
}

function status(current: readonly Binding[], request: Asked): number {
  const result = bind({ bindings: [...current] }, request, from, settings, NOW)
  return 'status' in result ? result.status : 200
}

const one = (uri: string, more: Partial<AskedContact> = {}, request: Partial<Asked> = {}): Binding =>
  bound([], asked([contact(uri, more)], request)).bindings[0]!

const Order = suite('A REGISTER of the same Call-ID')

Order('with a CSeq that is not higher changes nothing (RFC 3261 10.3 steps 6 and 7)', () => {
  const before = [one('sip:a@192.0.2.7', {}, { cseq: 5 })]
  assert.is(status(before, asked([contact('sip:a@192.0.2.7')], { cseq: 5 })), 500)
  assert.is(status(before, asked([contact('sip:a@192.0.2.7', { expiresS: 0 })], { cseq: 4 })), 500)
  assert.is(status(before, asked('all', { cseq: 4 })), 500)
  assert.is(status(before, asked([contact('sip:b@192.0.2.7'), contact('sip:a@192.0.2.7')], { cseq: 5 })), 500)
  assert.is(status(before, asked('all', { cseq: 6 })), 200)
  assert.is(status(before, asked('all', { cseq: 1, callId: 'another' })), 200)
  assert.is(
    status(before, asked([contact('sip:b@192.0.2.7')], { cseq: 5 })),
    200,
    'another contact has no order with it',
  )
})

const Same = suite('A contact is known again')

Same('by its URI as RFC 3261 19.1.4 compares them', () => {
  const before = [one('sip:a@PBX.example.com')]
  const later = bound(before, asked([contact('sip:%61@pbx.example.com;ob')], { cseq: 2 }), NOW + 10_000)
  assert.is(later.bindings.length, 1)
  assert.equal(later.created, [])
  assert.is(later.bindings[0]?.since, before[0]?.since)
  assert.is(bound(before, asked([contact('sip:A@pbx.example.com')], { cseq: 2 })).bindings.length, 2)
  assert.is(bound(before, asked([contact('sip:a@pbx.example.com;transport=tcp')], { cseq: 2 })).bindings.length, 2)
})

Same('by its instance and reg-id, whatever the URI (RFC 5626 6)', () => {
  const flow = { instance: '<urn:uuid:1>', regId: 1 }
  const before = [one('sip:a@192.0.2.7:1111', flow)]
  const later = bound(before, asked([contact('sip:a@192.0.2.7:2222', flow)], { cseq: 2 }))
  assert.equal(
    later.bindings.map(({ contact: uri }) => uri),
    ['sip:a@192.0.2.7:2222'],
  )
  assert.equal(later.removed, [])
  const second = bound(before, asked([contact('sip:a@192.0.2.7:2222', { ...flow, regId: 2 })], { cseq: 2 }))
  assert.is(second.bindings.length, 2)
})

const Expiry = suite('What a contact is granted')

Expiry('is what it asks for, what is usual, and never more than the longest', () => {
  const grantedS = (expiresS: number | undefined): number =>
    (Date.parse(one('sip:a@192.0.2.7', { expiresS }).expires_at) - NOW) / 1000
  assert.equal([90, undefined, 100_000].map(grantedS), [90, 300, 3_600])
})

Expiry('ends: then it counts as not there', () => {
  const before = [one('sip:a@192.0.2.7', { expiresS: 60 })]
  const later = bound(before, asked([contact('sip:b@192.0.2.7')], { cseq: 1 }), NOW + 60_000)
  assert.is(later.bindings.length, 1)
  assert.is(later.expired[0]?.contact, 'sip:a@192.0.2.7')
})

Expiry('with 0 takes it away, and one that is not there is no fault', () => {
  const before = [one('sip:a@192.0.2.7')]
  const gone = bound(before, asked([contact('sip:a@192.0.2.7', { expiresS: 0 })], { cseq: 2 }))
  assert.is(gone.bindings.length, 0)
  assert.is(gone.removed.length, 1)
  assert.is(bound([], asked([contact('sip:a@192.0.2.7', { expiresS: 0 })])).removed.length, 0)
})

const Way = suite('Calls to a contact go')

const options = {
  holdsFlow: ({ edge_life }: Binding) => edge_life === 'life-1',
  permits: (place: { address: string }, source: { address: string }) =>
    place.address === source.address || place.address === '198.51.100.1',
}
const wayOf = (binding: Binding): string => {
  const [target] = contactTargets([binding], options)
  return target === undefined ? 'nowhere' : `${target.transport} ${target.address}:${target.port}`
}

Way('to its address when the REGISTER came from there, or it may be called', () => {
  assert.is(wayOf(one('sip:a@192.0.2.7:5070')), 'udp 192.0.2.7:5070')
  assert.is(wayOf(one('sip:a@198.51.100.1')), 'udp 198.51.100.1:5060')
})

Way('from behind a NAT, or where that may not be called, to where the REGISTER came from', () => {
  assert.is(wayOf({ ...one('sip:a@10.0.0.5:5070'), natted: true, port: 41_000 }), 'udp 192.0.2.7:41000')
  assert.is(wayOf({ ...one('sip:a@198.51.100.1'), natted: true }), 'udp 192.0.2.7:5060')
  assert.is(wayOf(one('sip:a@169.254.169.254')), 'udp 192.0.2.7:5060')
  assert.is(wayOf(one('sip:a@internal.example.com')), 'udp 192.0.2.7:5060')
})

Way('over its connection on the edge that has it; elsewhere to its address, or nowhere', () => {
  const tcp = { ...one('sip:a@192.0.2.7:5070;transport=tcp'), transport: 'tcp' as const, port: 41_000 }
  assert.is(wayOf(tcp), 'tcp 192.0.2.7:41000')
  assert.is(wayOf({ ...tcp, edge_life: 'life-2' }), 'tcp 192.0.2.7:5070')
  assert.is(wayOf({ ...tcp, edge_life: 'life-2', natted: true }), 'nowhere')
})

Way('in the order of q, then to the latest first', () => {
  const binding = (name: string, q: number, since: string): Binding => ({ ...one(`sip:${name}@192.0.2.7`), q, since })
  const found = contactTargets(
    [
      binding('low', 0.1, '2026-01-03T00:00:00.000Z'),
      binding('old', 1, '2026-01-01T00:00:00.000Z'),
      binding('new', 1, '2026-01-02T00:00:00.000Z'),
    ],
    options,
  )
  assert.equal(
    found.map((target) => target.contact?.uri),
    ['sip:new@192.0.2.7', 'sip:old@192.0.2.7', 'sip:low@192.0.2.7'],
  )
})

Order.run()
Same.run()
Expiry.run()
Way.run()
