import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DigestSession } from '../../../src/trunks/digest/session.js'
import { DigestVerifier, type ShownRequest, type VerifierOptions } from '../../../src/trunks/digest/verifier.js'
import { ManualClock } from '../../support/manual-clock.js'

const Verifier = suite('The verifier of digest credentials')

const REALM = 'signalbox'
const INVITE = { method: 'INVITE', uri: 'sip:+1555@127.0.0.1:5060;transport=tcp', body: '' }
const ann = { username: 'ann', password: 'geheim' }
const lookup = (username: string): string | undefined => (username === 'ann' ? 'geheim' : undefined)

function setUp(options: Partial<VerifierOptions> = {}) {
  const clock = new ManualClock()
  const verifier = new DigestVerifier({ clock, ...options })
  const verify = (authorization: string | undefined, request: Partial<ShownRequest> = {}) =>
    verifier.verify({ ...INVITE, realm: REALM, authorization, ...request }, lookup)
  return { clock, verifier, verify }
}

/** Credentials as our own client makes them for a challenge. */
function answer(challenge: string, credentials = ann, request = INVITE): string {
  const exchange = new DigestSession().begin(request, credentials)
  exchange.challenged({ status: 401, header: (name) => (name === 'WWW-Authenticate' ? challenge : undefined) })
  return exchange.headers.Authorization ?? ''
}

const codeOf = async (verified: ReturnType<DigestVerifier['verify']>): Promise<string> => {
  const outcome = await verified
  return outcome.result === 'refused' ? outcome.code : outcome.result
}

Verifier('offers SHA-256 before MD5, with one nonce, qop auth, and stale only when it is (RFC 8760 2.4)', () => {
  const { verifier } = setUp()
  const challenges = verifier.challenge('a "b"')
  assert.equal(
    challenges.map((value) => value.replace(/nonce="[\w-]{46}"/, 'nonce="N"')),
    [
      'Digest realm="a \\"b\\"", nonce="N", qop="auth", algorithm=SHA-256',
      'Digest realm="a \\"b\\"", nonce="N", qop="auth", algorithm=MD5',
    ],
  )
  assert.match(verifier.challenge(REALM, { stale: true })[0] ?? '', ', stale=true')
  assert.is.not(verifier.challenge(REALM)[0], verifier.challenge(REALM)[0])
})

Verifier(
  'takes what a client answers to any of its challenges, whatever other credentials stand next to it',
  async () => {
    const { verifier, verify } = setUp()
    for (const which of [0, 1]) {
      const shown = answer(verifier.challenge(REALM)[which] ?? '')
      assert.equal(await verify(shown), { result: 'ok', username: 'ann' })
    }
    const [challenge] = verifier.challenge(REALM)
    const shown = `Basic abc, ${answer('Digest realm="other", nonce="n"')},${answer(challenge ?? '')}`
    assert.is(await codeOf(verify(shown)), 'ok')
  },
)

Verifier('a user name that is not ASCII is taken by its UTF-8', async () => {
  const { verifier } = setUp()
  const zoe = { username: 'zoë "x"', password: 'gehéim' }
  const authorization = answer(verifier.challenge(REALM)[0] ?? '', zoe)
  const found: string[] = []
  const verified = await verifier.verify({ ...INVITE, realm: REALM, authorization }, (username) => {
    found.push(username)
    return zoe.password
  })
  assert.equal([verified.result, ...found], ['ok', zoe.username])
})

Verifier('[A4] refuses what proves nothing, and says what it is', async () => {
  const { verifier, verify } = setUp()
  const [challenge = ''] = verifier.challenge(REALM)
  const good = answer(challenge)
  for (const [authorization, code] of [
    [undefined, 'absent'],
    ['', 'absent'],
    ['Basic abc', 'absent'],
    [answer('Digest realm="other", nonce="n"'), 'absent'],
    [answer(challenge, { ...ann, password: 'wrong' }), 'denied'],
    [answer(challenge, { ...ann, username: 'bob' }), 'denied'],
    [answer(challenge, ann, { ...INVITE, method: 'BYE' }), 'denied'],
    [answer(challenge, ann, { ...INVITE, uri: 'sip:+1666@127.0.0.1:5060;transport=tcp' }), 'wrong-uri'],
    [answer(challenge, ann, { ...INVITE, uri: 'sip:127.0.0.2:5060' }), 'wrong-uri'],
    [answer(challenge, ann, { ...INVITE, uri: 'sip:127.0.0.1:5061' }), 'wrong-uri'],
    [answer(challenge, ann, { ...INVITE, uri: 'tel:+31555' }), 'wrong-uri'],
    [good.replace('algorithm=SHA-256', 'algorithm=SHA-512-256'), 'unsupported'],
    [good.replace('qop=auth', 'qop=auth-int'), 'unsupported'],
    [good.replace(/, qop=auth.*/, ''), 'unsupported'],
    [good.replace('nc=00000001', 'nc=1'), 'malformed'],
    [good.replace('nc=00000001', 'nc=00000000'), 'malformed'],
    [good.replace(/cnonce="[^"]*"/, 'cnonce=""'), 'malformed'],
    [good.replace('nonce=', 'x='), 'malformed'],
    [good.replace('response="', 'response="0'), 'denied'],
    [good.replace(/response="[^"]*"/, 'response="é"'), 'denied'],
    [`${good}, realm="${REALM}"`, 'malformed'],
    [`${good}, x="`, 'malformed'],
    [`${good}, x="${'y'.repeat(9_000)}"`, 'malformed'],
  ] as const)
    assert.is(await codeOf(verify(authorization)), code, authorization)
  assert.is(await codeOf(verify(good)), 'ok', 'none of this has used it up')
})

Verifier('[A4] MD5 is refused where SHA-256 alone is offered, and offered nowhere', async () => {
  const { verifier, verify } = setUp({ algorithms: ['SHA-256'] })
  const [challenge = '', ...others] = verifier.challenge(REALM)
  assert.equal(others, [])
  assert.is(await codeOf(verify(answer(challenge.replace('SHA-256', 'MD5')))), 'unsupported')
  assert.is(await codeOf(verify(answer(challenge.replace(', algorithm=SHA-256', '')))), 'unsupported')
  assert.is(await codeOf(verify(answer(challenge))), 'ok')
})

Verifier('nobody has an empty password', async () => {
  const { verifier } = setUp()
  const authorization = answer(verifier.challenge(REALM)[0] ?? '', { ...ann, password: '' })
  assert.is(await codeOf(verifier.verify({ ...INVITE, realm: REALM, authorization }, () => '')), 'denied')
})

Verifier('the Request-URI may be written in any way that means the same (RFC 3261 19.1.4)', async () => {
  const { verifier, verify } = setUp()
  const shown = answer(verifier.challenge(REALM)[0] ?? '')
  assert.is(await codeOf(verify(shown, { uri: 'SIP:+%31555@127.0.0.1:5060;Transport=TCP' })), 'ok')
})

Verifier('credentials may name the server alone, as SIPp writes them', async () => {
  const { verifier, verify } = setUp()
  const [challenge = ''] = verifier.challenge(REALM)
  assert.is(await codeOf(verify(answer(challenge, ann, { ...INVITE, uri: 'sip:127.0.0.1:5060' }))), 'ok')
})

Verifier('[A4] each use of a nonce counts once, in any order within 64', async () => {
  const { verifier, verify } = setUp()
  const session = new DigestSession()
  const exchange = session.begin(INVITE, ann)
  const challenge = verifier.challenge(REALM)[0] ?? ''
  exchange.challenged({ status: 401, header: (name) => (name === 'WWW-Authenticate' ? challenge : undefined) })
  exchange.ended({ status: 200, header: () => undefined })
  const uses = Array.from({ length: 70 }, () => session.begin(INVITE, ann).headers.Authorization)
  for (const at of [3, 1, 0, 2]) assert.is(await codeOf(verify(uses[at])), 'ok')
  for (const at of [3, 1, 0, 2]) assert.is(await codeOf(verify(uses[at])), 'replayed')
  assert.is(await codeOf(verify(uses[69])), 'ok')
  assert.is(await codeOf(verify(uses[5])), 'replayed', 'too far behind to tell')
  assert.is(await codeOf(verify(uses[6])), 'ok')
})

Verifier('two requests that show the same credentials at once: one is taken', async () => {
  const { verifier, verify } = setUp()
  const shown = answer(verifier.challenge(REALM)[0] ?? '')
  assert.equal((await Promise.all([codeOf(verify(shown)), codeOf(verify(shown))])).sort(), ['ok', 'replayed'])
})

Verifier('a client of RFC 2069 is taken with MD5, once a nonce', async () => {
  const { verifier, verify } = setUp()
  const bare = (verifier.challenge(REALM)[1] ?? '').replace(', qop="auth"', '')
  const shown = answer(bare)
  assert.not.match(shown, 'qop')
  assert.is(await codeOf(verify(shown)), 'ok')
  assert.is(await codeOf(verify(shown)), 'replayed')
})

Verifier(
  '[A4] a nonce serves for its lifetime; then, and when it is not ours, the proof is stale and a wrong one is denied',
  async () => {
    const { clock, verifier, verify } = setUp({ nonceLifetimeMs: 60_000 })
    const [challenge = ''] = verifier.challenge(REALM)
    clock.advance(60_000)
    assert.is(await codeOf(verify(answer(challenge))), 'ok')
    clock.advance(1)
    assert.is(await codeOf(verify(answer(challenge))), 'stale')
    assert.is(await codeOf(verify(answer(challenge, { ...ann, password: 'wrong' }))), 'denied')
    const foreign = setUp().verifier.challenge(REALM)[0] ?? ''
    const elsewhere = (verifier.challenge('other')[0] ?? '').replace('realm="other"', `realm="${REALM}"`)
    for (const value of [
      foreign,
      elsewhere,
      challenge.replace(/nonce="./, 'nonce="_'),
      challenge.replace(/nonce="[^"]*/, 'nonce="x'),
    ])
      assert.is(await codeOf(verify(answer(value))), 'stale', value)
  },
)

Verifier('what another address overheard is worth nothing, not even to an edge that has not seen it yet', async () => {
  const key = new Uint8Array(32).fill(7)
  const [one, other] = [setUp({ key }), setUp({ key })]
  const shown = (): string => answer(one.verifier.challenge(REALM, { source: '192.0.2.7' })[0] ?? '')
  assert.is(await codeOf(other.verify(shown(), { source: '192.0.2.8' })), 'stale')
  assert.is(await codeOf(other.verify(shown())), 'stale')
  assert.is(await codeOf(other.verify(shown(), { source: '192.0.2.7' })), 'ok')
})

Verifier('edges that share a key take each other’s nonces, those of a clock far ahead excepted', async () => {
  const key = Buffer.alloc(32, 7)
  const [one, other] = [setUp({ key }), setUp({ key })]
  assert.is(await codeOf(other.verify(answer(one.verifier.challenge(REALM)[0] ?? ''))), 'ok')
  one.clock.advance(60_001)
  assert.is(await codeOf(other.verify(answer(one.verifier.challenge(REALM)[0] ?? ''))), 'stale')
})

Verifier('a nonce has one spelling: it cannot be shown twice by writing it otherwise', async () => {
  const { verifier, verify } = setUp()
  const [challenge = ''] = verifier.challenge(REALM)
  assert.is(await codeOf(verify(answer(challenge))), 'ok')
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? ''
  const last = nonce.at(-1) ?? ''
  const twins = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    .map((character) => nonce.slice(0, -1) + character)
    .filter((text) => text !== nonce && Buffer.from(text, 'base64url').equals(Buffer.from(nonce, 'base64url')))
  assert.ok(twins.length > 0, last)
  for (const twin of [...twins, `${nonce}=`, `${nonce}==`])
    assert.is(await codeOf(verify(answer(challenge.replace(nonce, twin)))), 'stale', twin)
})

Verifier(
  'what it remembers expires with the nonces and is bounded; what it had to forget counts as too old',
  async () => {
    const { clock, verifier, verify } = setUp({ maxNonces: 10 })
    const shown: string[] = []
    for (let at = 0; at < 30; at++) {
      clock.advance(1)
      shown.push(answer(verifier.challenge(REALM)[0] ?? ''))
      assert.is(await codeOf(verify(shown[at])), 'ok')
      assert.ok(verifier.remembered <= 10)
    }
    assert.is(await codeOf(verify(shown[0])), 'stale')
    assert.is(await codeOf(verify(shown[29])), 'replayed')
    clock.advance(60_001)
    assert.is(await codeOf(verify(answer(verifier.challenge(REALM)[0] ?? ''))), 'ok')
    assert.is(verifier.remembered, 1)
  },
)

Verifier('[A4] an unknown user takes as long as a wrong password, and gets the same words', async () => {
  const { verifier, verify } = setUp()
  const [challenge = ''] = verifier.challenge(REALM)
  const tries = {
    ann: answer(challenge, { ...ann, password: 'wrong' }),
    bob: answer(challenge, { ...ann, username: 'bob' }),
  }
  assert.equal(await verify(tries.ann), await verify(tries.bob))
  const taken = { ann: [] as number[], bob: [] as number[] }
  for (let round = 0; round < 500; round++)
    for (const name of ['ann', 'bob'] as const) {
      const startMs = performance.now()
      await verify(tries[name])
      taken[name].push(performance.now() - startMs)
    }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[250] ?? 0
  assert.ok(Math.abs(median(taken.ann) - median(taken.bob)) < 5)
})

Verifier.run()
