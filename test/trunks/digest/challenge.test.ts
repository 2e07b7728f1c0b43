import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AuthItem, readAuthItems } from '../../../src/trunks/digest/auth-params.js'
import { readChallenges, readNextNonce } from '../../../src/trunks/digest/challenge.js'
import { findCorpora, readCorpus } from '../../support/corpora.js'
import { ownProbes, type Probe, probeText } from '../../support/probes.js'

const Challenges = suite('Challenges')

const shown = (value: string): string[] =>
  readChallenges(value).usable.map(({ realm, nonce, algorithm }) => `${algorithm.name} ${realm.text} ${nonce.text}`)

const items = (value: string): readonly AuthItem[] => {
  const read = readAuthItems(value)
  if (!read.ok) throw new Error(read.why)
  return read.items
}

Challenges('several in one value, as header lines are joined, are told apart in spite of commas in quotes', () => {
  assert.equal(
    shown(
      'Digest realm="a, b", nonce="x",Digest realm="c \\"d\\", Digest realm=\\"e\\"" , nonce = "y" , algorithm=MD5',
    ),
    ['MD5 a, b x', 'MD5 c "d", Digest realm="e" y'],
  )
})

Challenges(
  'every parameter is a token or a quoted text, names and schemes in any case, unknown ones passed over',
  () => {
    const [challenge] = readChallenges(
      'dIGEST NONCE=abc, Realm=r, ALGORITHM="sha-256", QOP="AUTH-INT, auth", Stale=TRUE, opaque="", x-new="1", domain="sip:a"',
    ).usable
    assert.equal(
      [challenge?.realm.text, challenge?.nonce.text, challenge?.algorithm.name, challenge?.qop, challenge?.stale],
      ['r', 'abc', 'SHA-256', 'auth', true],
    )
    assert.equal(challenge?.opaque, { text: '', raw: '' })
  },
)

Challenges('of one realm the topmost that is supported is taken (RFC 8760 2.4)', () => {
  const value =
    'Digest realm="a", nonce="1", algorithm=SHA-3, Digest realm="a", nonce="2", algorithm=SHA-256, Digest realm="b", nonce="3"' +
    ',Digest realm="a", nonce="4", algorithm=SHA-512-256'
  assert.equal(shown(value), ['SHA-256 a 2', 'MD5 b 3'])
})

Challenges('other schemes are passed over, whatever they hold', () => {
  const others = 'Basic realm="a", Negotiate abc==, NTLM TlRM/SSP, Bearer realm="x", error="e"'
  assert.equal(shown(`${others}, Digest realm="a", nonce="1"`), ['MD5 a 1'])
  assert.equal(shown(`Digest realm="a", nonce="1", ${others}`), ['MD5 a 1'])
  assert.is(readChallenges(others).unsupported, 'another scheme than Digest')
})

Challenges('a challenge that lacks something, or says something twice, is refused alone', () => {
  const good = 'Digest realm="a", nonce="1"'
  for (const [bad, why] of [
    ['Digest nonce="1"', 'realm is missing'],
    ['Digest realm="b"', 'nonce is missing'],
    ['Digest realm="b", nonce="1", NONCE="2"', 'a parameter comes twice'],
    ['Digest realm="b", nonce=', 'a parameter is empty'],
    ['Digest realm="b", nonce=a"b', 'a quote stands inside a token'],
    [`Digest realm="b", nonce="${'n'.repeat(1_025)}"`, 'a parameter is longer than 1024 characters'],
    [
      `Digest realm="b", nonce="1", ${Array.from({ length: 40 }, (_, at) => `p${at}=1`).join()}`,
      'more than 32 parameters',
    ],
  ] as const)
    for (const value of [`${good}, ${bad}`, `${bad}, ${good}`]) {
      assert.equal(shown(value), ['MD5 a 1'], bad)
      assert.is(readChallenges(value).malformed, why)
    }
})

Challenges('an algorithm or qop that is none of ours is named as such', () => {
  assert.is(readChallenges('Digest realm="a", nonce="1", algorithm=X').unsupported, 'an algorithm that is none of ours')
  assert.is(readChallenges('Digest realm="a", nonce="1", qop="token"').unsupported, 'a qop that is none of ours')
})

Challenges('a value whose end cannot be found is refused as a whole', () => {
  for (const [value, why] of [
    ['Digest realm="a, nonce="1"', 'a comma is missing'],
    ['Digest realm="a", nonce="1', 'a quoted text has no end'],
    ['Digest realm="a", nonce="1\\"', 'a quoted text has no end'],
    ['Digest realm="a" nonce="1"', 'a comma is missing'],
    ['Digest realm="a", nonce="1\r\nVia: x"', 'has control characters'],
    ['Digest realm="a", nonce="1\u0000"', 'has control characters'],
    ['Digest realm="a", nonce="1", ="x"', 'a name is missing'],
    ['x,'.repeat(17), 'more than 16 schemes'],
    [`Digest realm="a", nonce="1", ${' '.repeat(9_000)}`, 'longer than 8192 characters'],
  ] as const) {
    assert.equal(shown(value), [], value)
    assert.is(readChallenges(value).malformed, why, value)
  }
})

Challenges('escapes are undone for what is hashed, and kept for what is echoed', () => {
  const [item] = items('Digest nonce="a\\"b\\\\c\\d"')
  assert.equal(item?.params.get('nonce'), { text: 'a"b\\cd', raw: 'a\\"b\\\\c\\d' })
})

Challenges('nextnonce is read from parameters without a scheme alone', () => {
  assert.is(readNextNonce('qop=auth, nextnonce="n,2", nc=00000001')?.text, 'n,2')
  for (const value of [
    'qop=auth',
    'nextnonce=""',
    'Digest nextnonce="x"',
    'nextnonce="1", nextnonce="2"',
    'nextnonce="',
  ])
    assert.is(readNextNonce(value), undefined, value)
})

const folder = findCorpora()
const given =
  folder === undefined
    ? []
    : (JSON.parse(readCorpus(folder, 'guards', 'redos-probes.json').toString()) as { probes: Probe[] }).probes
const hostile: Probe[] = [
  { id: 'many-digests', where: [], prefix: '', unit: 'Digest realm="a",nonce="b",', suffix: '' },
  { id: 'open-quotes', where: [], prefix: 'Digest a=', unit: '"', suffix: '' },
  { id: 'backslashes', where: [], prefix: 'Digest a="', unit: '\\', suffix: '' },
  { id: 'equals', where: [], prefix: 'Digest a', unit: '=', suffix: '' },
  { id: 'spaced-equals', where: [], prefix: 'Digest a', unit: ' = a', suffix: '' },
  { id: 'commas', where: [], prefix: 'Digest', unit: ' ,', suffix: 'a="b"' },
  { id: 'qops', where: [], prefix: 'Digest realm="a",nonce="b",qop="', unit: ' ,', suffix: '"' },
]

for (const probe of [...given, ...ownProbes, ...hostile])
  Challenges(`${probe.id}: read in a time that goes with its length`, () => {
    for (const length of [8_000, 8_192, 64_000]) {
      let bestMs = Infinity
      for (let left = 20; left > 0 && bestMs > 5; left--) {
        const startMs = performance.now()
        readChallenges(probeText(probe, length))
        readNextNonce(probeText(probe, length))
        bestMs = Math.min(bestMs, performance.now() - startMs)
      }
      assert.ok(bestMs <= 5, `${length} characters: ${bestMs} ms`)
    }
  })

Challenges.run()
