import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entrance } from '../../src/edge/access/entrance.js'
import type { DoorAnswer, DoorRequest } from '../../src/engine/index.js'
import { Incoming } from './scripted-server.js'

const Entering = suite('The door where the SIP server is somebody else’s')

/** An entrance whose door says what the test wants. */
class Bench {
  known = false
  busy: DoorAnswer | 'drop' | undefined
  /** What the door was asked to judge. */
  readonly judged: DoorRequest[] = []
  readonly errors: object[] = []
  comeIn = 0
  private admit!: (admitted: boolean) => void
  private giveUp!: (error: unknown) => void
  private readonly judgement = new Promise<boolean>((resolve, reject) => {
    this.admit = resolve
    this.giveUp = reject
  })
  private readonly entrance = new Entrance(
    {
      knows: () => this.known,
      busy: () => this.busy,
      admits: (request) => {
        this.judged.push(request)
        return this.judgement
      },
    },
    { error: (fields) => void this.errors.push(fields) },
  )

  invite(lines: Record<string, string> = {}): Incoming {
    const invite = new Incoming('INVITE', 'sip:+14155550100@127.0.0.1', {
      To: '<sip:+14155550100@127.0.0.1>',
      ...lines,
    })
    this.entrance.invite(invite, () => this.comeIn++)
    return invite
  }

  request(method: string, lines: Record<string, string> = {}, body = ''): Incoming {
    const request = new Incoming(method, 'sip:127.0.0.1', { To: '<sip:127.0.0.1>', ...lines }, body)
    this.entrance.request(request, () => this.comeIn++)
    return request
  }

  /** The door has made up its mind, and all that follows from it has happened. */
  async decide(admitted: boolean): Promise<void> {
    this.admit(admitted)
    await this.judgement
  }

  async fail(error: unknown): Promise<void> {
    this.giveUp(error)
    await this.judgement.catch(() => undefined)
  }
}

Entering('whoever is known comes in at once, and is not judged', () => {
  const bench = new Bench()
  bench.known = true
  bench.invite()
  bench.request('OPTIONS')
  assert.is(bench.comeIn, 2)
  assert.equal(bench.judged, [])
})

Entering('what belongs to a dialog comes in at once, whoever sends it', () => {
  const bench = new Bench()
  bench.request('BYE', { To: '<sip:127.0.0.1>;tag=a' })
  bench.invite({ To: '<sip:127.0.0.1>;tag=a' })
  assert.is(bench.comeIn, 2)
  assert.equal(bench.judged, [])
})

Entering('a stranger waits until the door admits it; the door is shown the request as the engine would', async () => {
  const bench = new Bench()
  const request = bench.request('REGISTER', { From: '"Zoë" <sip:zoe@127.0.0.1>', 'Call-ID': 'one' }, 'body')
  assert.is(bench.comeIn, 0)
  const [shown] = bench.judged
  assert.equal(
    [shown?.method, shown?.requestUri, shown?.callId, shown?.sourceAddress, shown?.protocol, shown?.body],
    ['REGISTER', 'sip:127.0.0.1', 'one', '127.0.0.1', 'udp', 'body'],
  )
  assert.is(shown?.malformed, false)
  assert.is(shown?.header('from'), '"Zo\u00c3\u00ab" <sip:zoe@127.0.0.1>', 'a character a byte')
  assert.is(shown?.header('x-none'), undefined)
  await bench.decide(true)
  assert.is(bench.comeIn, 1)
  assert.equal(request.statuses, [])
})

Entering('a stranger that is not admitted gets 403 that says so, and nothing comes in', async () => {
  const bench = new Bench()
  const [invite, request] = [bench.invite(), bench.request('OPTIONS')]
  await bench.decide(false)
  assert.is(bench.comeIn, 0)
  for (const { given } of [invite, request])
    assert.equal(given, [
      {
        status: 403,
        reason: 'Source address not allowed',
        headers: {
          Warning: '399 signalbox "Source address not allowed"',
          Reason: 'SIP;cause=403;text="SOURCE_UNKNOWN"',
        },
        body: '',
      },
    ])
})

for (const admitted of [true, false])
  Entering(`an INVITE cancelled meanwhile is ${admitted ? 'not let in' : 'not answered again'}`, async () => {
    const bench = new Bench()
    const invite = bench.invite()
    invite.cancel()
    await bench.decide(admitted)
    assert.is(bench.comeIn, 0)
    assert.equal(invite.statuses, [487])
  })

Entering('a request that cannot be judged gets 500, and why is logged', async () => {
  const bench = new Bench()
  const request = bench.request('OPTIONS')
  await bench.fail('Redis is away')
  assert.is(bench.comeIn, 0)
  assert.equal(request.statuses, [500])
  assert.equal(bench.errors, [{ error: 'Redis is away' }])
})

Entering('a call that was cancelled before it could not be judged is not answered again', async () => {
  const bench = new Bench()
  const invite = bench.invite()
  invite.cancel()
  await bench.fail('Redis is away')
  assert.equal(invite.statuses, [487])
})

const BUSY: DoorAnswer = { status: 503, reason: 'Busy', headers: [['Retry-After', '3']] }

Entering('a busy edge refuses new calls, known callers’ too, and what goes on comes in', () => {
  const bench = new Bench()
  bench.known = true
  bench.busy = BUSY
  const invite = bench.invite()
  assert.is(bench.comeIn, 0)
  assert.equal(invite.given, [{ status: 503, reason: 'Busy', headers: { 'Retry-After': '3' }, body: '' }])
  bench.invite({ To: '<sip:127.0.0.1>;tag=a' })
  bench.request('OPTIONS')
  assert.is(bench.comeIn, 2)
})

Entering('a busy edge tells strangers that are not admitted nothing of it', async () => {
  const bench = new Bench()
  bench.busy = BUSY
  const invite = bench.invite()
  await bench.decide(false)
  assert.equal(invite.statuses, [403])
})

Entering('a call that would be dropped when the server is ours comes in: this one has answered 100', () => {
  const bench = new Bench()
  bench.known = true
  bench.busy = 'drop'
  bench.invite()
  assert.is(bench.comeIn, 1)
})

Entering.run()
