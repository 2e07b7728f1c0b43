import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeMessage, renderLadder, type LadderEvent } from '../../src/cli/ladder.js'

const Ladder = suite('Ladder')

const message = (first: string, ...headers: string[]): string => [first, ...headers, '', ''].join('\r\n')

Ladder('reads what a message is', () => {
  assert.equal(
    describeMessage(message('INVITE sip:x SIP/2.0', 'CSeq: 1 INVITE', 'Content-Type: application/sdp') + 'v=0'),
    {
      message: 'INVITE',
      sdp: true,
    },
  )
  assert.equal(describeMessage(message('INVITE sip:x SIP/2.0', 'CSeq: 1 INVITE')), { message: 'INVITE', sdp: false })
  assert.is(describeMessage(message('SIP/2.0 180 Ringing', 'CSeq: 1 INVITE')).message, '180 Ringing')
  assert.is(describeMessage(message('SIP/2.0 200 OK', 'cseq: 2 BYE')).message, '200 OK (BYE)')
  assert.is(describeMessage('').message, '')
})

const event = (
  at_ms: number,
  from: LadderEvent['from'],
  to: LadderEvent['to'],
  text: string,
  more = {},
): LadderEvent => ({
  at_ms,
  from,
  to,
  message: text,
  sdp: false,
  repeated: false,
  ...more,
})

Ladder('draws each message between those who exchange it, in the direction it went, with its time', () => {
  const drawn = renderLadder(
    [
      event(0, 'caller', 'edge', 'INVITE', { sdp: true }),
      event(1.25, 'edge', 'agent', 'INVITE', { sdp: true }),
      event(3, 'agent', 'edge', '180 Ringing'),
      event(10.5, 'edge', 'caller', '200 OK', { repeated: true }),
    ],
    { caller: '127.0.0.1:1', edge: '127.0.0.1:5060', agent: '127.0.0.1:2' },
  ).split('\n')
  assert.match(drawn[0] ?? '', /ms +caller +edge +agent$/)
  assert.match(drawn[1] ?? '', /127\.0\.0\.1:1 +127\.0\.0\.1:5060 +127\.0\.0\.1:2$/)
  assert.match(drawn[3] ?? '', /^ +0\.0 +\|-- INVITE \+ SDP -+>\| +\|$/)
  assert.match(drawn[4] ?? '', /^ +1\.3 +\| +\|-- INVITE \+ SDP -+>\|$/)
  assert.match(drawn[5] ?? '', /^ +3\.0 +\| +\|<- 180 Ringing -+\|$/)
  assert.match(drawn[6] ?? '', /^ +10\.5 +\|<- 200 OK \(again\) -+\| +\|$/)
  const bars = drawn.slice(2).map((line) => [...line].flatMap((char, at) => (char === '|' ? [at] : [])).join())
  assert.is(new Set(bars).size, 1, 'the lifelines stand under each other')
})

Ladder('a long reason phrase is cut, not the drawing', () => {
  const line = renderLadder([event(1, 'edge', 'caller', `480 ${'x'.repeat(200)}\u001b[2J`)], {
    caller: '',
    edge: '',
    agent: '',
  })
  assert.ok(line.split('\n').every((text) => text.length < 100))
  assert.not.match(line, '\u001b')
})

Ladder.run()
