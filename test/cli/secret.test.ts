import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'

const SecretCommand = suite('signalbox secret')
let edge: CliEdge

SecretCommand.before.each(async () => {
  edge = await startCliEdge()
})
SecretCommand.after.each(async () => {
  await edge.close()
})

SecretCommand('rotate waits for the end, shows a bar on a terminal, and tells what was done', async () => {
  const { exitCode, out, err, shown } = await edge.run(['secret', 'rotate'], { terminal: true })
  assert.is(exitCode, 0, err)
  assert.match(out, 'new key 0123456789ab made and in use')
  assert.match(out, '3 of 3 passwords encrypted anew')
  assert.ok(shown.some((line) => /\[-{30}\] {3}0 % 0 of 3/.test(line)) || shown.includes(''), shown.join('|'))
  const json = await edge.run(['secret', 'rotate', '--json'])
  assert.is((JSON.parse(json.out) as { state: string }).state, 'done')
})

SecretCommand('rotate with passwords that cannot be read names their records and ends with exit code 1', async () => {
  edge.services.rotation = {
    ...edge.services.rotation,
    unreadable: [{ record: 'trunk', id: 'pbx', secret: 'inbound password', why: 'secret: is malformed' }],
    unreadable_count: 1,
  }
  const { exitCode, out, err } = await edge.run(['secret', 'rotate'])
  assert.is(exitCode, 1)
  assert.match(out, 'trunk pbx: inbound password: secret: is malformed')
  assert.is(err, 'signalbox: 1 password cannot be read with any key of this edge: set them again')
})

SecretCommand(
  'rotate with a configured key tells what to do on every edge first; with former keys it goes on',
  async () => {
    edge.services.rotation = { ...edge.services.rotation, made_key: false, unneeded_keys: ['aaaaaaaaaaaa'] }
    const first = await edge.run(['secret', 'rotate'])
    assert.is(first.exitCode, 1)
    assert.match(first.err, 'On every edge')
    assert.match(first.err, 'SIGNALBOX__FORMER_SECRET_KEYS')
    edge.services.formerKeys = ['aaaaaaaaaaaa']
    const second = await edge.run(['secret', 'rotate'])
    assert.is(second.exitCode, 0, second.err)
    assert.match(second.out, 'no longer needed: aaaaaaaaaaaa')
  },
)

SecretCommand('rotate beside other edges says what to do first', async () => {
  edge.services.edgesAlive = 1
  const refused = await edge.run(['secret', 'rotate'])
  assert.is(refused.exitCode, 1)
  assert.match(refused.err, '(OTHER_EDGES_ALIVE)')
  assert.is((await edge.run(['secret', 'rotate', '--shared-data-folder'])).exitCode, 0)
})

SecretCommand.run()
