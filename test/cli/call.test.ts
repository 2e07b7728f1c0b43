import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sampleCall, sampleCdr } from '../support/api-fakes.js'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'
import { eventually } from '../support/eventually.js'

const CallCommand = suite('signalbox call')

const START = ['call', 'start', '--agent', 'front', '--from', '+14155550100', '--to', '+13125550199']
let edge: CliEdge

CallCommand.before.each(async () => {
  edge = await startCliEdge()
})
CallCommand.after.each(() => edge.close())

CallCommand('start places a call and says which', async () => {
  const { exitCode, out } = await edge.run([...START, '--header', 'X-Lead: 17', '--ring-timeout', '20', '--privacy'])
  assert.is(exitCode, 0)
  assert.is(out, 'Call o1 is being placed.')
  const [asked] = edge.services.originated
  assert.equal(asked?.headers, { 'X-Lead': '17' })
  assert.equal([asked?.agentId, asked?.ringTimeoutMs, asked?.privacy], ['front', 20_000, true])
  const json = await edge.run([...START, '--json'])
  assert.is((JSON.parse(json.out) as { state: string }).state, 'trying')
  assert.is((await edge.run(['call', 'start', '--agent', 'front', '--from', '+1'])).exitCode, 2)
  edge.services.refusal = { code: 'CALLER_ID_NOT_ALLOWED', detail: 'agent front may not present it' }
  const refused = await edge.run(START)
  assert.is(refused.exitCode, 1)
  assert.match(refused.err, 'may not present it (CALLER_ID_NOT_ALLOWED)')
})

CallCommand('start --watch says each state until the end, and fails when nobody answered', async () => {
  const { services } = edge
  for (const answered of [true, false]) {
    services.cdrRecords.clear()
    const running = edge.run([...START, '--watch'])
    const call = await eventually('the call', () => [...services.liveCalls.values()][0])
    services.liveCalls.set(call.call_id, { ...call, state: 'ringing' })
    await new Promise((resolve) => setTimeout(resolve, 400))
    services.liveCalls.delete(call.call_id)
    await new Promise((resolve) => setTimeout(resolve, 300))
    services.cdrRecords.set(
      call.call_id,
      sampleCdr(
        call.call_id,
        answered
          ? {}
          : {
              answered_at: null,
              result: 'destination_busy',
              end_reason: 'sip:192.0.2.7: answered 486 Busy',
              duration_s: 0,
            },
      ),
    )
    const { exitCode, out, err } = await running
    assert.is(exitCode, answered ? 0 : 1)
    assert.equal(
      out.split('\n').map((line) => line.split('  ')[1]),
      ['trying', 'ringing', 'ended'],
    )
    if (!answered) assert.match(err, 'not answered: destination_busy: sip:192.0.2.7: answered 486 Busy')
  }
})

CallCommand('list and show tell what goes on and what has ended, hangup ends it', async () => {
  edge.services.liveCalls.set('c1', sampleCall('c1', { direction: 'outbound' }))
  const list = await edge.run(['call', 'list'])
  assert.match(list.out, /c1 +outbound .* trying\n1 call$/)
  assert.is((JSON.parse((await edge.run(['call', 'list', '--json'])).out) as { items: object[] }).items.length, 1)
  assert.match((await edge.run(['call', 'show', 'c1'])).out, /state +trying/)
  assert.is((await edge.run(['call', 'hangup', 'c1'])).out, 'Call c1 is being ended.')
  assert.is(edge.services.liveCalls.size, 0)
  edge.services.cdrRecords.set('c1', sampleCdr('c1'))
  assert.match((await edge.run(['call', 'show', 'c1'])).out, /attempts +sip:agent@127.0.0.1:5090: 200 OK/)
  const gone = await edge.run(['call', 'hangup', 'c1'])
  assert.is(gone.exitCode, 1)
  assert.match(gone.err, 'has ended already')
})

CallCommand.run()
