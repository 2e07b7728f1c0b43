import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { createResponse } from '../../../src/engine/message/message.js'
import { nobody } from '../../../src/engine/transaction/client-transaction.js'
import type { Host } from '../../../src/engine/transaction/host.js'
import { inviteClient, InviteClient } from '../../../src/engine/transaction/invite-client.js'
import { inviteServer, InviteServer } from '../../../src/engine/transaction/invite-server.js'
import { nonInviteClient, NonInviteClient } from '../../../src/engine/transaction/non-invite-client.js'
import { nonInviteServer, NonInviteServer } from '../../../src/engine/transaction/non-invite-server.js'
import { defaultTimers } from '../../../src/engine/transaction/timers.js'
import { ManualClock } from '../../support/manual-clock.js'
import { RecordingFlow } from '../../support/recording-flow.js'
import { makeRequest } from '../../support/transaction-bench.js'

const Charts = suite('Transaction charts')

interface AnyChart {
  readonly rows: Readonly<Record<string, Readonly<Record<string, readonly [string, ...string[]]>>>>
  readonly timersOf: Readonly<Record<string, readonly string[]>>
}

/** A machine with everything around it that it could touch. */
interface Specimen {
  readonly state: string
  step(event: string): boolean
  /** All it has done so far: what it sent, whom it told, what it asked the index. */
  readonly deeds: readonly string[]
  readonly clock: ManualClock
}

const ok = createResponse(makeRequest('INVITE'), 200, undefined, 'to1')

function createSpecimen(make: (host: Host, flow: RecordingFlow, note: (deed: string) => void) => unknown): Specimen {
  const clock = new ManualClock()
  const deeds: string[] = []
  const note = (deed: string): void => void deeds.push(deed)
  const flow = new (class extends RecordingFlow {
    override send(text: string): void {
      note(`send ${text.slice(0, 11)}`)
    }
  })()
  const host: Host = {
    clock,
    timers: defaultTimers,
    counts: { repeatedRequests: 0, repeatedResponses: 0 },
    responseFlow: () => flow,
    openCancel: () => note('openCancel'),
    ackUp: () => note('ackUp'),
    expectAck: () => note('expectAck'),
    forgetAck: () => note('forgetAck'),
    forgetClient: () => note('forgetClient'),
    forgetServer: () => note('forgetServer'),
    report: () => note('report'),
  }
  const machine = make(host, flow, note) as { state: string; step(event: string, cause?: object): boolean }
  return {
    clock,
    deeds,
    get state() {
      return machine.state
    },
    step: (event) => machine.step(event, { response: ok, ack: makeRequest('ACK'), flow, error: new Error('no') }),
  }
}

const kinds: readonly {
  name: string
  chart: AnyChart
  start: string
  /** RFC 3261 17 and RFC 6026, state by state. */
  timers: Record<string, string[]>
  create: () => Specimen
}[] = [
  {
    name: 'INVITE client',
    chart: inviteClient as AnyChart,
    start: 'calling',
    timers: {
      calling: ['A', 'B'],
      withdrawn: ['A', 'B'],
      abandoned: ['B'],
      proceeding: ['C'],
      cancelling: ['answerToCancel'],
      accepted: ['M'],
      completed: ['D'],
      terminated: [],
    },
    create: () =>
      createSpecimen((host, flow, note) => {
        const user = { ...nobody, response: () => note('response'), timedOut: () => note('timedOut') }
        const client = new InviteClient(host, makeRequest('INVITE'), flow, 'z9hG4bK1', user)
        client.begin()
        return client
      }),
  },
  {
    name: 'non-INVITE client',
    chart: nonInviteClient as AnyChart,
    start: 'trying',
    timers: { trying: ['E', 'F'], proceeding: ['E', 'F'], completed: ['K'], terminated: [] },
    create: () =>
      createSpecimen((host, flow, note) => {
        const user = { ...nobody, response: () => note('response'), timedOut: () => note('timedOut') }
        const client = new NonInviteClient(host, makeRequest('OPTIONS'), flow, 'z9hG4bK1', user)
        client.begin()
        return client
      }),
  },
  {
    name: 'INVITE server',
    chart: inviteServer as AnyChart,
    start: 'proceeding',
    timers: { proceeding: [], accepted: ['L'], completed: ['G', 'H'], confirmed: ['I'], terminated: [] },
    create: () =>
      createSpecimen((host, flow, note) => {
        const server = new InviteServer(host, 'key', makeRequest('INVITE'), flow, false)
        server.user = { retransmission: () => note('retransmission'), transportFailed: () => note('transportFailed') }
        return server
      }),
  },
  {
    name: 'non-INVITE server',
    chart: nonInviteServer as AnyChart,
    start: 'trying',
    timers: { trying: [], proceeding: [], completed: ['J'], terminated: [] },
    create: () =>
      createSpecimen((host, flow, note) => {
        const server = new NonInviteServer(host, 'key', makeRequest('OPTIONS'), flow)
        server.user = { retransmission: () => note('retransmission'), transportFailed: () => note('transportFailed') }
        return server
      }),
  },
]

/** The shortest way from the start to each state: the events to feed. */
function waysOf(chart: AnyChart, start: string): Map<string, string[]> {
  const ways = new Map<string, string[]>([[start, []]])
  for (const [state, way] of ways)
    for (const [event, [next]] of Object.entries(chart.rows[state] ?? {}))
      if (!ways.has(next)) ways.set(next, [...way, event])
  return ways
}

for (const { name, chart, start, timers, create } of kinds) {
  const events = [...new Set(Object.values(chart.rows).flatMap((row) => Object.keys(row)))]
  const ways = waysOf(chart, start)

  /** A machine that was led to a state. */
  const createIn = (state: string): Specimen => {
    const specimen = create()
    for (const event of ways.get(state) ?? []) specimen.step(event)
    assert.is(specimen.state, state)
    return specimen
  }

  Charts(`${name}: every state can be reached, and the end from every state`, () => {
    assert.equal([...ways.keys()].sort(), Object.keys(chart.rows).sort())
    for (const state of ways.keys()) assert.ok(waysOf(chart, state).has('terminated'), state)
  })

  Charts(`${name}: an event absent from the row of a state is ignored there`, () => {
    let absent = 0
    for (const state of Object.keys(chart.rows))
      for (const event of events.filter((one) => chart.rows[state]?.[one] === undefined)) {
        const specimen = createIn(state)
        const before = [...specimen.deeds]
        const { pending } = specimen.clock
        assert.not(specimen.step(event), `${event} in ${state}`)
        assert.is(specimen.state, state)
        assert.equal(specimen.deeds, before, `${event} in ${state}`)
        assert.is(specimen.clock.pending, pending)
        absent += 1
      }
    assert.ok(absent > events.length)
  })

  Charts(`${name}: an event in the row of a state leads where the row says`, () => {
    for (const [state, row] of Object.entries(chart.rows))
      for (const [event, [next]] of Object.entries(row)) {
        const specimen = createIn(state)
        assert.ok(specimen.step(event))
        assert.is(specimen.state, next, `${event} in ${state}`)
      }
  })

  Charts(`${name}: each state has the timers of the RFC`, () => {
    assert.equal(chart.timersOf, timers)
  })

  Charts(`${name}: over UDP, exactly the timers of a state run in it, whatever way led there`, () => {
    for (const [state, row] of Object.entries(chart.rows)) {
      const found = create()
      if (state === start) assert.is(found.clock.pending, chart.timersOf[state]?.length)
      for (const [event, [next]] of Object.entries(row)) {
        const specimen = createIn(state)
        specimen.step(event)
        // A timer fed by hand as an event is one that runs still, so the list is the same for it.
        assert.is(specimen.clock.pending, chart.timersOf[next]?.length, `${event} in ${state}`)
      }
    }
  })
}

Charts.run()
