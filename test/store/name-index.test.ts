import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NameIndex } from '../../src/store/name-index.js'

const Names = suite('An index of names')

Names('finds all ids of a name, and none that has gone over to another', () => {
  const index = new NameIndex()
  index.set('a', 'front')
  index.set('b', 'front')
  assert.equal(index.find('front'), ['a', 'b'])
  index.set('a', 'back')
  assert.equal(index.find('front'), ['b'])
  assert.equal(index.find('back'), ['a'])
  index.set('b', undefined)
  index.set('b', undefined)
  assert.equal(index.find('front'), [])
})

Names.run()
