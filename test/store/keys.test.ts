import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keys, parseKey, parseSecretKey } from '../../src/store/keys.js'
import { hostileValues } from '../support/hostile-values.js'

const Keys = suite('Keys')

/** The slot tag of a key, or the whole key. */
const tagOf = (key: string): string => /\{([^}]+)\}/.exec(key)?.[1] ?? key

Keys('are those that others use too', () => {
  assert.is(keys.number('+14155550100'), 'signalbox:did:+14155550100')
  assert.is(keys.number('100'), 'signalbox:did:100')
  assert.is(keys.agent('front'), 'signalbox:agent:front')
  assert.is(keys.trunk('pbx-1'), 'signalbox:trunk:pbx-1')
  assert.is(keys.cdrs, 'signalbox:cdrs')
  assert.is(keys.agent('acme/front'), 'signalbox:agent:acme/front')
  assert.is(keys.agentSecret('acme/front'), 'signalbox:agent:acme/front:secret')
})

Keys('are read back as what they hold, and those of others as nothing', () => {
  assert.equal(parseKey(keys.number('+14155550100')), { kind: 'number', id: '+14155550100' })
  assert.equal(parseKey(keys.agent('front')), { kind: 'agent', id: 'front' })
  assert.equal(parseKey(keys.trunk('pbx')), { kind: 'trunk', id: 'pbx' })
  const long = `${'a'.repeat(64)}/${'b'.repeat(64)}`
  assert.equal(parseKey(keys.trunk(long)), { kind: 'trunk', id: long })
  assert.is(parseKey('signalbox:agent:default/front'), undefined)
  assert.is(parseKey('signalbox:agent:acme/front/x'), undefined)
  assert.equal(parseSecretKey(keys.trunkInboundSecret(long)), { kind: 'trunkInbound', record: 'trunk', id: long })
  for (const key of [
    keys.trunkSecret('pbx'),
    keys.numberIndex,
    keys.cdr('c1'),
    'other',
    '',
    'signalbox:did:',
    'signalbox:did:a b',
  ])
    assert.is(parseKey(key), undefined, key)
  assert.is(parseKey(`signalbox:did:${'1'.repeat(10_000)}`), undefined)
})

Keys('are never built from anything that could reach for another key', () => {
  // Harmless in the name of an agent; everything else is refused everywhere.
  for (const value of [
    ...hostileValues,
    '',
    ' ',
    'a:b',
    '{a}',
    'a{b',
    '+1*',
    'front:numbers',
    '\uffff',
    '/a',
    'a/',
    'a/b/c',
    'a/../b',
    'default/a',
    '__proto__/a',
  ])
    for (const [name, build] of Object.entries(keys)) {
      if (typeof build === 'string') continue
      let key: string
      try {
        key = build(value)
      } catch (error) {
        assert.is((error as { code?: string }).code, 'INVALID', `${name} ${JSON.stringify(value.slice(0, 30))}`)
        continue
      }
      assert.match(value, /^[A-Za-z0-9_.*#-]{1,64}$/, `${name} took ${JSON.stringify(value.slice(0, 30))}`)
      assert.ok(key.includes(`:${value}`))
    }
})

Keys('that one script touches stand in one slot of a cluster', () => {
  assert.is(tagOf(keys.cdrWritten('c1')), tagOf(keys.cdrs))
  assert.is(tagOf(keys.trunkChannels('pbx')), tagOf(keys.trunkCallStarts('pbx')))
})

Keys.run()
