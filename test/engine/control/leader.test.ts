import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rejected, sentMessage, sipMessage, unsolicitedMessage } from '../../../src/engine/control/leader.js'
import { createResponse, SipRequest } from '../../../src/engine/message/message.js'

const Leader = suite('Leaders of control messages')

const NETWORK = { source: 'network', protocol: 'udp', address: '198.51.100.7', port: 5060 } as const
const HERE = { ...NETWORK, source: 'application' } as const
const AT = new Date('2026-03-04T05:06:07.089Z')

const request = new SipRequest('BYE', 'sip:a@b')
request.headers.append('call-id', 'c1')
const leaderOf = (frame: string): string[] => frame.slice(0, frame.indexOf('\r\n')).split('|')

Leader('a message of the network has its source, transaction and dialog; a new one also where it came in', () => {
  const known = leaderOf(sipMessage('id', request, NETWORK, 'txn', 'c1;from-tag=a', AT))
  assert.equal(known.slice(0, 3), ['id', 'sip', 'network'])
  assert.equal(known.slice(4), ['udp', '198.51.100.7', '5060', '05:06:07.089000', 'txn', 'c1;from-tag=a', ''])
  const fresh = leaderOf(sipMessage('id', request, NETWORK, 'txn', '', AT, { address: '192.0.2.1', port: 5080 }))
  assert.equal(fresh.slice(8), ['txn', '', '192.0.2.1', '5080', ''])
})

Leader('an IPv6 address that a request came in on has brackets: applications put the port behind it', () => {
  const leader = leaderOf(sipMessage('id', request, NETWORK, 'txn', '', AT, { address: '2001:db8::1', port: 5060 }))
  assert.equal(leader.slice(10), ['[2001:db8::1]', '5060', ''])
})

Leader('an unsolicited request says so in the place of a transaction', () => {
  const leader = leaderOf(unsolicitedMessage('id', request, HERE, 'c1;from-tag=a', AT))
  assert.equal([leader[2], leader[8], leader[9]], ['application', 'unsolicited', 'c1;from-tag=a'])
})

Leader('the echo of a response has a dialog id, that of a request has not; the bytes are those of the text', () => {
  const echo = sentMessage('id', 'cmd', request, HERE, 'txn', 'c1;from-tag=a', AT)
  assert.equal(leaderOf(echo).slice(0, 5), ['id', 'response', 'cmd', 'OK', 'application'])
  assert.equal(leaderOf(echo).slice(9), ['05:06:07.089000', 'txn', 'Msg sent:', ''])
  assert.is(Number(leaderOf(echo)[5]), echo.length - echo.indexOf('\r\n') - 2)
  const answer = leaderOf(sentMessage('id', 'cmd', createResponse(request, 200), HERE, 'txn', 'c1;from-tag=a', AT))
  assert.equal(answer.slice(9), ['05:06:07.089000', 'txn', 'c1;from-tag=a', '', 'Msg sent:', ''])
})

Leader('no value can add a field or a line', () => {
  assert.is(rejected('id', 'cmd', 'NOK', 'a|b\r\nc').split('|').length, 5)
  assert.is(leaderOf(sipMessage('id', request, NETWORK, 'txn', 'c;from-tag="a|b"', AT)).length, 11)
})

Leader('midnight and the last millisecond of a day are times too', () => {
  const timeAt = (iso: string): string | undefined =>
    leaderOf(sipMessage('id', request, NETWORK, 't', '', new Date(iso)))[7]
  assert.is(timeAt('2026-01-01T00:00:00.000Z'), '00:00:00.000000')
  assert.is(timeAt('2026-12-31T23:59:59.999Z'), '23:59:59.999000')
})

Leader.run()
