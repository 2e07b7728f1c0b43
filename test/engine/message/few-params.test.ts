import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FewParams } from '../../../src/engine/message/few-params.js'

const Few = suite('Parameters of a value')

Few('are read as those of a map, in the order they came', () => {
  const params = new FewParams('tag', 'a')
  assert.ok(params.add('lr', ''))
  assert.ok(params.add('x', '1'))
  assert.equal([...params], [...new Map([...params.entries()])])
  assert.equal(
    [...params],
    [
      ['tag', 'a'],
      ['lr', ''],
      ['x', '1'],
    ],
  )
  assert.equal([...params.keys()], ['tag', 'lr', 'x'])
  assert.equal([...params.values()], ['a', '', '1'])
  assert.equal([params.size, params.get('lr'), params.has('lr')], [3, '', true])
  assert.equal([params.get('none'), params.has('none')], [undefined, false])
  const visited: string[] = []
  params.forEach((value, name) => visited.push(`${name}=${value}`))
  assert.equal(visited, ['tag=a', 'lr=', 'x=1'])
})

Few('take a name twice with the same value as one, and refuse another value', () => {
  const params = new FewParams('x', '')
  assert.ok(params.add('x', ''))
  assert.not(params.add('x', '1'))
  assert.ok(params.add('y', '2'))
  assert.ok(params.add('y', '2'))
  assert.not(params.add('y', ''))
  assert.equal([params.size, params.get('x'), params.get('y')], [2, '', '2'])
})

Few('of thousands are added and found in linear time, and stay in order', () => {
  const names = Array.from({ length: 20_000 }, (_, i) => `p${i}`)
  const params = new FewParams('first', '')
  const startedAt = performance.now()
  for (const name of names) assert.ok(params.add(name, name))
  for (const name of names) assert.is(params.get(name), name)
  assert.not(params.add('first', 'again'))
  assert.ok(performance.now() - startedAt < 2_000)
  assert.is(params.size, names.length + 1)
  assert.equal([...params.keys()], ['first', ...names])
})

Few.run()
