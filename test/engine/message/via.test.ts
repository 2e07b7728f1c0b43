import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Headers } from '../../../src/engine/message/headers.js'
import {
  branchOf,
  formatVia,
  hasUniqueBranch,
  parseTopVia,
  parseVia,
  parseViaList,
  receivedOf,
  removeTopVia,
  replaceTopVia,
  rportOf,
  salvageVia,
  sentByOf,
  type Via,
  withParams,
} from '../../../src/engine/message/via.js'

const ViaHeader = suite('Via')

function via(value: string): Via {
  const parsed = parseVia(value)
  if (parsed === undefined) throw new Error(`no Via: ${value}`)
  return parsed
}

ViaHeader('is taken apart', () => {
  const { protocol, host, port, params } = via('SIP/2.0/UDP 192.0.2.1:5061;rport;Branch=z9hG4bKa;received=1.2.3.4')
  assert.is(protocol, 'UDP')
  assert.is(host, '192.0.2.1')
  assert.is(port, 5061)
  assert.equal(
    [...params],
    [
      ['rport', ''],
      ['branch', 'z9hG4bKa'],
      ['received', '1.2.3.4'],
    ],
  )
})

ViaHeader('allows space around slashes, the colon, semicolons and equals signs', () => {
  const odd = via(' sip  / 2.0  /\ttcp     spindle.example.com  : 5070  ;  branch  =   z9hG4bK9ikj8  ;x ')
  assert.is(odd.protocol, 'TCP')
  assert.is(odd.host, 'spindle.example.com')
  assert.is(odd.port, 5070)
  assert.is(branchOf(odd), 'z9hG4bK9ikj8')
  assert.is(odd.params.has('x'), true)
})

ViaHeader('takes any transport token, IPv6 hosts, and received with or without brackets (RFC 5118 4.5)', () => {
  assert.is(via('SIP/2.0/UNKNOWN t4.example.com').protocol, 'UNKNOWN')
  assert.is(via('SIP/2.0/TLS-SCTP a').protocol, 'TLS-SCTP')
  assert.is(via('SIP/2.0/UDP [2001:db8::9:1]:6050').port, 6050)
  assert.is(via('SIP/2.0/UDP [2001:db8:::1.2.3.4]').host, '[2001:db8::1.2.3.4]')
  assert.is(receivedOf(via('SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=x')), '2001:db8::9:255')
  assert.is(receivedOf(via('SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=x')), '2001:db8::9:255')
})

const malformed = [
  '', 'SIP', 'SIP/2.0', 'SIP/2.0/UDP', 'SIP/2.0/UDP ', 'SIP/2.0/ host', 'SIP//UDP host', '/2.0/UDP host', 'SIP/2.0/UDPhost', 'SIP/2.0/UDP;branch=x',
  'SIP/7.0/UDP host', 'SIP/2.00/UDP host', 'SIP/2/UDP host', 'HTTP/2.0/UDP host', 'SIP/2.0/UDP host host2', 'SIP/2.0/UDP host:', 'SIP/2.0/UDP host:0',
  'SIP/2.0/UDP host:70000', 'SIP/2.0/UDP host:5060x', 'SIP/2.0/UDP 2001:db8::1', 'SIP/2.0/UDP host;', 'SIP/2.0/UDP host;;a', 'SIP/2.0/UDP host;branch=',
  'SIP/2.0/UDP host;branch=a;branch=b', 'SIP/2.0/UDP host,', ',SIP/2.0/UDP host', 'SIP/2.0/UDP host\r\n', 'SIP/2.0/UDP 192.0.2.15;;,;,,', 'SIP/2.0/U\0P a',
] // prettier-ignore
for (const value of malformed)
  ViaHeader(`${JSON.stringify(value)} is malformed`, () => {
    assert.is(parseVia(value), undefined)
    assert.is(parseViaList(value), undefined)
    assert.is(parseTopVia(value), undefined)
  })

ViaHeader('several in a line are a list, top first', () => {
  const line = 'SIP/2.0/TCP a;branch=1 , SIP/2.0/UDP b;x="1,2",SIP/2.0/UDP c'
  assert.equal(
    parseViaList(line)?.map((one) => one.host),
    ['a', 'b', 'c'],
  )
  assert.is(parseTopVia(line)?.host, 'a')
  assert.is(parseVia(line), undefined)
  assert.is(parseTopVia('SIP/2.0/TCP a, garbage'), undefined)
})

ViaHeader('a malformed one still tells where to answer, when it does', () => {
  const old = salvageVia('SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw')!
  assert.is(formatVia(old), 'SIP/2.0/UDP c.example.com;branch=z9hG4bKkdjuw')
  assert.is(
    formatVia(salvageVia('SIP/2.0/UDP 192.0.2.15:5070;branch=a;;,;,,')!),
    'SIP/2.0/UDP 192.0.2.15:5070;branch=a',
  )
  assert.is(salvageVia('SIP/2.0/UDP'), undefined)
  assert.is(salvageVia('SIP/2.0/UDP host:99999'), undefined)
  assert.is(salvageVia('garbage'), undefined)
})

ViaHeader('branch, received and rport', () => {
  const plain = via('SIP/2.0/UDP a')
  assert.is(branchOf(plain), '')
  assert.is(receivedOf(plain), undefined)
  assert.is(rportOf(plain), undefined)
  assert.is(rportOf(via('SIP/2.0/UDP a;rport')), 'wanted')
  assert.is(rportOf(via('SIP/2.0/UDP a;rport=5071')), 5071)
  for (const rport of ['0', '65536', 'x', '-1']) assert.is(rportOf(via(`SIP/2.0/UDP a;rport=${rport}`)), undefined)
})

ViaHeader('a branch is unique only with something after the magic cookie (8.1.1.7)', () => {
  assert.is(hasUniqueBranch(via('SIP/2.0/UDP a;branch=z9hG4bKx')), true)
  for (const value of ['SIP/2.0/UDP a;branch=z9hG4bK', 'SIP/2.0/UDP a;branch=1', 'SIP/2.0/UDP a'])
    assert.is(hasUniqueBranch(via(value)), false, value)
})

ViaHeader('sent-by compares without case, with the port only when there is one (17.2.3)', () => {
  assert.is(sentByOf(via('SIP/2.0/UDP Example.COM:5060')), 'example.com:5060')
  assert.is(sentByOf(via('SIP/2.0/UDP Example.COM')), 'example.com')
  assert.is(sentByOf(via('SIP/2.0/UDP [2001:DB8::1]:5')), '[2001:db8::1]:5')
})

ViaHeader('withParams sets in place, adds last, removes', () => {
  const changed = withParams(via('SIP/2.0/UDP a:5060;rport;branch=b;x'), {
    rport: '5071',
    received: '1.2.3.4',
    x: undefined,
  })
  assert.is(formatVia(changed), 'SIP/2.0/UDP a:5060;rport=5071;branch=b;received=1.2.3.4')
})

ViaHeader('formatting lets nothing through that is no part of a Via', () => {
  const base = via('SIP/2.0/UDP a')
  assert.throws(() => formatVia({ ...base, protocol: 'UDP a' }), RangeError)
  assert.throws(() => formatVia({ ...base, host: 'a;x' }), RangeError)
  assert.throws(() => formatVia({ ...base, port: 0 }), RangeError)
  assert.throws(() => formatVia(withParams(base, { received: 'a\r\nX: y' })), RangeError)
})

ViaHeader('the top one is replaced or removed and the others stay, on its line or another', () => {
  const headers = new Headers()
  headers.append('from', 'x')
  headers.append('via', 'SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b', 'v')
  headers.append('via', 'SIP/2.0/UDP c')
  replaceTopVia(headers, via('SIP/2.0/UDP a;branch=1;received=1.2.3.4'))
  assert.equal(headers.getAll('via'), ['SIP/2.0/UDP a;branch=1;received=1.2.3.4, SIP/2.0/UDP b', 'SIP/2.0/UDP c'])
  removeTopVia(headers)
  assert.equal(headers.getAll('via'), ['SIP/2.0/UDP b', 'SIP/2.0/UDP c'])
  removeTopVia(headers)
  removeTopVia(headers)
  removeTopVia(headers)
  assert.is(headers.has('via'), false)
  replaceTopVia(headers, via('SIP/2.0/UDP d'))
  assert.equal(headers.getAll('via'), ['SIP/2.0/UDP d'])
  assert.is(headers.count, 2)
})

ViaHeader.run()
