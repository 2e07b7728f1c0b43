import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { count, fields, printable, show, table } from '../../src/cli/text.js'

const Text = suite('Text')

Text('columns are aligned and lines end where their last cell ends', () => {
  const rows = [
    { id: 'a', uri: 'sip:a@127.0.0.1', n: 1 },
    { id: 'much-longer', uri: 'sip:b', n: null },
  ]
  assert.equal(table(rows, { ID: (row) => row.id, URI: (row) => row.uri, N: (row) => row.n }).split('\n'), [
    'ID           URI              N',
    'a            sip:a@127.0.0.1  1',
    'much-longer  sip:b            -',
  ])
  assert.is(table([], { ID: () => '', NAME: () => '' }), 'ID  NAME')
})

Text('fields are aligned; undefined ones are left out, empty ones shown as "-"', () => {
  assert.equal(fields({ a: 1, longer: ['x', 'y'], gone: undefined, empty: '', none: null, list: [] }).split('\n'), [
    'a       1',
    'longer  x, y',
    'empty   -',
    'none    -',
    'list    -',
  ])
  assert.is(show({ enabled: true, expires: 300 }), 'enabled=true expires=300')
})

Text('nothing from elsewhere moves the cursor, rings or turns the text around', () => {
  const hostile = 'a\u001b[2J\r\n\tb\u0007\u009b31m\u202ec\u2028\u0000'
  assert.is(printable(hostile), 'a?[2J???b??31m?c??')
  assert.is(table([{ x: hostile }], { X: (row) => row.x }).split('\n').length, 2)
  assert.is(printable('Zoë +1 (415) 東京'), 'Zoë +1 (415) 東京')
})

Text('counts name one and many', () => {
  assert.equal([count(0, 'call'), count(1, 'call'), count(2, 'call')], ['0 calls', '1 call', '2 calls'])
  assert.equal([count(1, 'entry'), count(2, 'entry'), count(2, 'key')], ['1 entry', '2 entries', '2 keys'])
})

Text.run()
