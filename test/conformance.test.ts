import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { conformanceTable, gaps, proofsIn, proofsOf } from './support/conformance.js'
import { findTestFiles } from './support/test-files.js'

const Conformance = suite('Conformance with drachtio-server')

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

Conformance('every behaviour that drachtio proves is proven by a test of ours that names it', () => {
  const files = findTestFiles(join(root, 'dist', 'test'), join(root, 'test'))
  assert.equal(gaps(proofsOf(files)), { missing: [], unknown: [] })
})

Conformance('a title may name several rows; ids elsewhere in a text do not count', () => {
  const text = "Suite('[10.1/1] [10.4/27] does \\'this\\'', () => {}) // [10.1/2]\nSuite(`[10.1/3] that`, () => {})"
  assert.equal(
    proofsIn('engine/x', text).map(({ id, title }) => [id, title]),
    [
      ['10.1/1', "does \\'this\\'"],
      ['10.4/27', "does \\'this\\'"],
      ['10.1/3', 'that'],
    ],
  )
  assert.equal(gaps([{ id: '10.9/1', file: 'x', title: 'x' }]).unknown, ['10.9/1'])
})

Conformance('the table says of each row whether its files passed', () => {
  const table = conformanceTable(
    [
      { id: '10.1/1', file: 'engine/a', title: 't' },
      { id: '10.1/2', file: 'engine/b', title: 't' },
    ],
    ['engine/b'],
  )
  assert.match(table, /^10\.1\/1 +ok .*\(engine\/a\)$/m)
  assert.match(table, /^10\.1\/2 +FAIL /m)
  assert.match(table, /^10\.1\/3 +none /m)
})

Conformance.run()
