import { existsSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unknownSource } from '../../src/app/access.js'
import { loadConfig } from '../../src/config/index.js'
import { EdgeDoor } from '../../src/edge/access/edge-door.js'
import { Overload } from '../../src/edge/access/overload.js'
import { Scanners } from '../../src/edge/access/scanners.js'
import { SourceLedger } from '../../src/edge/access/source-ledger.js'
import { sourceName } from '../../src/edge/access/source-name.js'
import { StrangerLog } from '../../src/edge/access/stranger-log.js'
import { Calls, type RegisteredCall } from '../../src/edge/calls.js'
import type { DoorRequest } from '../../src/engine/index.js'
import type { Routed } from '../../src/routing/router.js'
import { ManualClock } from '../support/manual-clock.js'

const STRANGER = '198.51.100.66'

function ledgerOn(clock: ManualClock, options: Partial<ConstructorParameters<typeof SourceLedger>[0]> = {}) {
  return new SourceLedger({
    clock,
    rate: 20,
    burst: 100,
    firstBanMs: 10_000,
    longestBanMs: 3_600_000,
    maxSources: 1_000,
    ...options,
  })
}

const Ledger = suite('What an unknown source may send')

Ledger('[A5] 200 requests a second are banned within a second, 20 a second never', () => {
  const clock = new ManualClock()
  const ledger = ledgerOn(clock)
  let sent = 0
  for (; ledger.charge(STRANGER); sent++) clock.advance(5)
  assert.ok(sent > 100 && sent < 200, String(sent))
  assert.is(ledger.isBanned(STRANGER), true)
  assert.is(ledger.isBanned('198.51.100.67'), false)
  for (let i = 0; i < 2_000; i++) {
    clock.advance(50)
    assert.ok(ledger.charge('198.51.100.67'))
  }
})

Ledger('bans end by themselves, grow while it goes on, and are made up for by good behaviour', () => {
  const clock = new ManualClock()
  const ledger = ledgerOn(clock)
  const offend = (): number => {
    while (ledger.charge(STRANGER)) continue
    return ledger.find(STRANGER)!.seconds
  }
  const lengths: number[] = []
  for (let i = 0; i < 11; i++) {
    lengths.push(offend())
    clock.advance(lengths.at(-1)! * 1_000)
    assert.is(ledger.isBanned(STRANGER), false)
  }
  assert.equal(lengths, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600])
  clock.advance(3_600_000 * 10 + 1)
  assert.is(offend(), 3_600)
  clock.advance(3_600_000 * 100)
  assert.is(offend(), 10)
})

Ledger('what comes from a banned source is counted, and a ban can be lifted', () => {
  const clock = new ManualClock()
  const ledger = ledgerOn(clock)
  while (ledger.charge(STRANGER)) continue
  for (let i = 0; i < 5; i++) assert.is(ledger.isBanned(STRANGER), true)
  assert.is(ledger.bansActive, 1)
  assert.equal(
    ledger.bans().map(({ address, dropped, reason, offences }) => ({ address, dropped, reason, offences })),
    [{ address: STRANGER, dropped: 5, reason: 'rate', offences: 1 }],
  )
  assert.is(ledger.lift(STRANGER), true)
  assert.is(ledger.lift(STRANGER), false)
  assert.is(ledger.isBanned(STRANGER), false)
  assert.ok(ledger.charge(STRANGER))
})

Ledger('an IPv6 source is its /64, and stays within bounds whatever comes', () => {
  const clock = new ManualClock()
  const ledger = ledgerOn(clock, { maxSources: 100, burst: 1, rate: 1 })
  assert.is(sourceName('2001:db8:0:1::5'), '2001:db8:0:1::/64')
  assert.is(sourceName('2001:DB8::5'), '2001:db8::/64')
  assert.is(sourceName('2001:db8:0:0:1:2:3:4'), '2001:db8::/64')
  assert.is(sourceName('::1'), '::/64')
  assert.is(sourceName('::ffff:192.0.2.1'), '192.0.2.1')
  assert.is(sourceName('fe80::1%eth0'), 'fe80::/64')
  ledger.charge('2001:db8::1')
  assert.is(ledger.charge('2001:db8::2'), false)
  assert.is(ledger.isBanned('2001:db8::ffff'), true)
  assert.is(ledger.isBanned('2001:db8:1::ffff'), false)
  assert.is(ledger.lift('2001:db8::/64'), true)
  for (let i = 0; i < 10_000; i++) for (let twice = 0; twice < 2; twice++) ledger.charge(`10.0.${i >> 8}.${i & 255}`)
  assert.is(ledger.bans().length, 100)
  const { sources, offenders } = ledger as unknown as Record<string, Map<string, unknown>>
  assert.equal([sources?.size, offenders?.size], [100, 100])
})

Ledger('rate 0 is no limit', () => {
  const ledger = ledgerOn(new ManualClock(), { rate: 0, burst: 1 })
  for (let i = 0; i < 1_000; i++) assert.ok(ledger.charge(STRANGER))
})

Ledger.run()

const Door = suite('The door of the edge')

interface Setting {
  unknownSource?: 'drop' | '403'
  digestPossible?: boolean
  complete?: boolean
  exempt?: boolean
  waitMs?: number
  registers?: boolean
}

/** A door that knows 192.0.2.7 alone, the number +14155550100 on a trunk with digest, and the token of one trunk. */
function doorWith(setting: Setting = {}) {
  const clock = new ManualClock()
  const lines: { fields: object; message: string }[] = []
  const logger = {
    info: (fields: object, message: string) => void lines.push({ fields, message }),
    warn: (fields: object, message: string) => void lines.push({ fields, message }),
  }
  const ledger = ledgerOn(clock)
  const door = new EdgeDoor({
    clock,
    unknownSource: setting.unknownSource ?? 'drop',
    ledger,
    exempt: () => setting.exempt === true,
    scanners: new Scanners(['acme probe']),
    overload: new Overload({ waitMs: () => setting.waitMs ?? 0, shedDelayMs: 500, patienceMs: 32_000 }),
    log: new StrangerLog({ clock, logger, ledger }),
  })
  const looked: string[] = []
  const known = new Set(['192.0.2.7'])
  door.guard({
    sources: {
      known: (address) => known.has(address),
      get digestPossible() {
        return setting.digestPossible === true
      },
      get complete() {
        return setting.complete !== false
      },
    },
    directory: { trunkOfToken: (token) => (token === TOKEN ? ({ id: 'named' } as never) : undefined) },
    router: {
      async decide({ requestUri }) {
        looked.push(requestUri)
        const asks = requestUri.includes('+14155550100') ? { asks: {} } : {}
        return { decision: { trace: { identified_by: null } }, ...asks } as unknown as Routed
      },
    },
    identifier: { identify: async () => ({ by: 'nobody', tried: [], nearestMiss: '' }) },
    registers: () => setting.registers === true,
  })
  return { clock, door, ledger, lines, looked, known, setting }
}

const TOKEN = 'sbtabcdefghij234567abcd'

function arrival(method = 'INVITE', fields: Partial<Record<string, string>> = {}, source = STRANGER): DoorRequest {
  const { uri = 'sip:+14155550999@192.0.2.1', body = '', ...headers } = fields
  return {
    method,
    requestUri: uri,
    callId: 'call-1',
    sourceAddress: source,
    protocol: 'udp',
    malformed: false,
    body,
    header: (name) => headers[name],
  }
}

Door(
  '[A1] gives unknown sources nothing, or a 403 that says no more than it must, and tells of each once a minute',
  async () => {
    const silent = doorWith()
    for (let i = 0; i < 50; i++) assert.is(silent.door.judge(arrival()), 'drop')
    assert.is(silent.door.turnedAway.unknown_source, 50)
    assert.is(silent.lines.length, 1)
    assert.equal(
      (({ method, dialled, sourceAddress, answer }) => ({ method, dialled, sourceAddress, answer }))(
        silent.lines[0]!.fields as Record<string, unknown>,
      ),
      { method: 'INVITE', dialled: '+14155550999', sourceAddress: STRANGER, answer: 'none' },
    )
    silent.clock.advance(60_000)
    silent.door.judge(arrival())
    assert.is((silent.lines[1]?.fields as { requests: number }).requests, 50)

    const answering = doorWith({ unknownSource: '403' })
    const verdict = answering.door.judge(arrival())
    assert.ok(typeof verdict === 'object' && 'status' in verdict && verdict.status === 403)
  },
)

Door('where unknown sources get an answer, a request that nobody could have sent well is told its own fault', () => {
  const INVALID: [string, Record<string, string>, number][] = [
    ['FOO', {}, 501],
    ['OPTIONS', { uri: 'soap.beep://192.0.2.1' }, 416],
    ['OPTIONS', { 'max-forwards': '0' }, 483],
    ['OPTIONS', { require: 'nothing-supports-this' }, 420],
    ['INVITE', { 'content-type': 'application/unknown', body: 'x' }, 415],
    ['INVITE', { accept: 'text/plain' }, 406],
    ['INVITE', {}, 403],
    ['REGISTER', {}, 403],
    ['MESSAGE', { 'content-type': 'text/plain', body: 'x' }, 403],
    ['CANCEL', { uri: 'soap.beep://192.0.2.1' }, 403],
  ]
  const answering = doorWith({ unknownSource: '403' })
  const silent = doorWith()
  for (const [method, fields, status] of INVALID) {
    const verdict = answering.door.judge(arrival(method, fields))
    assert.is((verdict as { status: number }).status, status, method)
    assert.is(silent.door.judge(arrival(method, fields)), 'drop')
  }
})

Door('lets in what comes to a Contact we registered, from wherever, by every method', () => {
  const { door } = doorWith()
  for (const method of ['INVITE', 'OPTIONS', 'BYE', 'FOO'])
    assert.is(door.judge(arrival(method, { uri: `sip:${TOKEN}@192.0.2.1` })), 'admit')
  assert.is(door.judge(arrival('INVITE', { uri: 'sip:sbtaaaaaaaaaaaaaaaaaaaa@192.0.2.1' })), 'drop')
})

Door(
  'lets in an INVITE that concerns who may prove by digest who it is, and looks only where somebody may',
  async () => {
    const digest = doorWith({ digestPossible: true })
    assert.is(await digest.door.judge(arrival('INVITE', { uri: 'sip:+14155550100@192.0.2.1' })), 'admit')
    assert.is(await digest.door.judge(arrival()), 'drop')
    assert.is(digest.door.judge(arrival('OPTIONS', { uri: 'sip:+14155550100@192.0.2.1' })), 'drop')
    const none = doorWith()
    assert.is(none.door.judge(arrival('INVITE', { uri: 'sip:+14155550100@192.0.2.1' })), 'drop')
    assert.equal(none.looked, [])
  },
)

Door('looks into no more than 200 requests a second of all unknown sources together', async () => {
  const { door, looked, clock } = doorWith({ digestPossible: true })
  for (let i = 0; i < 1_000; i++) await door.judge(arrival('INVITE', {}, `10.0.${i >> 8}.${i & 255}`))
  assert.is(looked.length, 200)
  clock.advance(1_000)
  for (let i = 0; i < 1_000; i++) await door.judge(arrival('INVITE', {}, `10.1.${i >> 8}.${i & 255}`))
  assert.is(looked.length, 400)
})

Door('looks into what an address sends that has proved who it is, whatever others send', async () => {
  const { door } = doorWith({ digestPossible: true })
  for (let i = 0; i < 1_000; i++) await door.judge(arrival('INVITE', {}, `198.51.100.${i % 250}`))
  const asked = (): ReturnType<typeof door.judge> => door.judge(arrival('INVITE', { uri: 'sip:+14155550100@edge' }))
  assert.is(await asked(), 'drop')
  door.proved(STRANGER)
  assert.is(await asked(), 'admit')
})

Door('lets in no more than 500 REGISTERs a second of all unknown sources together', async () => {
  const { door, clock } = doorWith({ registers: true })
  const admitted = (count: number): number => {
    let taken = 0
    for (let i = 0; i < count; i++)
      if (door.judge(arrival('REGISTER', {}, `10.0.${i >> 8}.${i & 255}`)) === 'admit') taken++
    return taken
  }
  assert.is(admitted(2_000), 500)
  assert.is(door.turnedAway.rate, 1_500)
  clock.advance(1_000)
  assert.is(admitted(600), 500)
})

Door('bans nobody before all trunks are known', async () => {
  const { door, ledger } = doorWith({ complete: false })
  for (let i = 0; i < 500; i++) await door.judge(arrival('OPTIONS'))
  assert.equal(ledger.bans(), [])
})

Door('[A5] bars a banned source, until it is configured or exempt', () => {
  const { door, known, clock } = doorWith()
  for (let i = 0; i < 101; i++) door.judge(arrival('OPTIONS'))
  assert.is(door.bars(STRANGER), true)
  assert.is(door.bars('192.0.2.7'), false)
  known.add(STRANGER)
  clock.advance(1_000)
  assert.is(door.bars(STRANGER), false)
  const exempt = doorWith({ exempt: true })
  for (let i = 0; i < 500; i++) exempt.door.judge(arrival('OPTIONS'))
  assert.is(exempt.door.bars(STRANGER), false)
})

Door('[A5] a trunk in the IPv6 network of a banned source comes in all the same, and the ban stays', () => {
  const { door, known, ledger } = doorWith()
  const [offender, trunk] = ['2001:db8::66', '2001:db8::7']
  known.add(trunk)
  while (!ledger.isBanned(offender)) door.judge(arrival('INVITE', {}, offender))
  for (let i = 0; i < 10; i++) {
    assert.is(door.bars(offender), true)
    assert.is(door.bars(trunk), false)
  }
  assert.is(door.bars('2001:db8::8'), true)
})

Door('spares for an hour an address from which somebody has proved by digest who it is', async () => {
  const { door, clock, ledger } = doorWith({ digestPossible: true })
  door.proved(STRANGER)
  for (let i = 0; i < 500; i++) await door.judge(arrival('INVITE', { uri: 'sip:+14155550100@192.0.2.1' }))
  assert.equal(ledger.bans(), [])
  clock.advance(3_600_000)
  for (let i = 0; i < 101; i++) await door.judge(arrival('INVITE', { uri: 'sip:+14155550100@192.0.2.1' }))
  assert.is(ledger.bans().length, 1)
})

Door('[A8] gives scanners nothing whatever unknown sources get, counts them, and bans them sooner', () => {
  const { door, lines, ledger } = doorWith({ unknownSource: '403' })
  for (let i = 0; i < 10; i++) assert.is(door.judge(arrival('OPTIONS', { 'user-agent': 'friendly-scanner' })), 'drop')
  assert.equal(ledger.bans(), [])
  assert.is(door.judge(arrival('OPTIONS', { 'user-agent': 'x'.repeat(60_000) + ' sipvicious' })).toString(), 'drop')
  assert.is(ledger.find(STRANGER)?.offences, 1)
  assert.is(door.turnedAway.scanner, 10)
  for (const { fields, message } of lines) assert.ok(JSON.stringify({ ...fields, message }).length < 1_000)
})

Door('[A8] a source that tries one number after the other is a scanner', () => {
  const { door, ledger } = doorWith({ unknownSource: '403' })
  const verdicts = Array.from({ length: 40 }, (_, i) =>
    door.judge(arrival('INVITE', { uri: `sip:${1_000 + i}@192.0.2.1` })),
  )
  assert.is(typeof verdicts[10], 'object')
  assert.is(verdicts[12], 'drop')
  assert.is(ledger.find(STRANGER)?.reason, 'scanner')
  const again = doorWith({ unknownSource: '403' })
  for (let i = 0; i < 40; i++) assert.is(typeof again.door.judge(arrival()), 'object')
  for (let i = 0; i < 40; i++)
    assert.is(typeof again.door.judge(arrival('INVITE', { uri: `sip:user${i}@192.0.2.1` })), 'object')
})

Door('knows the user agents of scanners, those configured too, as words and in any case', () => {
  const scanners = new Scanners(['acme probe'])
  for (const text of [
    'Friendly-Scanner',
    'sipcli/v1.8',
    'VaxSIPUserAgent/3.1',
    'my sipvicious',
    'ACME Probe 2',
    'Nmap NSE',
  ])
    assert.ok(scanners.isScanner(text), text)
  for (const text of [undefined, '', 'Asterisk PBX 20', 'eyeBeam release 1102', 'FreeSWITCH', 'Roadmap 1'])
    assert.not.ok(scanners.isScanner(text), text)
  const file = '../shared/corpora/guards/scanner-user-agents.txt'
  if (!existsSync(file)) return
  const listed = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('do not block by UA alone'))
  assert.ok(listed.length > 20)
  for (const text of listed) assert.ok(scanners.isScanner(text), text)
})

Door('null is `drop` where a contact can be reached from the internet, else 403', () => {
  const of = (env: Record<string, string>) => unknownSource(loadConfig({ env }))
  assert.is(of({}), '403')
  assert.is(of({ SIP_CONTACTS: 'sip:192.168.1.2:5060' }), '403')
  assert.is(of({ SIP_CONTACTS: 'sip:[fd00::1]:5060' }), '403')
  assert.is(of({ SIP_CONTACTS: 'sip:203.0.113.7:5060' }), 'drop')
  assert.is(of({ SIP_CONTACTS: 'sip:[2a00::1]:5060' }), 'drop')
  assert.is(of({ SIP_CONTACTS: 'sip:10.0.0.1:5060', SIP_EXTERNAL_IP: '203.0.113.7' }), 'drop')
  assert.is(of({ SIP_CONTACTS: 'sip:203.0.113.7:5060', SIGNALBOX__ACCESS__UNKNOWN_SOURCE: '403' }), '403')
  assert.is(of({ SIGNALBOX__ACCESS__UNKNOWN_SOURCE: 'drop' }), 'drop')
})

Door.run()

const Full = suite('An edge at its limit')

Full('refuses new calls while messages wait, until half that wait is reached again', () => {
  let waitMs = 0
  const overload = new Overload({ waitMs: () => waitMs, shedDelayMs: 500, patienceMs: 32_000, random: () => 0.99 })
  const shedAt = (ms: number): boolean => {
    waitMs = ms
    return overload.answer() !== undefined
  }
  assert.equal([0, 499, 500, 300, 251, 249, 499].map(shedAt), [false, false, true, true, true, false, false])
  assert.is(overload.counts.eventLoop, 3)
  waitMs = 1_900
  const answer = overload.answer()
  assert.ok(answer !== 'drop' && answer !== undefined)
  const { Reason, 'Retry-After': retry } = Object.fromEntries(answer.headers)
  assert.match(Reason ?? '', 'EDGE_OVERLOADED')
  assert.is(retry, '6')
  waitMs = 32_000
  assert.is(overload.answer(), 'drop')
  assert.is(overload.counts.stale, 1)
  assert.is(new Overload({ waitMs: () => 9_999, shedDelayMs: 0, patienceMs: 1 }).answer(), undefined)
})

Full('[L11] takes exactly `max_calls`, and says when there will be room', () => {
  const clock = new ManualClock()
  const calls = new Calls({ maxCalls: 250, clock, random: () => 0 })
  const callOf = (id: number): RegisteredCall => ({ id: String(id), direction: 'inbound' }) as RegisteredCall
  const taken = Array.from({ length: 375 }, (_, i) => calls.add(callOf(i)))
  assert.is(taken.filter(Boolean).length, 250)
  assert.is(calls.size, 250)
  assert.is(calls.refuse(), 5)
  for (let i = 0; i < 40; i++) {
    clock.advance(3_000)
    calls.remove(String(i))
    calls.remove(String(i))
  }
  assert.is(calls.size, 210)
  assert.is(calls.refuse(), 3)
  assert.is(calls.refused, 2)
})

Full.run()
