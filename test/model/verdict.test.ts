import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CallError, verdicts } from '../../src/model/verdict.js'

const Verdicts = suite('The verdict table')

const readme = readFileSync('README.md', 'utf8')

Verdicts('is told in full in the README, with the same statuses', () => {
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \|/gm)].map(([, code, status]) => [code, Number(status)])
  assert.equal(
    rows,
    Object.entries(verdicts).map(([code, { status }]) => [code, status]),
  )
})

Verdicts('has statuses of refusal and reasons that fit a status line', () => {
  for (const [code, { status, reason }] of Object.entries(verdicts)) {
    assert.ok(status >= 400 && status < 700, code)
    assert.match(reason, /^[A-Za-z ]{3,60}$/)
  }
})

Verdicts('a call error carries its verdict and its metric label', () => {
  const error = new CallError('AGENT_BUSY', 'agent front answered 486')
  assert.is(error.verdict.status, 486)
  assert.is(error.label, 'agent_busy')
})

Verdicts.run()
