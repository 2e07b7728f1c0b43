import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EventStreamReader } from '../../src/cli/event-stream.js'
import { describeEvent } from '../../src/cli/events.js'
import type { SignalboxEvent } from '../../src/model/event.js'
import { sampleCall, sampleCdr } from '../support/api-fakes.js'
import { runCli, startCliEdge, type CliEdge } from '../support/cli-run.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'

const Following = suite('signalbox events')

const started: SignalboxEvent = {
  type: 'call.started',
  at: '2026-01-01T00:00:00.000Z',
  account_id: 'default',
  data: sampleCall('c1'),
}
const ended: SignalboxEvent = { ...started, type: 'call.ended', data: sampleCdr('c1') } as SignalboxEvent

let edge: CliEdge

Following.before.each(async () => {
  edge = await startCliEdge()
})
Following.after.each(() => edge.close())

const tell = (event: SignalboxEvent, id: string): void => {
  for (const listener of edge.services.eventListeners) listener.event({ id, event, text: JSON.stringify(event) })
}
const somebodyListens = (): Promise<unknown> =>
  eventually('somebody listens', () => edge.services.eventListeners.size === 1)

Following('shows each event on a line, in words or as JSON', async () => {
  for (const json of [false, true]) {
    const running = edge.run(['events', '--limit', '2', ...(json ? ['--json'] : [])])
    await somebodyListens()
    tell(started, '1-1')
    tell(ended, '1-2')
    const { exitCode, out } = await running
    assert.is(exitCode, 0)
    const lines = out.split('\n')
    assert.is(lines.length, 2)
    if (json)
      assert.equal(
        lines.map((line) => JSON.parse(line) as unknown),
        [started, ended],
      )
    else {
      assert.match(lines[0]!, /call.started +c1 +inbound +\+13125550199 -> \+14155550100 +agent front$/)
      assert.match(lines[1]!, /answered by leg_a after 1.5 s$/)
    }
    await eventually('it has gone', () => edge.services.eventListeners.size === 0)
  }
})

Following('comes again after an interruption, from the last event it has seen, until it is stopped', async () => {
  const stop = new AbortController()
  const running = edge.run(['events', '--type', 'call.started'], { stop: stop.signal })
  await somebodyListens()
  tell(started, '1-1')
  await eventually('it is on its way', () => edge.services.eventListeners.size === 1)
  edge.services.resumes = false
  await new Promise((resolve) => setTimeout(resolve, 100))
  await eventually('the connection is cut', () => {
    for (const listener of edge.services.eventListeners) (listener as unknown as { end(): void }).end()
    return edge.services.eventListeners.size === 0
  })
  await somebodyListens()
  stop.abort()
  const { exitCode, out, err } = await running
  assert.is(exitCode, 0)
  assert.is(out.split('\n').length, 1)
  assert.match(err, 'the connection is lost; trying again in 1 s')
  assert.equal(edge.services.resumedFrom, [undefined, '1-1'])
})

Following('says in one line why it cannot begin', async () => {
  const refused = await edge.run(['events', '--type', 'call'])
  assert.is(refused.exitCode, 1)
  assert.match(refused.err, /types\[0\].*\(VALIDATION_FAILED\)$/)
  const nobody = await runCli(['events', '--url', `http://127.0.0.1:${await freePort()}`, '--token', 'x'])
  assert.is(nobody.exitCode, 1)
  assert.match(nobody.err, 'no edge answers')
})

Following('reads events cut anywhere, comments and ids alone included', () => {
  const text =
    'retry: 2000\n\n: keep-alive\n\nid: 1-1\r\nevent: a\r\ndata: {"x":1}\r\n\r\nid: 1-2\n\n: reset\n\nevent: b\ndata:2\n\n'
  const whole = [{ type: 'a', data: '{"x":1}' }, 'reset', { type: 'b', data: '2' }]
  for (let at = 1; at < text.length; at++) {
    const reader = new EventStreamReader()
    const found = [text.slice(0, at), text.slice(at)].flatMap((piece) => [...reader.read(piece)])
    assert.equal(found, whole, `cut at ${at}`)
    assert.is(reader.lastId, '1-2')
  }
  assert.throws(() => [...new EventStreamReader().read('x'.repeat(1_048_577))], 'too long')
})

Following('lets nothing of an event move the cursor', () => {
  const text = describeEvent(JSON.stringify({ ...started, data: { ...started.data, from: '\u001b[2J' } }))
  assert.not.match(text, '\u001b')
  assert.is(describeEvent('no json\u0007'), 'no json?')
})

Following.run()
