import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sampleRegistration } from '../support/api-fakes.js'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'

const Registration = suite('signalbox registration')
let edge: CliEdge

Registration.before.each(async () => {
  edge = await startCliEdge()
})
Registration.after.each(async () => {
  await edge.close()
})

/** A trunk that a number is imported on; its id. */
async function importTrunk(register: boolean): Promise<string> {
  const more = register ? ['--register'] : []
  const { exitCode, err } = await edge.run([
    ...['number', 'import', '+14155550100', '--sip-domain', 'pbx.example.com', '--username', 'u', ...more],
  ])
  assert.is(exitCode, 0, err)
  return [...edge.services.trunkRecords.keys()][0] ?? ''
}

Registration('list shows each trunk with state, registrar and reason, and filters by state', async () => {
  edge.services.registrationRecords.set('pbx-1', sampleRegistration('pbx-1'))
  const refused = { state: 'refused', reason: 'the registrar forbids it (403 Forbidden)', registrar: null } as const
  edge.services.registrationRecords.set('pbx-2', sampleRegistration('pbx-2', refused))
  const all = await edge.run(['registration', 'list'])
  assert.match(all.out, /^TRUNK +STATE +REGISTRAR/)
  assert.match(all.out, /pbx-1 +registered +sip:192\.0\.2\.7:5065;transport=tcp/)
  assert.match(all.out, '2 registrations')
  const some = await edge.run(['registration', 'list', '--state', 'refused'])
  assert.match(some.out, /pbx-2 +refused +- .*forbids it/)
  assert.not.match(some.out, 'pbx-1')
  const json = await edge.run(['registration', 'list', '--state', 'refused', '--json'])
  assert.is((JSON.parse(json.out) as { items: { trunk_id: string }[] }).items[0]?.trunk_id, 'pbx-2')
  const wrong = await edge.run(['registration', 'list', '--state', 'happy'])
  assert.is(wrong.exitCode, 1)
  assert.match(wrong.err, 'state')
})

Registration('show tells how a trunk stands, or that it is not to be registered', async () => {
  const id = await importTrunk(true)
  const shown = await edge.run(['registration', 'show', id])
  assert.match(shown.out, /state +registered/)
  assert.match(shown.out, /granted_expires_s +300/)
})

Registration('show of a trunk that is not to be registered says so', async () => {
  const id = await importTrunk(false)
  const { exitCode, err } = await edge.run(['registration', 'show', id])
  assert.is(exitCode, 1)
  assert.match(err, 'register.enabled is false')
})

Registration('trunk register and unregister ask for it', async () => {
  const id = await importTrunk(true)
  const asked = await edge.run(['trunk', 'register', id])
  assert.is(asked.exitCode, 0, asked.err)
  assert.match(asked.out, `${id}: asked for; it is registered.`)
  const json = await edge.run(['trunk', 'unregister', id, '--json'])
  assert.is((JSON.parse(json.out) as { trunk_id: string }).trunk_id, id)
  assert.equal(edge.services.registrationRequests, [`register ${id}`, `unregister ${id}`])
  const gone = await edge.run(['trunk', 'register', 'nothing'])
  assert.is(gone.exitCode, 1)
  assert.match(gone.err, 'TRUNK_NOT_FOUND')
})

Registration.run()
