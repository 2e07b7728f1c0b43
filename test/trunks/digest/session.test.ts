import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Challenged, DigestExchange } from '../../../src/trunks/digest/exchange.js'
import { DigestSession, DigestSessions } from '../../../src/trunks/digest/session.js'
import { paramsOf, provesPassword } from '../../support/digest-peer.js'

const Session = suite('The digest session of a trunk')

const credentials = { username: 'ann', password: 'geheim' }
const INVITE = { method: 'INVITE', uri: 'sip:+1555@pbx.example.com', body: '' }
const REGISTER = { method: 'REGISTER', uri: 'sip:pbx.example.com', body: '' }

const response = (status: number, headers: Record<string, string> = {}) => ({
  status,
  header: (name: string) => headers[name.toLowerCase()],
})
const www = (value: string) => response(401, { 'www-authenticate': value })
const proxy = (value: string) => response(407, { 'proxy-authenticate': value })
const digest = (realm: string, nonce: string, more = ''): string =>
  `Digest realm="${realm}", nonce="${nonce}", qop="auth", algorithm=SHA-256${more}`

const shown = (exchange: DigestExchange) =>
  Object.entries(exchange.headers).map(([name, value]) => {
    const { realm, nonce, nc } = paramsOf(value)
    return `${name.toLowerCase()} ${realm} ${nonce} ${nc}`
  })

const codeOf = (challenged: Challenged): string => (challenged.answered ? 'answered' : challenged.code)

/** An exchange that was challenged once and accepted. */
function learn(session: DigestSession, challenge: ReturnType<typeof response>, request = INVITE): void {
  const exchange = session.begin(request, credentials)
  assert.is(codeOf(exchange.challenged(challenge)), 'answered')
  exchange.ended(response(200))
}

Session('a challenge is answered in the header that goes with it, and what is said proves the password', () => {
  for (const [challenge, header] of [
    [www, 'Authorization'],
    [proxy, 'Proxy-Authorization'],
  ] as const) {
    const exchange = new DigestSession().begin(INVITE, credentials)
    assert.equal(exchange.headers, {})
    assert.equal(exchange.challenged(challenge(digest('pbx', 'n1'))), { answered: true })
    const value = exchange.headers[header] ?? ''
    assert.ok(provesPassword(value, 'INVITE', 'geheim'))
    assert.not(provesPassword(value, 'INVITE', 'other'))
    const { username, uri, nc, qop, algorithm } = paramsOf(value)
    assert.equal([username, uri, nc, qop, algorithm], ['ann', INVITE.uri, '00000001', 'auth', 'SHA-256'])
  }
})

for (const algorithm of ['MD5', 'MD5-sess', 'SHA-256', 'sha-256-sess', 'SHA-512-256', 'SHA-512-256-sess'])
  for (const qop of ['', 'auth', 'auth-int', 'auth-int,auth'])
    Session(`${algorithm} with qop "${qop}" is proved, and shown with what belongs to it`, () => {
      const exchange = new DigestSession().begin({ ...INVITE, body: 'v=0 ☎' }, credentials)
      exchange.challenged(
        www(`Digest realm="r", nonce="n", algorithm=${algorithm}${qop && `, qop="${qop}"`}, opaque="o\\"p"`),
      )
      const value = exchange.headers.Authorization ?? ''
      assert.ok(provesPassword(value, 'INVITE', 'geheim', 'v=0 ☎'))
      const params = paramsOf(value)
      assert.is(params.opaque, 'o"p')
      assert.is(params.algorithm, algorithm)
      assert.is(params.qop, qop === '' ? undefined : qop === 'auth-int' ? 'auth-int' : 'auth')
      assert.is(params.nc !== undefined, qop !== '')
      assert.is(params.cnonce !== undefined, qop !== '' || algorithm.endsWith('sess'))
    })

Session('what was not in the challenge is not in the credentials', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  exchange.challenged(www('Digest realm="r", nonce="n"'))
  const params = paramsOf(exchange.headers.Authorization ?? '')
  assert.equal(Object.keys(params), ['username', 'realm', 'nonce', 'uri', 'response'])
  assert.ok(provesPassword(exchange.headers.Authorization ?? '', 'INVITE', 'geheim'))
})

Session('the user name is escaped in quotes and hashed as it is, UTF-8 included', () => {
  const exchange = new DigestSession().begin(INVITE, { ...credentials, username: 'zoë "the\\boss", x' })
  exchange.challenged(www(digest('a \\"b\\", ü', 'n')))
  const value = exchange.headers.Authorization ?? ''
  assert.match(value, 'username="zoë \\"the\\\\boss\\", x", realm="a \\"b\\", ü"')
  assert.ok(provesPassword(value, 'INVITE', 'geheim'))
})

Session('nc counts the uses of a nonce in hexadecimal, whichever request shows it; the cnonce is new each time', () => {
  const session = new DigestSession()
  learn(session, proxy(digest('pbx', 'n1')))
  const cnonces = new Set<string>()
  for (let use = 2; use <= 17; use++) {
    const exchange = session.begin(INVITE, credentials)
    const { nc, cnonce } = paramsOf(exchange.headers['Proxy-Authorization'] ?? '')
    assert.is(nc, use.toString(16).padStart(8, '0'))
    assert.ok((cnonce ?? '').length >= 32)
    cnonces.add(cnonce ?? '')
  }
  assert.is(cnonces.size, 16)
  const together = [session.begin(INVITE, credentials), session.begin(INVITE, credentials)]
  for (const exchange of together) exchange.challenged(proxy(digest('pbx', 'n2')))
  assert.equal(together.flatMap(shown), ['proxy-authorization pbx n2 00000001', 'proxy-authorization pbx n2 00000002'])
})

Session('a session algorithm keeps its cnonce, of which its key is made, as long as the nonce', () => {
  const session = new DigestSession()
  learn(session, www('Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"'))
  const values = [1, 2].map(() => session.begin(INVITE, credentials).headers.Authorization ?? '')
  assert.is(paramsOf(values[0] ?? '').cnonce, paramsOf(values[1] ?? '').cnonce)
  for (const value of values) assert.ok(provesPassword(value, 'INVITE', 'geheim'))
})

Session(
  'credentials for a nonce that was accepted go ahead of the challenge, and count as accepted by any verdict',
  () => {
    for (const status of [200, 202, 404, 486, 603]) {
      const session = new DigestSession()
      const exchange = session.begin(INVITE, credentials)
      exchange.challenged(www(digest('pbx', 'n1')))
      exchange.ended(response(status))
      assert.equal(shown(session.begin({ ...INVITE, method: 'BYE' }, credentials)), ['authorization pbx n1 00000002'])
      assert.ok(session.knows('pbx'))
    }
    for (const status of [401, 403, 407, 408, 500, 503]) {
      const session = new DigestSession()
      const exchange = session.begin(INVITE, credentials)
      exchange.challenged(www(digest('pbx', 'n1')))
      exchange.ended(response(status))
      assert.equal(shown(session.begin(INVITE, credentials)), [], String(status))
      assert.not(session.knows('pbx'))
    }
  },
)

Session('nothing is shown ahead to whom it is not to be, and the nonce serves others on', () => {
  const session = new DigestSession()
  learn(session, www(digest('pbx', 'n1')))
  const exchange = session.begin(INVITE, credentials, { ahead: false })
  assert.equal(exchange.headers, {})
  exchange.challenged(www(digest('pbx', 'n2')))
  assert.equal(shown(exchange), ['authorization pbx n2 00000001'])
  assert.equal(shown(session.begin(INVITE, credentials)), ['authorization pbx n1 00000002'])
})

Session('the nonces of registrations are not shown with calls, nor those of calls with registrations', () => {
  const session = new DigestSession()
  learn(session, www(digest('registrar call x', 'n1')), REGISTER)
  assert.equal(shown(session.begin(INVITE, credentials)), [])
  learn(session, proxy(digest('pbx', 'n2')))
  assert.equal(shown(session.begin(INVITE, credentials)), ['proxy-authorization pbx n2 00000002'])
  assert.equal(shown(session.begin(REGISTER, credentials)), ['authorization registrar call x n1 00000002'])
})

Session('credentials shown ahead and challenged get one honest answer, with or without stale', () => {
  for (const stale of ['', ', stale=true', ', stale=false']) {
    const session = new DigestSession()
    learn(session, www(digest('pbx', 'n1')))
    const exchange = session.begin(INVITE, credentials)
    assert.is(codeOf(exchange.challenged(www(digest('pbx', 'n2', stale)))), 'answered')
    assert.equal(shown(exchange), ['authorization pbx n2 00000001'])
    assert.is(codeOf(exchange.challenged(www(digest('pbx', 'n3')))), 'refused')
    assert.equal(shown(session.begin(INVITE, credentials)), [], 'the refused realm has no nonce any more')
  }
})

Session('a challenge for credentials that answered one is a refusal, new nonce or not: never a loop', () => {
  for (const again of [digest('pbx', 'n1'), digest('pbx', 'n2'), digest('pbx', 'n2', ', stale=false')]) {
    const exchange = new DigestSession().begin(INVITE, credentials)
    exchange.challenged(www(digest('pbx', 'n1')))
    const refused = exchange.challenged(www(again))
    assert.equal(refused, {
      answered: false,
      code: 'refused',
      why: 'the credentials for realm "pbx" were not accepted',
    })
    assert.is(codeOf(exchange.challenged(www(again))), 'refused')
  }
})

Session('stale=true with a new nonce is one more try, twice at most; with the same nonce it is a refusal', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  exchange.challenged(www(digest('pbx', 'n1')))
  for (const nonce of ['n2', 'n3']) {
    assert.is(codeOf(exchange.challenged(www(digest('pbx', nonce, ', stale=TRUE')))), 'answered')
    assert.equal(shown(exchange), [`authorization pbx ${nonce} 00000001`])
  }
  assert.is(codeOf(exchange.challenged(www(digest('pbx', 'n4', ', stale=true')))), 'refused')
  const same = new DigestSession().begin(INVITE, credentials)
  same.challenged(www(digest('pbx', 'n1')))
  assert.is(codeOf(same.challenged(www(digest('pbx', 'n1', ', stale=true')))), 'refused')
})

Session('challenges of several realms and both kinds are answered at once, each in a line of its own', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  const both = response(407, {
    'www-authenticate': digest('ua', 'n1'),
    'proxy-authenticate': `${digest('one', 'n2')},${digest('two', 'n3')},${digest('one', 'n4')}`,
  })
  assert.is(codeOf(exchange.challenged(both)), 'answered')
  assert.equal(shown(exchange), [
    'authorization ua n1 00000001',
    'proxy-authorization one n2 00000001',
    'proxy-authorization two n3 00000001',
  ])
  assert.is(Object.keys(exchange.headers).length, 3)
  for (const value of Object.values(exchange.headers)) assert.ok(provesPassword(value, 'INVITE', 'geheim'))
})

Session('each proxy of a chain is answered, and the ones before are shown their credentials again', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  exchange.challenged(proxy(digest('one', 'n1')))
  exchange.challenged(proxy(digest('two', 'n2')))
  assert.equal(shown(exchange), ['proxy-authorization one n1 00000002', 'proxy-authorization two n2 00000001'])
})

Session('a realm that is new each time ends too', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  const codes = Array.from({ length: 8 }, (_, at) => codeOf(exchange.challenged(www(digest(`realm ${at}`, 'n')))))
  assert.equal(codes.slice(-2), ['refused', 'refused'])
  assert.ok(Object.keys(exchange.headers).length <= 4)
})

Session('of what cannot be answered it says why', () => {
  const codes = [
    www('Basic realm="x"'),
    www('Digest realm="r", nonce="n", algorithm=X'),
    www('Digest realm="r'),
    response(401),
  ].map((challenge) => codeOf(new DigestSession().begin(INVITE, credentials).challenged(challenge)))
  assert.equal(codes, ['unsupported', 'unsupported', 'malformed', 'malformed'])
  assert.is(codeOf(new DigestSession().begin(INVITE, undefined).challenged(www(digest('r', 'n')))), 'no-credentials')
  const hostile = { username: 'a"\r\nVia: x', password: 'p' }
  assert.is(codeOf(new DigestSession().begin(INVITE, hostile).challenged(www(digest('r', 'n')))), 'no-credentials')
})

Session('no reason holds a password, a response or a control character', () => {
  const exchange = new DigestSession().begin(INVITE, credentials)
  exchange.challenged(www(digest('x\ty', 'n1')))
  const refused = exchange.challenged(www(digest('x\ty', 'n2')))
  assert.not(refused.answered)
  assert.not(/geheim|[0-9a-f]{32}|[\x00-\x1f]/.test(JSON.stringify(refused).replace('\\t', '\t')))
})

Session('nextnonce is shown next, counted from one (RFC 7615)', () => {
  const session = new DigestSession()
  const exchange = session.begin(INVITE, credentials)
  exchange.challenged(proxy(digest('pbx', 'n1')))
  exchange.ended(response(200, { 'proxy-authentication-info': 'nextnonce="n2", qop=auth' }))
  const next = session.begin(INVITE, credentials)
  assert.equal(shown(next), ['proxy-authorization pbx n2 00000001'])
  next.ended(response(200, { 'authentication-info': 'nextnonce="n3"' }))
  assert.equal(shown(session.begin(INVITE, credentials)), ['proxy-authorization pbx n2 00000002'])
})

Session('a 403 to credentials shown ahead drops their nonce', () => {
  const session = new DigestSession()
  learn(session, www(digest('pbx', 'n1')))
  session.begin(INVITE, credentials).ended(response(403))
  assert.equal(shown(session.begin(INVITE, credentials)), [])
})

Session('what it keeps is bounded, the least recently used goes first', () => {
  const session = new DigestSession()
  for (let at = 0; at < 20; at++) {
    const exchange = session.begin(REGISTER, credentials)
    exchange.challenged(www(digest(`realm ${at}`, 'n')))
    exchange.ended(response(200))
  }
  assert.equal([session.knows('realm 11'), session.knows('realm 12')], [false, true])
  assert.ok(Object.keys(session.begin(REGISTER, credentials).headers).length <= 4)
})

Session('each trunk has its own, until it is forgotten', () => {
  const sessions = new DigestSessions()
  learn(sessions.of('a'), www(digest('pbx', 'n1')))
  assert.is(shown(sessions.of('a').begin(INVITE, credentials)).length, 1)
  assert.is(shown(sessions.of('b').begin(INVITE, credentials)).length, 0)
  sessions.forget('a')
  assert.is(shown(sessions.of('a').begin(INVITE, credentials)).length, 0)
})

Session.run()
