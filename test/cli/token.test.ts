import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'

const TokenCommand = suite('signalbox token')
let edge: CliEdge

TokenCommand.before.each(async () => {
  edge = await startCliEdge()
})
TokenCommand.after.each(async () => {
  await edge.close()
})

TokenCommand('create shows the token once, list never, and revoke ends it', async () => {
  const made = await edge.run(['token', 'create', 'noc', '--role', 'viewer', '--account', 'acme', '--json'])
  assert.is(made.exitCode, 0, made.err)
  const { id, token, account_id, role } = JSON.parse(made.out) as Record<string, string>
  assert.match(token ?? '', /^sbx_/)
  assert.equal([account_id, role], ['acme', 'viewer'])
  const asNoc = await edge.run(['agent', 'list', '--token', token ?? ''])
  assert.is(asNoc.exitCode, 0, asNoc.err)
  for (const json of [[], ['--json']]) {
    const listed = await edge.run(['token', 'list', ...json])
    assert.match(listed.out, id ?? '')
    assert.not.match(listed.out, token ?? '')
  }
  assert.match((await edge.run(['token', 'revoke', id ?? ''])).out, `token ${id} revoked`)
  assert.is((await edge.run(['token', 'revoke', id ?? ''])).exitCode, 1)
})

TokenCommand('create as text says that the token is not shown again', async () => {
  const made = await edge.run(['token', 'create', 'noc', '--role', 'operator'])
  assert.match(made.out, /token +sbx_[a-z0-9]{12}_/)
  assert.match(made.out, /account_id +all/)
  assert.match(made.err, 'shown this once')
})

TokenCommand('create takes an end as an instant or from now, and refuses what is neither', async () => {
  const at = async (when: string) => edge.run(['token', 'create', 'x', '--role', 'viewer', '--expires', when, '--json'])
  const instant = JSON.parse((await at('2099-01-31T12:00:00Z')).out) as { expires_at: string }
  assert.is(instant.expires_at, '2099-01-31T12:00:00.000Z')
  const days = JSON.parse((await at('90d')).out) as { expires_at: string }
  assert.ok(Math.abs(Date.parse(days.expires_at) - Date.now() - 90 * 86_400_000) < 60_000)
  const wrong = await at('soon')
  assert.is(wrong.exitCode, 2)
  assert.match(wrong.err, '--expires soon is not an instant')
  assert.is((await edge.run(['token', 'create', 'x'])).exitCode, 2)
  assert.is((await edge.run(['token', 'create', 'x', '--role', 'root'])).exitCode, 2)
})

TokenCommand.run()
