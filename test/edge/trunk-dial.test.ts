import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Failure } from '../../src/edge/dial.js'
import type { SipDialog } from '../../src/edge/sip-server.js'
import { TrunkDial, type TrunkDialOptions, type TrunkDialParts } from '../../src/edge/trunk-dial.js'
import type { Trunk } from '../../src/model/trunk.js'
import { CallError } from '../../src/model/verdict.js'
import type { Target } from '../../src/trunks/target.js'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { ManualClock } from '../support/manual-clock.js'
import { planOf } from '../support/outbound-plan.js'
import { turn } from './bench.js'
import { Message, SDP, ScriptedServer } from './scripted-server.js'

const Dialling = suite('A call to a trunk')

const target = (last: number): Target => ({ transport: 'udp', address: `192.0.2.${last}`, port: 5060, settled: true })
const ONE = 'sip:192.0.2.1:5060;transport=udp'
const TWO = 'sip:192.0.2.2:5060;transport=udp'

/** A call to a trunk with two servers, on a scripted SIP server. */
class DialBench {
  readonly clock = new ManualClock()
  readonly server = new ScriptedServer()
  readonly health = new TargetHealth({ clock: this.clock, avoidMs: 30_000 })
  readonly failures: Failure[] = []
  readonly provisionals: number[] = []
  readonly dialogs: SipDialog[] = []
  offers = 0
  readonly dial: TrunkDial

  constructor(
    trunk: Partial<Trunk> = {},
    more: Partial<TrunkDialOptions> = {},
    of: TrunkDialParts['paths']['of'] = () => Promise.resolve({ targets: [target(1), target(2)], routes: [] }),
  ) {
    const { clock, server, health } = this
    this.dial = new TrunkDial(
      {
        clock,
        health,
        paths: { of },
        inviter: { invite: (_trunk, ...rest) => server.invite(...rest) },
        settings: { silenceMs: 4_000, maxRedirects: 2, cancelWaitMs: 1_000, userAgent: null, sessionTimers: null },
      },
      {
        plan: planOf(trunk),
        message: new Message({ 'Content-Type': 'application/sdp' }, SDP),
        ringTimeoutMs: 30_000,
        run: (handler) => handler(),
        ...more,
      },
      {
        sent: () => {},
        provisional: ({ status }) => void this.provisionals.push(status),
        answered: (dialog) => void this.dialogs.push(dialog),
        offered: () => void (this.offers += 1),
        failed: (failure) => void this.failures.push(failure),
      },
    )
  }

  static async started(...options: ConstructorParameters<typeof DialBench>): Promise<DialBench> {
    const bench = new DialBench(...options)
    bench.dial.start()
    await turn()
    return bench
  }

  get failure(): Failure {
    assert.is(this.failures.length, 1, 'one failure')
    assert.is(this.clock.pending, 0, 'no timer is left')
    return this.failures[0]!
  }

  get tried(): [string, number][] {
    return this.dial.record.map((attempt) => [attempt.target, attempt.status])
  }

  state(last: number): string {
    return this.health.stateOf('pbx-1', target(last)).state
  }
}

Dialling('sends the INVITE to the trunk’s first server, by way of it alone', async () => {
  const bench = await DialBench.started()
  const { uri, options } = bench.server.last
  assert.is(uri, 'sip:+13125550199@pbx.example.com')
  assert.is(options.proxy, ONE)
  assert.is(options.silenceMs, 4_000)
  assert.is(options.body, SDP)
  assert.match(options.headers['From'] ?? '', /^<sip:\+14155550100@pbx\.example\.com>;tag=[0-9a-f]{16}$/)
  bench.server.last.ring(183)
  bench.server.last.answer()
  assert.equal(bench.provisionals, [183])
  assert.is(bench.dialogs.length, 1)
  assert.equal(bench.tried, [[ONE, 200]])
  assert.is(bench.dial.lastStatus, 200)
  assert.is(bench.clock.pending, 0)
})

Dialling(
  'tries the next server on 503, with the same Call-ID and From, another CSeq, and all the time it needs',
  async () => {
    const bench = await DialBench.started()
    bench.server.last.refuse(503, 'Full', { 'Retry-After': '60' })
    const [first, second] = bench.server.out
    assert.is(second?.options.proxy, TWO)
    assert.is(second?.options.silenceMs, undefined)
    for (const name of ['Call-ID', 'From', 'To']) assert.is(second?.header(name), first?.header(name), name)
    assert.ok(parseInt(second?.header('CSeq') ?? '') >= parseInt(first?.header('CSeq') ?? '') + 16)
    assert.is(bench.state(1), 'avoided')
    bench.server.last.answer()
    assert.equal(bench.tried, [
      [ONE, 503],
      [TWO, 200],
    ])
    assert.equal(bench.failures, [])
  },
)

Dialling('tries the next server when one is silent, or nothing can be sent to it', async () => {
  const rows: [(bench: DialBench) => void, boolean][] = [
    [({ server }) => server.last.refuse(408, 'x', { Warning: '399 localhost "Not answered: x"' }), false],
    [({ server }) => server.last.refuse(503, 'x', { Warning: '399 localhost "Not sent: x"' }), false],
    [({ server }) => server.last.fail(), true],
  ]
  for (const [fail, unsent] of rows) {
    const bench = await DialBench.started()
    fail(bench)
    assert.is(bench.server.out.length, 2)
    assert.is(bench.tried[0]?.[1], 0)
    assert.is(bench.state(1), unsent ? 'up' : 'avoided')
    bench.server.last.answer()
    assert.is(bench.state(2), 'up')
  }
})

Dialling(
  'takes a 408 after all the time of RFC 3261 for silence, and an earlier one for the destination’s',
  async () => {
    const late = await DialBench.started({}, { ringTimeoutMs: 60_000 })
    late.clock.advance(32_000)
    late.server.last.refuse(408)
    assert.is(late.server.out.length, 2)
    const early = await DialBench.started()
    early.clock.advance(2_000)
    early.server.last.refuse(408)
    assert.is(early.failure.code, 'DESTINATION_NO_ANSWER')
    assert.is(early.failure.passed?.status, 408)
    assert.is(early.state(1), 'up')
  },
)

Dialling('tries no further server after a provisional response', async () => {
  const bench = await DialBench.started()
  bench.server.last.ring(183)
  bench.server.last.refuse(503)
  assert.is(bench.server.out.length, 1)
  assert.is(bench.failure.code, 'TRUNK_OVERLOADED')
})

Dialling('keeps for the record what a refusal says of its cause', async () => {
  const rows: [number, string, Record<string, string>, string][] = [
    [404, 'Not Found', {}, 'answered 404 Not Found'],
    [
      403,
      'Forbidden',
      { Reason: 'Q.850;cause=21;text="no credit"', Warning: '399 carrier "account closed"' },
      'answered 403 Forbidden; Q.850;cause=21;text="no credit"; 399 carrier "account closed"',
    ],
    [503, 'Busy', { Reason: `SIP;text="${'x'.repeat(2_000)}"` }, 'answered 503 Busy'],
    [202, 'Accepted', {}, 'answered 202 Accepted, which makes no dialog'],
  ]
  for (const [status, phrase, lines, words] of rows) {
    const bench = await DialBench.started()
    bench.server.last.refuse(status, phrase, lines)
    if (status === 503) bench.server.last.refuse(status, phrase, lines)
    assert.ok(bench.failure.detail.endsWith(`: ${words}`), bench.failure.detail)
  }
})

const definitive: [number, string, boolean][] = [
  [400, 'DESTINATION_REFUSED', true],
  [401, 'TRUNK_AUTH_REFUSED', false],
  [403, 'DESTINATION_REFUSED', true],
  [404, 'DESTINATION_REFUSED', true],
  [407, 'TRUNK_AUTH_REFUSED', false],
  [480, 'DESTINATION_REFUSED', true],
  [484, 'DESTINATION_REFUSED', true],
  [486, 'DESTINATION_BUSY', true],
  [488, 'DESTINATION_REFUSED', true],
  [500, 'DESTINATION_REFUSED', true],
  [504, 'DESTINATION_REFUSED', true],
  [600, 'DESTINATION_BUSY', true],
  [603, 'DESTINATION_DECLINED', true],
  [607, 'DESTINATION_DECLINED', true],
  [608, 'DESTINATION_DECLINED', true],
]
for (const [status, code, passes] of definitive)
  Dialling(`never tries another server after ${status}: ${code}`, async () => {
    const bench = await DialBench.started()
    bench.server.last.refuse(status, 'Because')
    assert.is(bench.server.out.length, 1)
    assert.is(bench.failure.code, code)
    assert.is(bench.failure.passed?.status, passes ? status : undefined)
    assert.match(bench.failure.detail, new RegExp(`^${ONE}: answered ${status} Because`))
    assert.is(bench.state(1), 'up')
    assert.is(bench.dial.lastStatus, status)
  })

Dialling('reports of several servers what is most telling', async () => {
  const bench = await DialBench.started()
  bench.server.last.refuse(503, 'Full')
  bench.server.last.fail()
  assert.is(bench.failure.code, 'TRUNK_OVERLOADED')
  const silent = await DialBench.started()
  silent.server.last.fail()
  silent.server.last.fail('no route')
  assert.is(silent.failure.code, 'TRUNK_UNREACHABLE')
  assert.is(silent.failure.detail, `${ONE}: requested protocol/transport not available`)
})

Dialling('[A10] does not follow a 302 to where calls of the trunk may not go', async () => {
  for (const [user, code] of [
    ['+88213300655', 'DESTINATION_HIGH_RISK'],
    ['+442079460000', 'DESTINATION_BARRED'],
    ['0044 20 7946 0000'.replaceAll(' ', '-'), 'DESTINATION_BARRED'],
  ] as const) {
    const bench = await DialBench.started()
    bench.server.last.refuse(302, 'Moved', { Contact: `<sip:${user}@10.0.0.9:5099>` })
    assert.equal([bench.failure.code, bench.server.out.length], [code, 1])
  }
  const bench = await DialBench.started({ allowed_destinations: ['+882'] })
  bench.server.last.refuse(302, 'Moved', { Contact: '<sip:+88213300655@10.0.0.9:5099>' })
  assert.is(bench.server.out.length, 2)
})

Dialling('follows a 302 to the Contact, by way of the same server', async () => {
  const bench = await DialBench.started()
  bench.server.last.refuse(302, 'Moved', { Contact: '<sip:+13125550111@10.0.0.9:5099>' })
  const [first, second] = bench.server.out
  assert.is(second?.uri, 'sip:+13125550111@10.0.0.9:5099')
  assert.is(second?.options.proxy, ONE)
  assert.is(second?.header('To'), first?.header('To'))
  assert.is(second?.header('Call-ID'), first?.header('Call-ID'))
  bench.server.last.refuse(503)
  assert.is(bench.server.last.options.proxy, TWO)
  assert.is(bench.server.last.uri, 'sip:+13125550111@10.0.0.9:5099')
  bench.server.last.answer()
  assert.equal(bench.tried, [
    [ONE, 302],
    [ONE, 503],
    [TWO, 200],
  ])
})

Dialling('follows so many 3xx and no more, and none in a circle or without a usable Contact', async () => {
  const bench = await DialBench.started()
  for (const user of ['a', 'b', 'c']) bench.server.last.refuse(302, 'Moved', { Contact: `<sip:${user}@x>` })
  assert.is(bench.server.out.length, 3)
  assert.is(bench.failure.code, 'TRUNK_REDIRECTED')
  const circle = await DialBench.started()
  circle.server.last.refuse(302, 'Moved', { Contact: '<sip:+13125550199@pbx.example.com>' })
  assert.is(circle.failure.code, 'TRUNK_REDIRECTED')
  const nowhere = await DialBench.started()
  nowhere.server.last.refuse(305, 'Use Proxy', { Contact: '<sip:p@10.0.0.1>' })
  assert.is(nowhere.failure.code, 'TRUNK_REDIRECTED')
  assert.is(nowhere.failure.passed, undefined)
})

Dialling('follows no 3xx once the caller has an answer that another destination could not keep', async () => {
  const bench = await DialBench.started({}, { committed: () => true })
  bench.server.last.ring(183)
  bench.server.last.refuse(302, 'Moved', { Contact: '<sip:a@x>' })
  assert.is(bench.server.out.length, 1)
  assert.is(bench.failure.code, 'TRUNK_REDIRECTED')
})

Dialling('rings no longer than it may, over all servers', async () => {
  const bench = await DialBench.started()
  bench.clock.advance(10_000)
  bench.server.last.refuse(503)
  bench.server.last.ring(180)
  bench.clock.advance(20_000)
  assert.is(bench.server.last.cancelled?.['Reason'], 'SIP;cause=408;text="No answer"')
  bench.server.last.refuse(487, 'Request Terminated')
  assert.is(bench.failure.code, 'DESTINATION_NO_ANSWER')
  assert.is(bench.failure.detail, 'no answer in 30 s')
  assert.equal(bench.tried[1], [TWO, 487])
})

Dialling('that hears nothing at all ends in TRUNK_TIMEOUT, and the server is avoided', async () => {
  const bench = await DialBench.started()
  bench.clock.advance(30_000)
  bench.clock.advance(1_000)
  assert.is(bench.failure.code, 'TRUNK_TIMEOUT')
  assert.is(bench.state(1), 'avoided')
})

Dialling('is cancelled when the caller hangs up: on the wire, and before there is anything on it', async () => {
  const bench = await DialBench.started()
  let done = 0
  bench.dial.stop({ Reason: 'x' }, () => void (done += 1))
  assert.equal(bench.server.last.cancelled, { Reason: 'x' })
  assert.is(done, 0)
  bench.server.last.refuse(487)
  assert.is(done, 1)
  assert.equal(bench.failures, [])
  assert.is(bench.server.out.length, 1)
  assert.is(bench.clock.pending, 0)

  const early = new DialBench()
  early.dial.start()
  early.dial.stop({}, () => void (done += 1))
  await turn()
  assert.is(done, 2)
  assert.is(early.server.out.length, 0)
  assert.is(early.clock.pending, 0)
})

Dialling('ends an answer that crosses the CANCEL', async () => {
  const bench = await DialBench.started()
  let done = 0
  bench.dial.stop({ Reason: 'x' }, () => void (done += 1))
  const dialog = bench.server.last.answer()
  assert.equal(dialog.byes, [{ Reason: 'x' }])
  assert.equal([done, bench.dialogs.length], [1, 0])
})

Dialling('leaves nothing behind when it is dropped', async () => {
  const bench = await DialBench.started()
  bench.dial.drop({})
  assert.equal(bench.server.last.cancelled, {})
  assert.is(bench.clock.pending, 0)
  bench.server.last.refuse(503)
  assert.is(bench.server.out.length, 1)
  assert.equal(bench.failures, [])
})

Dialling('fails with the reason when the trunk’s servers cannot be found', async () => {
  const lost = await DialBench.started({}, {}, () =>
    Promise.reject(new CallError('TRUNK_NOT_USABLE', 'trunk pbx-1: no domain')),
  )
  assert.is(lost.failure.code, 'TRUNK_NOT_USABLE')
  const empty = await DialBench.started({}, {}, () => Promise.resolve({ targets: [], routes: [] }))
  assert.is(empty.failure.code, 'TRUNK_UNREACHABLE')
})

Dialling('hands the destination’s offer on when the agent makes none', async () => {
  const bench = await DialBench.started({}, { message: undefined })
  assert.is(bench.server.last.options.body, '')
  bench.server.last.offer()
  assert.is(bench.offers, 1)
})

Dialling.run()
