import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { given } from '../../src/model/given.js'

const Given = suite('Fields that were given')

Given('are all but undefined ones: null, 0 and the empty text are values', () => {
  const fields = { text: '', none: null, zero: 0, off: false, absent: undefined }
  const kept = given(fields)
  assert.equal(Object.keys(kept), ['text', 'none', 'zero', 'off'])
  assert.is(kept.none, null)
  assert.ok('absent' in fields, 'the object itself stays')
})

Given.run()
