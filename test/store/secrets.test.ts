import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Secrets } from '../../src/store/secrets.js'

const SecretsAtRest = suite('Secrets at rest')

const codeOf = (open: () => unknown): string => {
  try {
    open()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'opened'
}

SecretsAtRest('open as they were sealed, and look different each time', () => {
  const secrets = new Secrets(randomBytes(32))
  for (const secret of ['', 'hunter2', 'pässwörd \u0000 \u{1f511}', 'x'.repeat(1_000)]) {
    const sealed = secrets.seal(secret, 'trunk:a')
    assert.is(secrets.open(sealed, 'trunk:a'), secret)
    assert.is.not(sealed, secrets.seal(secret, 'trunk:a'))
    assert.match(sealed, /^v1\.[0-9a-f]{12}\.[\w-]+\.[\w-]*\.[\w-]+$/)
  }
})

SecretsAtRest('do not open for another record, with another key, or altered by a bit', () => {
  const secrets = new Secrets(randomBytes(32))
  const sealed = secrets.seal('hunter2', 'trunk:a')
  assert.is(
    codeOf(() => secrets.open(sealed, 'trunk:b')),
    'INVALID',
  )
  assert.is(
    codeOf(() => new Secrets(randomBytes(32)).open(sealed, 'trunk:a')),
    'INVALID',
  )
  for (let i = 0; i < sealed.length; i++) {
    const altered = sealed.slice(0, i) + (sealed[i] === 'A' ? 'B' : 'A') + sealed.slice(i + 1)
    const outcome = codeOf(() => assert.is(secrets.open(altered, 'trunk:a'), 'hunter2'))
    // The last character of a part may carry unused bits.
    assert.ok(outcome === 'INVALID' || outcome === 'opened', `${i}: ${outcome}`)
  }
})

SecretsAtRest('that are malformed are refused', () => {
  const secrets = new Secrets(randomBytes(32))
  const [version, key, nonce, text, tag] = secrets.seal('hunter2', 'r').split('.')
  const rows = ['', 'v1', '....', `v2.${key}.${nonce}.${text}.${tag}`, `${version}.${key}.${nonce}.${text}`]
  rows.push(`${version}.${key}.${nonce}.${text}.AAAA`, `${version}.${key}.AAAA.${text}.${tag}`, 'x'.repeat(1_000_000))
  for (const sealed of rows)
    assert.is(
      codeOf(() => secrets.open(sealed, 'r')),
      'INVALID',
      sealed.slice(0, 40),
    )
})

SecretsAtRest('sealed with a former key open, and are known for it', () => {
  const [former, present] = [randomBytes(32), randomBytes(32)]
  const sealed = new Secrets(former).seal('hunter2', 'r')
  const secrets = new Secrets(present, [former])
  assert.is(secrets.open(sealed, 'r'), 'hunter2')
  assert.is(secrets.isSealedWithFormerKey(sealed), true)
  assert.is(secrets.isSealedWithFormerKey(secrets.seal('hunter2', 'r')), false)
})

SecretsAtRest('need a key of 32 bytes', () => {
  assert.throws(() => new Secrets(randomBytes(16)), /32 bytes/)
})

SecretsAtRest.run()
