import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Door, DoorRequest, DoorVerdict } from '../../../src/engine/dialog/door.js'
import { CoreHarness } from '../../support/core-harness.js'

const STRANGER = '198.51.100.66'
const FRIEND = '198.51.100.7'
const METHODS =
  'INVITE ACK BYE CANCEL OPTIONS REGISTER MESSAGE SUBSCRIBE PUBLISH REFER INFO NOTIFY UPDATE PRACK FOO'.split(' ')

/** A door that knows one source, and does with the others what it is told to. */
class TestDoor implements Door {
  readonly asked: DoorRequest[] = []
  readonly barred = new Set<string>()
  verdict: DoorVerdict | Promise<DoorVerdict> = 'drop'
  overloaded: ReturnType<Door['busy']>

  bars(address: string): boolean {
    return this.barred.has(address)
  }

  knows(address: string): boolean {
    return address === FRIEND
  }

  busy(): ReturnType<Door['busy']> {
    return this.overloaded
  }

  judge(request: DoorRequest): DoorVerdict | Promise<DoorVerdict> {
    this.asked.push(request)
    return this.verdict
  }

  noise(): void {}
}

const FORBIDDEN = { status: 403, reason: 'Forbidden', headers: [['Warning', '399 x "no"']] } as const
const BUSY = { status: 503, reason: 'Overloaded', headers: [['Retry-After', '3']] } as const

function behindDoor(verdict: DoorVerdict | Promise<DoorVerdict> = 'drop') {
  const door = new TestDoor()
  door.verdict = verdict
  const harness = new CoreHarness({ settings: { door, relay: false } })
  const from = (address: string, protocol: 'udp' | 'tcp' = 'udp') => harness.flow(protocol, address, 5060)
  return { door, harness, from }
}

function request(method: string, { id = 'a', toTag = '', via = STRANGER } = {}): string[] {
  return [
    `${method} sip:+14155550100@192.0.2.1 SIP/2.0`,
    `Via: SIP/2.0/UDP ${via}:5060;branch=z9hG4bK${id}`,
    `From: <sip:x@example.com>;tag=f${id}`,
    `To: <sip:+14155550100@192.0.2.1>${toTag === '' ? '' : `;tag=${toTag}`}`,
    `Call-ID: call-${id}`,
    `CSeq: 1 ${method}`,
    'Contact: <sip:x@198.51.100.66>',
    'Max-Forwards: 70',
    'Content-Length: 0',
  ]
}

const nothingKept = { dialogs: 0, transactions: 0, timers: 0, errors: 0 }

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}

const Stranger = suite('A request of an unknown source')

for (const method of METHODS) {
  Stranger(`[A2] ${method}: nothing at all is sent, and nothing kept`, () => {
    const { door, harness, from } = behindDoor()
    harness.receive(request(method), from(STRANGER))
    harness.receive(request(method, { id: 'b', toTag: 'nobody' }), from(STRANGER))
    assert.is(door.asked.length, 2)
    assert.is(door.asked[0]?.method, method)
    assert.is(door.asked[0]?.sourceAddress, STRANGER)
    assert.is(door.asked[0]?.header('CALL-ID'), 'call-a')
    assert.equal(harness.sent, [])
    assert.equal(harness.app.delivered, [])
    assert.equal(harness.leftovers(), nothingKept)
  })

  Stranger(
    `[A2] ${method}: an answer is given without keeping anything, to every repeat the same; never to an ACK`,
    () => {
      const { harness, from } = behindDoor(FORBIDDEN)
      for (let repeats = 0; repeats < 2; repeats++) harness.receive(request(method), from(STRANGER))
      const answers = harness.sentResponses(403)
      assert.is(harness.sent.length, answers.length)
      assert.is(answers.length, method === 'ACK' ? 0 : 2)
      if (answers.length > 0) {
        assert.ok(answers[0]!.toTag.length >= 8)
        assert.is(answers[0]!.toTag, answers[1]!.toTag)
        assert.is(answers[0]!.headers.get('warning'), '399 x "no"')
        assert.is(harness.sent[0]?.to, `udp:${STRANGER}:5060`)
      }
      assert.equal(harness.leftovers(), nothingKept)
    },
  )
}

Stranger('[A1] a hundred thousand of them leave nothing behind, cost no memory, and no tag is another one’s', () => {
  const { door, harness, from } = behindDoor(FORBIDDEN)
  const flow = from(STRANGER)
  const lines = request('INVITE', { id: '0' })
  const tags = new Set<string>()
  let before = 0
  for (let i = 0; i < 100_000; i++) {
    // A thousand first, so that what is made once is there.
    if (i === 1_000) before = usedBytes()
    harness.receive(i < 1_000 ? request('INVITE', { id: String(i) }) : lines, flow)
    if (i < 1_000) tags.add(harness.sentResponses(403).at(-1)?.toTag ?? '')
    harness.sent.length = door.asked.length = 0
  }
  assert.is(tags.size, 1_000)
  assert.equal(harness.leftovers(), nothingKept)
  assert.ok(usedBytes() - before < 10_000_000)
})

Stranger('that cannot be used gets no answer either, or the one that says what is wrong with it', () => {
  const { door, harness, from } = behindDoor()
  const broken = request('INVITE').map((line) => (line.startsWith('CSeq') ? 'CSeq: 1 BYE' : line))
  harness.receive(broken, from(STRANGER))
  assert.is(door.asked[0]?.malformed, true)
  assert.equal(harness.sent, [])
  door.verdict = FORBIDDEN
  harness.receive(broken, from(STRANGER))
  assert.is(harness.sentResponses(400).length, 1)
  assert.equal(harness.leftovers(), nothingKept)
})

Stranger('waits without state while the door looks who it is, and comes in once', async () => {
  let admit: (verdict: DoorVerdict) => void = () => {}
  const { harness, from } = behindDoor(new Promise((resolve) => (admit = resolve)))
  harness.receive(request('INVITE'), from(STRANGER))
  harness.receive(request('INVITE'), from(STRANGER))
  assert.equal(harness.leftovers(), nothingKept)
  admit('admit')
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(harness.app.requests('INVITE').length, 1)
  harness.respond(harness.app.last().txnId, 486)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingKept)
})

Stranger('over a connection that serves nobody ends the connection', () => {
  const { harness, from } = behindDoor()
  let dismissed = 0
  const flow = Object.assign(from(STRANGER, 'tcp'), { dismiss: () => void dismissed++ })
  harness.receive(request('OPTIONS'), flow)
  assert.is(dismissed, 1)
})

Stranger('comes in where the door fails, and the error is reported', () => {
  const { door, harness, from } = behindDoor()
  door.judge = () => {
    throw new Error('broken')
  }
  harness.receive(request('INVITE'), from(STRANGER))
  assert.is(harness.app.requests('INVITE').length, 1)
  assert.is(harness.errors.length, 1)
})

Stranger.run()

const Dialogs = suite('What belongs to something that goes on')

/** A call of the friend's that is answered. */
function answeredCall() {
  const bench = behindDoor()
  const { harness, from } = bench
  harness.receive(request('INVITE', { id: 'call', via: FRIEND }), from(FRIEND))
  const { txnId } = harness.app.last()
  harness.respond(txnId, 200, ['Contact: <sip:me@192.0.2.1>'])
  const toTag = harness.sentResponses(200).at(-1)!.toTag
  return { ...bench, toTag }
}

Dialogs('comes in from any address: ACK, re-INVITE and BYE of a call', () => {
  const { door, harness, from, toTag } = answeredCall()
  const inDialog = (method: string, cseq: number) =>
    request(method, { id: 'call', toTag }).map((line) =>
      line.startsWith('CSeq') ? `CSeq: ${cseq} ${method}` : line.startsWith('Via') ? `${line}${cseq}` : line,
    )
  harness.receive(inDialog('ACK', 1), from(STRANGER))
  harness.receive(inDialog('INFO', 2), from(STRANGER))
  harness.respond(harness.app.last().txnId, 200)
  harness.receive(inDialog('BYE', 3), from(STRANGER))
  assert.equal(door.asked, [])
  assert.equal(
    harness.app.delivered.map(({ message }) => message.kind === 'request' && message.method),
    ['INVITE', 'ACK', 'INFO', 'BYE'],
  )
})

Dialogs('a CANCEL comes in when its INVITE did', () => {
  const { door, harness, from } = behindDoor('admit')
  harness.receive(request('INVITE'), from(STRANGER))
  door.verdict = 'drop'
  door.asked.length = 0
  harness.receive(request('CANCEL'), from(STRANGER))
  assert.equal(door.asked, [])
  assert.is(harness.sentResponses(487).length, 1)
})

Dialogs('repeats of what came in are not asked about again', () => {
  const { door, harness, from } = behindDoor('admit')
  harness.receive(request('INVITE'), from(STRANGER))
  harness.receive(request('INVITE'), from(STRANGER))
  assert.is(door.asked.length, 1)
  assert.is(harness.app.requests('INVITE').length, 1)
})

Dialogs('a barred source is let through while a call goes on with it: an address can be forged', () => {
  const { door, harness } = answeredCall()
  for (const address of [FRIEND, STRANGER]) door.barred.add(address)
  assert.is(harness.core.bars(STRANGER), true)
  assert.is(harness.core.bars(FRIEND), false)
})

Dialogs('so is one that owes an answer to a request of ours', () => {
  const { door, harness } = behindDoor()
  door.barred.add('198.51.100.9')
  assert.is(harness.core.bars('198.51.100.9'), true)
  harness.clock.advance(1_000)
  harness.request('OPTIONS', 'sip:198.51.100.9')
  assert.is(harness.core.bars('198.51.100.9'), false)
})

Dialogs.run()

const Overloaded = suite('An overloaded engine')

Overloaded('answers new INVITEs with 503 and Retry-After, without keeping anything of them', () => {
  const { door, harness, from } = behindDoor()
  door.overloaded = BUSY
  harness.receive(request('INVITE', { via: FRIEND }), from(FRIEND))
  const [answer] = harness.sentResponses(503)
  assert.is(answer?.headers.get('retry-after'), '3')
  assert.is(harness.sentResponses(100).length, 0)
  assert.equal(harness.leftovers(), nothingKept)
  harness.receive(request('ACK', { via: FRIEND, toTag: answer!.toTag }), from(FRIEND))
  assert.equal(harness.leftovers(), nothingKept)
})

Overloaded('drops those whose callers have given up', () => {
  const { door, harness, from } = behindDoor()
  door.overloaded = 'drop'
  harness.receive(request('INVITE', { via: FRIEND }), from(FRIEND))
  assert.equal(harness.sent, [])
  assert.equal(harness.leftovers(), nothingKept)
})

Overloaded('takes what belongs to calls, repeats of INVITEs it has, and OPTIONS', () => {
  const { door, harness, from } = answeredCall()
  harness.receive(request('INVITE', { id: 'ringing', via: FRIEND }), from(FRIEND))
  door.overloaded = BUSY
  harness.receive(request('INVITE', { id: 'ringing', via: FRIEND }), from(FRIEND))
  harness.receive(request('CANCEL', { id: 'ringing', via: FRIEND }), from(FRIEND))
  harness.receive(request('OPTIONS', { id: 'ping', via: FRIEND }), from(FRIEND))
  assert.is(harness.app.requests('OPTIONS').length, 1)
  assert.is(harness.app.requests('CANCEL').length, 1)
  assert.is(harness.sentResponses(503).length, 0)
})

Overloaded.run()
