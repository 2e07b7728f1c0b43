import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { newBranch, randomToken } from '../../../src/engine/transaction/branch.js'

const Branch = suite('Branch')

Branch('begins with the magic cookie and goes on with 24 hex digits', () => {
  for (let i = 0; i < 300; i++) assert.match(newBranch(), /^z9hG4bK[0-9a-f]{24}$/)
})

Branch('is never the same twice, beyond the random bytes that are drawn at once', () => {
  const tokens = new Set<string>()
  for (let i = 0; i < 5_000; i++) tokens.add(randomToken())
  assert.is(tokens.size, 5_000)
})

Branch('uses every digit of every place: no byte is fixed', () => {
  const seen = Array.from({ length: 24 }, () => new Set<string>())
  for (let i = 0; i < 2_000; i++) for (const [place, digit] of [...randomToken()].entries()) seen[place]?.add(digit)
  for (const digits of seen) assert.is(digits.size, 16)
})

Branch.run()
