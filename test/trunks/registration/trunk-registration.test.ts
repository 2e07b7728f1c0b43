import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CallError } from '../../../src/model/verdict.js'
import { NotNow, NotOurs } from '../../../src/trunks/registration/attempt.js'
import { StoreError } from '../../../src/store/errors.js'
import { SipServerAway } from '../../../src/trunks/sip-client.js'
import {
  flush,
  OWN,
  RegistrationBench,
  target,
  TOKEN,
  trunkOf,
  type Registrar,
  type Says,
  type Sent,
} from '../../support/registration-bench.js'

const RegistrationOfTrunk = suite('The registration of a trunk')

const started = (...args: Parameters<typeof RegistrationBench.started>) => RegistrationBench.started(...args)
const grant = (sent: Sent, headers: Record<string, string> = {}): Says => ({
  headers: { contact: `<${OWN}>;expires=${sent.expires}`, ...headers },
})
const refuses =
  (status: number, reason: string, headers: Record<string, string> = {}): Registrar =>
  () => ({ status, reason, headers })

RegistrationOfTrunk(
  'REGISTERs its AOR at sip_domain with the token in the Contact, and never shows auth_username',
  async () => {
    const bench = await started(undefined, { outbound_proxy: 'sip:127.0.0.1:5065', from_user: 'caller' })
    const { request } = bench.last
    assert.is(request.uri, 'sip:pbx.example.com')
    assert.is(request.headers['From'], '<sip:u100@pbx.example.com>')
    assert.is(request.headers['To'], '<sip:u100@pbx.example.com>')
    assert.is(request.headers['Contact'], `<sip:${TOKEN}@localhost;sbt=${TOKEN}>;expires=300`)
    assert.is(request.headers['Expires'], '300')
    assert.match(request.headers['Supported'] ?? '', 'path')
    assert.equal(request.credentials, { username: 'auth', password: 'one' })
    assert.not.match(JSON.stringify(request.headers), /auth/)
    assert.equal(bench.states, ['waiting', 'registering', 'registered'])
    assert.equal(bench.results, ['registered'])
  },
)

RegistrationOfTrunk('without a sip_domain the host of the proxy is the domain; odd users are escaped', async () => {
  const bench = await started(undefined, { sip_domain: null, outbound_proxy: 'sip:pbx.local:5065', username: 'a b@%' })
  assert.is(bench.last.request.uri, 'sip:pbx.local')
  assert.is(bench.last.request.headers['From'], '<sip:a%20b%40%25@pbx.local>')
})

RegistrationOfTrunk(
  'a trunk without a user, or without a server, is refused in words and nothing is sent',
  async () => {
    for (const [fields, why] of [
      [{ username: null, auth_username: null }, 'the trunk has no username to register'],
      [{ sip_domain: null }, 'neither an outbound_proxy nor a sip_domain'],
    ] as const) {
      const bench = await started(undefined, fields)
      assert.is(bench.view.state, 'refused')
      assert.match(bench.view.reason, why)
      assert.is(bench.sent.length, 0)
    }
  },
)

RegistrationOfTrunk(
  'refreshes between 80 and 90 % of the grant, with the same Call-ID and From tag and the next CSeq',
  async () => {
    const bench = await started()
    assert.is(bench.pauseMs, 240_000)
    await bench.advance(239_000)
    assert.is(bench.sent.length, 1)
    await bench.advance(1_000)
    assert.is(bench.sent.length, 2)
    assert.equal(
      bench.sent.map(({ cseq }) => cseq),
      [1, 2],
    )
    const [first, second] = bench.sent.map(({ request }) => [request.callId, request.fromTag])
    assert.equal(first, second)
    assert.is(bench.view.state, 'registered')
    assert.equal(bench.states, ['waiting', 'registering', 'registered'], 'a refresh is no change of state')
  },
)

RegistrationOfTrunk('takes the grant from its own Contact, whatever Expires and the other Contacts say', async () => {
  const bench = await started(() => ({
    headers: { expires: '3600', contact: `<sip:desk@192.0.2.9>;expires=3000, <${OWN}>;expires=60` },
  }))
  assert.is(bench.view.granted_expires_s, 60)
  assert.is(bench.pauseMs, 48_000)
  assert.is(Date.parse(bench.view.expires_at ?? '') - bench.clock.date().getTime(), 60_000)
})

RegistrationOfTrunk('a 200 without its Contact, or with expires 0, is not registered', async () => {
  for (const headers of [
    { contact: '<sip:desk@192.0.2.9>;expires=3000' },
    { contact: `<${OWN}>;expires=0` },
    {},
  ] as Record<string, string>[]) {
    const bench = await started(() => ({ headers }))
    assert.is(bench.view.state, 'retrying')
    assert.match(bench.view.reason, /does not list our Contact|expires 0/)
    assert.is(bench.driver.path, undefined)
    assert.equal(bench.results, ['no_binding'])
  }
})

RegistrationOfTrunk('a 423 raises the expiry, is sent again once at once, and is remembered', async () => {
  const bench = await started((sent) =>
    sent.expires < 1_200
      ? { status: 423, reason: 'Interval Too Brief', headers: { 'min-expires': '1200' } }
      : grant(sent),
  )
  assert.equal(
    bench.sent.map(({ expires, atMs }) => [expires, atMs]),
    [
      [300, 0],
      [1_200, 0],
    ],
  )
  assert.is(bench.view.min_expires_s, 1_200)
  await bench.advance(960_000)
  assert.is(bench.sent.length, 3)
  assert.is(bench.last.expires, 1_200)
})

RegistrationOfTrunk('what a 423 taught a former owner is asked for from the start', async () => {
  const first = await started(undefined)
  const bench = await started(undefined, {}, { state: { ...first.view, min_expires_s: 900 } })
  assert.is(bench.last.expires, 900)
})

RegistrationOfTrunk('an absurd Min-Expires, or one that asks for no more, is refused with the reason', async () => {
  for (const [minExpires, why] of [
    ['999999999', 'at least 999999999 s, and 86400 s is the most'],
    ['300', '423 with Min-Expires 300, and 300 s were asked for'],
    ['often', '423 without a Min-Expires that can be read'],
  ] as const) {
    const bench = await started(refuses(423, 'Interval Too Brief', { 'min-expires': minExpires }))
    assert.is(bench.view.state, 'refused')
    assert.match(bench.view.reason, why)
    assert.is(bench.sent.length, 1)
  }
})

RegistrationOfTrunk('a registrar that raises Min-Expires each time is sent to twice an attempt', async () => {
  const bench = await started((sent) => ({ status: 423, headers: { 'min-expires': String(sent.expires * 2) } }))
  assert.is(bench.sent.length, 2)
  assert.is(bench.view.state, 'retrying')
  assert.is(bench.view.min_expires_s, 1_200)
})

RegistrationOfTrunk(
  'refusals wait long, keep trying, and tell wrong password from forbidden from unknown user',
  async () => {
    for (const [says, result, why] of [
      [
        { status: 401, reason: 'Unauthorized', refused: { answered: false, code: 'refused', why: '' } },
        'wrong_password',
        'does not accept the password of user auth',
      ],
      [
        { status: 407, reason: 'No', refused: { answered: false, code: 'no-credentials', why: '' } },
        'wrong_password',
        'asks for a password, and the trunk has none',
      ],
      [
        { status: 401, reason: 'No', refused: { answered: false, code: 'unsupported', why: 'algorithm X' } },
        'wrong_password',
        'cannot be answered: algorithm X',
      ],
      [
        { status: 403, reason: 'Forbidden' },
        'forbidden',
        'forbids sip:u100@pbx.example.com to register (403 Forbidden)',
      ],
      [{ status: 404, reason: 'Not Found' }, 'unknown_user', 'does not know the user sip:u100@pbx.example.com'],
      [{ status: 302, reason: 'Moved' }, 'redirected', 'redirects (302 Moved), which is not followed'],
      [{ status: 420, reason: 'Bad Extension' }, 'rejected', '420 Bad Extension'],
      [{ status: 606, reason: 'Not Acceptable' }, 'rejected', '606 Not Acceptable'],
    ] as [Says, string, string][]) {
      const bench = await started(() => says)
      assert.is(bench.view.state, 'refused', result)
      assert.ok(bench.view.reason.includes(why), `${bench.view.reason} / ${why}`)
      assert.is(bench.view.last_code, says.status)
      assert.is(bench.view.last_phrase, says.reason)
      assert.equal(bench.results, [result])
      assert.is(bench.pauseMs, 3_600_000)
      bench.registrar = (sent) => grant(sent)
      await bench.advance(3_600_000)
      assert.is(bench.view.state, 'registered', 'it is never given up')
    }
  },
)

RegistrationOfTrunk('a refused password is read anew before it is shown again', async () => {
  const bench = await started(() => ({ status: 401, refused: { answered: false, code: 'refused', why: '' } }))
  assert.equal(bench.forgotten, ['pbx-1'])
})

RegistrationOfTrunk(
  '503, silence and transport errors go to the next server in the same attempt, any other answer does not',
  async () => {
    for (const says of [
      { status: 503, reason: 'Overloaded' },
      { status: 408, reason: 'Request Timeout', headers: { warning: '399 localhost "Not answered: Request Timeout"' } },
      { status: 503, reason: 'x', sent: false, headers: { warning: '399 localhost "Not sent: connection refused"' } },
    ]) {
      const bench = new RegistrationBench()
      bench.targets = [target(5065), target(5066), target(5067)]
      bench.registrar = (sent) => (sent.request.target.port === 5066 ? grant(sent) : says)
      await bench.start()
      assert.equal(
        bench.sent.map(({ request }) => request.target.port),
        [5065, 5066],
      )
      assert.is(bench.view.state, 'registered')
      assert.is(bench.view.registrar, 'sip:192.0.2.7:5066;transport=udp')
      assert.is(bench.driver.path?.target.port, 5066, 'calls follow the server that accepted')
      assert.ok(bench.sent.every(({ request }) => request.silenceMs === 8_000))
    }
    for (const status of [500, 504, 403]) {
      const bench = new RegistrationBench()
      bench.targets = [target(5065), target(5066)]
      bench.registrar = refuses(status, 'No')
      await bench.start()
      assert.is(bench.sent.length, 1, String(status))
    }
  },
)

RegistrationOfTrunk(
  'when every server fails it backs off with jitter, growing, and begins anew after a success',
  async () => {
    const bench = new RegistrationBench()
    bench.targets = [target(5065), target(5066)]
    bench.registrar = refuses(503, 'Overloaded')
    await bench.start()
    const pauses: number[] = []
    for (let failure = 1; failure <= 4; failure++) {
      assert.is(bench.view.state, 'retrying')
      assert.is(bench.view.failures, failure)
      pauses.push(bench.pauseMs)
      await bench.advance(bench.pauseMs)
    }
    assert.equal(pauses, [30_000, 60_000, 120_000, 240_000])
    bench.registrar = (sent) => grant(sent)
    await bench.advance(480_000)
    assert.is(bench.view.state, 'registered')
    assert.is(bench.view.failures, 0)
    bench.registrar = refuses(503, 'Overloaded')
    await bench.advance(240_000)
    assert.is(bench.pauseMs, 30_000)
  },
)

RegistrationOfTrunk('Retry-After is silence for that long, up to the ceiling', async () => {
  const bench = await started(refuses(503, 'Overloaded', { 'retry-after': '45 (maintenance);duration=60' }))
  assert.is(bench.pauseMs, 45_000)
  await bench.advance(44_000)
  assert.is(bench.sent.length, 1)
  await bench.advance(1_000)
  assert.is(bench.sent.length, 2)
  assert.is((await started(refuses(500, 'Oops', { 'retry-after': '99999' }))).pauseMs, 3_600_000)
  assert.is((await started(refuses(403, 'No', { 'retry-after': '90' }))).pauseMs, 90_000)
})

RegistrationOfTrunk('a failed refresh keeps the way of calls until the binding ends', async () => {
  const bench = await started()
  bench.registrar = refuses(503, 'Overloaded')
  await bench.advance(240_000)
  assert.is(bench.view.state, 'retrying')
  assert.ok(bench.driver.path)
  await bench.advance(61_000)
  assert.is(bench.driver.path, undefined)
  assert.is(bench.view.granted_expires_s, null)
})

RegistrationOfTrunk('a lost connection is registered anew at once', async () => {
  const bench = await started()
  await bench.advance(60_000)
  bench.driver.connectionLost()
  assert.is(bench.view.state, 'waiting')
  assert.match(bench.view.reason, 'connection to the registrar was lost')
  assert.is(bench.driver.path, undefined)
  await bench.advance(250)
  assert.is(bench.view.state, 'registered')
  assert.is(bench.sent.length, 2)
})

RegistrationOfTrunk(
  'a registrar that closes the connection after each 200 ends in retrying, not in a storm',
  async () => {
    const bench = await started()
    for (let i = 0; i < 10; i++) {
      bench.driver.connectionLost()
      await bench.advance(1_000)
    }
    assert.is(bench.view.state, 'retrying')
    assert.match(bench.view.reason, 'closes the connection each time')
    assert.is(bench.sent.length, 3)
  },
)

RegistrationOfTrunk('Service-Route and Path of the last 200 are kept, hostile ones are not', async () => {
  const routes = { 'service-route': '<sip:edge.carrier.example;lr>', path: '<sip:p1;lr>, <sip:p2;lr>' }
  const bench = await started((sent) => grant(sent, routes))
  assert.equal(bench.view.service_route, ['sip:edge.carrier.example;lr'])
  assert.equal(bench.view.path, ['sip:p1;lr', 'sip:p2;lr'])
  assert.equal(bench.driver.path?.serviceRoute, ['sip:edge.carrier.example;lr'])
  bench.registrar = (sent) => grant(sent, { 'service-route': '<http://evil/>' })
  await bench.advance(240_000)
  assert.equal(bench.view.service_route, [])
  assert.match(bench.view.reason, 'Service-Route cannot be used')
  assert.is(bench.view.state, 'registered')
})

RegistrationOfTrunk('one REGISTER at a time: what comes meanwhile is done after', async () => {
  let answer: (says: Says) => void = () => {}
  const bench = await started(() => new Promise<Says>((resolve) => (answer = resolve)))
  bench.driver.registerNow()
  bench.driver.connectionLost()
  await bench.driver.change(trunkOf({ username: 'u200' }))
  await bench.advance(1_000)
  assert.is(bench.sent.length, 1)
  bench.registrar = (sent) => grant(sent)
  answer(grant(bench.last))
  await flush()
  await bench.advance(100)
  assert.is(bench.sent[1]?.request.headers['To'], '<sip:u200@pbx.example.com>')
})

RegistrationOfTrunk(
  'a change registers the new settings first, then takes the old binding away with the old password',
  async () => {
    const bench = await started()
    bench.credentials = { username: 'other', password: 'two' }
    bench.targets = [target(5070)]
    await bench.driver.change(trunkOf({ username: 'u200', auth_username: 'other', outbound_proxy: 'sip:h:5070' }))
    await bench.advance(100)
    assert.equal(
      bench.sent
        .slice(1)
        .map(({ request, expires, to }) => [request.headers['To'], expires, to, request.credentials?.password]),
      [
        ['<sip:u200@pbx.example.com>', 300, 'sip:192.0.2.7:5070;transport=udp', 'two'],
        ['<sip:u100@pbx.example.com>', 0, 'sip:192.0.2.7:5065;transport=udp', 'one'],
      ],
    )
    assert.is(bench.view.state, 'registered')
    assert.not.ok(bench.states.includes('unregistering'))
  },
)

RegistrationOfTrunk(
  'a new way for the same AOR is registered again after the old one is taken away: both may lead to one registrar',
  async () => {
    const bench = await started()
    bench.targets = [target(5070, 'tcp')]
    await bench.driver.change(trunkOf({ outbound_proxy: 'sip:h:5070;transport=tcp' }))
    await bench.advance(100)
    assert.equal(
      bench.sent.slice(1).map(({ expires, to }) => [expires, to.slice(14)]),
      [
        [300, '5070;transport=tcp'],
        [0, '5065;transport=udp'],
        [300, '5070;transport=tcp'],
      ],
    )
  },
)

RegistrationOfTrunk('a changed password is registered with at once; a changed label is no matter', async () => {
  const bench = await started()
  await bench.driver.change({ ...trunkOf({ label: 'new' }), updated_at: '2026-01-02T00:00:00.000Z' })
  await flush()
  assert.is(bench.sent.length, 1)
  bench.credentials = { username: 'auth', password: 'two' }
  await bench.driver.change({ ...trunkOf({ label: 'new' }), updated_at: '2026-01-03T00:00:00.000Z' })
  await flush()
  assert.is(bench.sent.length, 2)
  assert.is(bench.last.request.credentials?.password, 'two')
})

RegistrationOfTrunk('a change brings a refused trunk back at once', async () => {
  const bench = await started(refuses(403, 'Forbidden'))
  bench.registrar = (sent) => grant(sent)
  await bench.driver.change(trunkOf({ username: 'u200' }))
  await bench.advance(100)
  assert.is(bench.view.state, 'registered')
})

RegistrationOfTrunk('when not wanted any more it un-registers, and is stopped whatever comes of that', async () => {
  for (const says of [undefined, { status: 500, reason: 'Oops' }] as const) {
    const bench = await started()
    bench.registrar = (sent) => says ?? { headers: {}, status: 200, reason: `OK ${sent.cseq}` }
    bench.driver.withdraw('switched off')
    await flush()
    assert.is(bench.last.expires, 0)
    assert.is(bench.last.request.headers['Contact'], `<sip:${TOKEN}@localhost;sbt=${TOKEN}>;expires=0`)
    assert.equal(bench.states.slice(-2), ['unregistering', 'stopped'])
    assert.match(bench.view.reason, says === undefined ? /^switched off$/ : /switched off; un-REGISTER: 500 Oops/)
    assert.is(bench.view.granted_expires_s, null)
    assert.is(bench.clock.pending, 0, 'no timer stays')
  }
})

RegistrationOfTrunk('without a binding there is nothing to un-register', async () => {
  const bench = await started(refuses(403, 'Forbidden'))
  bench.driver.withdraw('switched off')
  await flush()
  assert.is(bench.sent.length, 1)
  assert.is(bench.view.state, 'stopped')
})

RegistrationOfTrunk('un-registered by hand stays stopped over restarts, until asked for or changed', async () => {
  const bench = await started()
  bench.driver.hold()
  await flush()
  assert.is(bench.view.state, 'stopped')
  const { held } = bench.driver.record
  assert.ok(held)
  const again = await started(undefined, {}, { held })
  assert.is(again.view.state, 'stopped')
  assert.is(again.sent.length, 0)
  again.driver.registerNow()
  await flush()
  assert.is(again.view.state, 'registered')
  const changed = await started(undefined, {}, { held })
  await changed.driver.change(trunkOf({ username: 'u200' }))
  await flush()
  assert.is(changed.view.state, 'registered')
  assert.is((await started(undefined, { username: 'u300' }, { held })).view.state, 'registered')
})

RegistrationOfTrunk('goes on with the Call-ID and CSeq of the owner before', async () => {
  const bench = await started(undefined, {}, { callId: 'theirs', cseq: 41, fence: 7 })
  assert.is(bench.last.request.callId, 'theirs')
  assert.is(bench.last.cseq, 42)
})

RegistrationOfTrunk(
  'after a takeover its own Contact is registered, then that of the former owner taken away',
  async () => {
    const theirs = `sip:${TOKEN}@192.0.2.44:5060;sbt=${TOKEN}`
    const bench = await started(
      (sent) => ({ headers: { contact: `<${theirs}>;expires=200,<${OWN}>;expires=${sent.expires || 300}` } }),
      {},
      { contact: theirs, aor: 'sip:u100@pbx.example.com' },
    )
    assert.equal(
      bench.sent.map(({ request }) => request.headers['Contact']),
      [`<sip:${TOKEN}@localhost;sbt=${TOKEN}>;expires=300`, `<${theirs}>;expires=0`],
    )
    assert.is(bench.driver.record.contact, OWN)
    const same = await started(undefined, {}, { contact: OWN, aor: 'sip:u100@pbx.example.com' })
    assert.is(same.sent.length, 1, 'its own Contact of before a restart is just refreshed')
  },
)

RegistrationOfTrunk(
  'when the former Contact cannot be taken away without its own, it registers again, once',
  async () => {
    const bench = await started(
      (sent) => ({ headers: sent.expires === 0 ? {} : { contact: `<${OWN}>;expires=${sent.expires}` } }),
      {},
      { contact: `sip:${TOKEN}@192.0.2.44:5060;sbt=${TOKEN}`, aor: 'sip:u100@pbx.example.com' },
    )
    assert.equal(
      bench.sent.map(({ expires }) => expires),
      [300, 0, 300],
    )
    assert.is(bench.view.state, 'registered')
  },
)

RegistrationOfTrunk('a Contact in Redis that is no URI ends in no request', async () => {
  for (const contact of [
    'sip:a@192.0.2.44>\r\nX-Evil: 1\r\nX-A: <',
    'sip:a@192.0.2.44>, <sip:b@192.0.2.44',
    'sip:a@192.0.2.44\nX-Evil: 1',
    'tel:+1',
    '*',
    'x',
  ]) {
    const bench = await started(undefined, {}, { contact, aor: 'sip:u100@pbx.example.com' })
    assert.is(bench.driver.state, 'registered')
    assert.is(bench.sent.length, 1, JSON.stringify(contact))
  }
})

RegistrationOfTrunk("a trunk that is another edge's is dropped before anything is sent", async () => {
  const bench = await started()
  bench.guard = () => {
    throw new NotOurs('another edge has the trunk')
  }
  await bench.advance(240_000)
  assert.is(bench.lost, 1)
  assert.is(bench.sent.length, 1)
  await bench.advance(3_600_000)
  assert.is(bench.sent.length, 1)
  assert.is(bench.clock.pending, 0)
})

RegistrationOfTrunk('while nothing may be sent the binding goes on to its end, then it is retrying', async () => {
  const bench = await started()
  bench.guard = () => {
    throw new NotNow('Redis is away')
  }
  await bench.advance(280_000)
  assert.is(bench.view.state, 'registered')
  await bench.advance(30_000)
  assert.is(bench.view.state, 'retrying')
  assert.is(bench.view.reason, 'Redis is away')
  assert.is(bench.sent.length, 1)
  bench.guard = () => {}
  await bench.advance(3_000)
  assert.is(bench.view.state, 'registered')
})

RegistrationOfTrunk(
  'while the SIP server is away it asks again within seconds for as long as that takes, with no REGISTER counted as failed',
  async () => {
    let away = true
    const bench = await started((sent) => {
      if (away) throw new SipServerAway()
      return grant(sent)
    })
    assert.is(bench.view.reason, 'the SIP server is away')
    await bench.advance(3_600_000)
    assert.equal([bench.view.state, bench.view.failures, bench.results], ['retrying', 0, []])
    const tries = bench.sent.length
    assert.ok(tries > 200 && tries < 500, `${tries} tries in an hour`)
    away = false
    await bench.advance(16_000)
    assert.is(bench.view.state, 'registered')
  },
)

RegistrationOfTrunk(
  'switched off and on with another user while a REGISTER is under way it registers the other',
  async () => {
    let answer: () => void = () => {}
    const bench = await started((sent) =>
      sent.cseq === 1 ? new Promise((resolve) => (answer = () => resolve(grant(sent)))) : grant(sent),
    )
    bench.driver.withdraw('switched off')
    await bench.driver.change(trunkOf({ username: 'u200' }))
    answer()
    await flush()
    assert.equal(
      bench.sent.map(({ request, expires }) => [request.headers['To'], expires]),
      [
        ['<sip:u100@pbx.example.com>', 300],
        ['<sip:u200@pbx.example.com>', 300],
        ['<sip:u100@pbx.example.com>', 0],
      ],
    )
  },
)

RegistrationOfTrunk('after the SIP server was away what is registered by a connection is refreshed soon', async () => {
  for (const [transport, count] of [
    ['tcp', 2],
    ['udp', 1],
  ] as const) {
    const bench = new RegistrationBench()
    bench.targets = [target(5065, transport)]
    await bench.start()
    bench.random = 0.5
    bench.driver.refreshWithin(20_000)
    await bench.advance(9_000)
    assert.is(bench.sent.length, 1)
    await bench.advance(2_000)
    assert.is(bench.sent.length, count)
    assert.equal(bench.states, ['waiting', 'registering', 'registered'], 'calls go on by it meanwhile')
  }
})

RegistrationOfTrunk(
  'a refresh that fell due while another was under way does not get round the pause that was asked for',
  async () => {
    let answer: (says: Says) => void = () => {}
    const bench = await started((sent) =>
      sent.cseq === 2 ? new Promise((resolve) => (answer = resolve)) : grant(sent),
    )
    await bench.advance(239_500)
    bench.driver.registerNow()
    await flush()
    const others = Array.from({ length: 49 }, () => ({ turn: () => new Promise<void>(() => {}) }))
    for (const other of others) bench.turns.join(other, { ahead: true })
    await bench.advance(1_000)
    answer({ status: 503, headers: { 'retry-after': '60' } })
    await bench.advance(30_000)
    assert.equal([bench.view.state, bench.sent.length], ['retrying', 2])
  },
)

RegistrationOfTrunk(
  'a password that cannot be opened is told, tried again with back-off, and at once when it is set anew',
  async () => {
    const bench = new RegistrationBench()
    let broken = true
    Object.assign(bench.parts, {
      credentialsOf: async () => {
        if (broken) throw new StoreError('INVALID', 'the password of trunk pbx-1 cannot be read')
        return bench.credentials
      },
    })
    await bench.start()
    assert.equal([bench.view.state, bench.view.failures, bench.sent.length], ['retrying', 1, 0])
    assert.match(bench.view.reason, 'cannot be read')
    assert.ok(bench.pauseMs >= 30_000, String(bench.pauseMs))
    broken = false
    await bench.driver.change({ ...trunkOf(), updated_at: '2026-01-01T00:00:01.000Z' })
    await flush()
    assert.is(bench.view.state, 'registered')
  },
)

RegistrationOfTrunk('one that was given up while its password was read says and does nothing more', async () => {
  const bench = await started()
  const heard = bench.states.length
  const fails: ((error: Error) => void)[] = []
  Object.assign(bench.parts, { credentialsOf: () => new Promise((_, reject) => void fails.push(reject)) })
  const changing = bench.driver.change({ ...trunkOf(), updated_at: '2026-01-01T00:00:01.000Z' })
  bench.driver.registerNow()
  await flush()
  bench.driver.drop()
  assert.is(fails.length, 2)
  for (const fail of fails) fail(new Error('Redis is away'))
  await changing
  await bench.advance(600_000)
  assert.equal([bench.sent.length, bench.states.length, bench.clock.pending], [1, heard, 0])
})

RegistrationOfTrunk('a name that does not resolve is tried again, one that cannot be used is refused', async () => {
  const bench = new RegistrationBench()
  bench.targets = new CallError('TRUNK_UNREACHABLE', 'trunk pbx-1: SRV _sip._udp.pbx.example.com: no such name')
  await bench.start()
  assert.is(bench.view.state, 'retrying')
  assert.match(bench.view.reason, 'no such name')
  const other = new RegistrationBench()
  other.targets = new CallError('TRUNK_NOT_USABLE', 'trunk pbx-1: nothing listens over tls')
  await other.start()
  assert.is(other.view.state, 'refused')
})

RegistrationOfTrunk('neither password nor token is in what it tells, also when a registrar echoes them', async () => {
  const bench = await started(refuses(403, `No <sip:${TOKEN}@h>\u0007 for you`))
  const told = JSON.stringify(bench.view)
  assert.not.match(told, TOKEN)
  assert.not.match(told, '"one"')
  assert.match(bench.view.last_phrase ?? '', '***@h>? for you')
  // Cut where the token is.
  for (const length of [96, 100, 110, 117, 380]) {
    const cut = await started(refuses(403, `${'x'.repeat(length)}${TOKEN}`))
    assert.not.match(JSON.stringify(cut.view), TOKEN.slice(0, 4), String(length))
  }
})

RegistrationOfTrunk.run()
