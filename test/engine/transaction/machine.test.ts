import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { Machine, type Chart } from '../../../src/engine/transaction/machine.js'
import { ManualClock } from '../../support/manual-clock.js'

const MachineDriver = suite('Machine')

type State = 'one' | 'two' | 'instant' | 'terminated'
type Timer = 'repeat' | 'shared' | 'own' | 'zero' | 'off'
type Event = 'go' | 'stay' | 'jump' | Timer
type Action = 'note' | 'call' | 'restartShared'

const chart: Chart<State, Event, Action, Timer> = {
  rows: {
    one: {
      go: ['two', 'note'],
      stay: ['one', 'restartShared'],
      jump: ['instant', 'note', 'call'],
      repeat: ['one', 'note'],
      shared: ['terminated', 'note'],
    },
    two: { own: ['terminated', 'note'], shared: ['terminated', 'note'], repeat: ['two', 'note'], zero: ['terminated'] },
    instant: { zero: ['terminated', 'note'], go: ['two', 'note'] },
    terminated: {},
  },
  timersOf: { one: ['repeat', 'shared', 'off'], two: ['shared', 'own'], instant: ['zero'], terminated: [] },
}

class Sample extends Machine<State, Event, Action, Timer, string> {
  readonly notes: string[] = []
  call: (() => void) | undefined

  constructor(readonly time = new ManualClock()) {
    super(chart, time, 'one')
    this.start()
  }

  finish(): void {
    this.halt()
  }

  protected override lengthOf(timer: Timer, fired: number): number | undefined {
    switch (timer) {
      case 'repeat':
        return 100 * 2 ** fired
      case 'shared':
        return 1_000
      case 'own':
        return 5_000
      case 'zero':
        return 0
      case 'off':
        return undefined
    }
  }

  protected override act(action: Action, cause: string | undefined): void {
    if (action === 'restartShared') this.restart('shared')
    else if (action === 'call') this.call?.()
    else this.notes.push(`${this.time.now()} ${this.state} ${cause ?? '-'}`)
  }

  protected override entered(state: State): void {
    this.notes.push(`entered ${state}`)
  }

  protected override over(): void {
    this.notes.push('over')
  }
}

MachineDriver('enters the next state before it acts, and hands the actions what came with the event', () => {
  const machine = new Sample()
  assert.ok(machine.step('go', 'word'))
  assert.equal(machine.notes, ['entered two', '0 two word'])
})

MachineDriver('starts a timer again that fired and left the machine in a state that has it', () => {
  const machine = new Sample()
  machine.time.advance(750)
  assert.equal(machine.notes, ['100 one -', '300 one -', '700 one -'])
})

MachineDriver('lets a timer run on that the next state has as well, and stops the others', () => {
  const machine = new Sample()
  machine.time.advance(50)
  machine.step('go')
  assert.is(machine.time.pending, 2)
  machine.time.advance(949)
  assert.is(machine.state, 'two')
  machine.time.advance(1)
  assert.equal(machine.notes, ['entered two', '50 two -', 'entered terminated', '1000 terminated -', 'over'])
  assert.is(machine.time.pending, 0)
})

MachineDriver('starts a timer anew when told to', () => {
  const machine = new Sample()
  machine.time.advance(900)
  machine.step('stay')
  machine.time.advance(999)
  assert.is(machine.state, 'one')
  machine.time.advance(1)
  assert.is(machine.state, 'terminated')
  assert.is(machine.time.pending, 0)
})

MachineDriver('lets happen at once what a timer of no length stands for, after the actions', () => {
  const machine = new Sample()
  machine.step('jump')
  assert.equal(machine.notes, ['entered instant', '0 instant -', 'entered terminated', '0 terminated -', 'over'])
  assert.is(machine.time.pending, 0)
})

MachineDriver('forgets the timer of no length when an action has left its state already', () => {
  const machine = new Sample()
  machine.call = () => void machine.step('go')
  machine.step('jump')
  assert.is(machine.state, 'two')
})

MachineDriver('is over once, even when an action feeds it an event of the end', () => {
  const machine = new Sample()
  machine.call = () => void machine.step('zero')
  machine.step('jump')
  assert.is(machine.notes.filter((note) => note === 'over').length, 1)
})

MachineDriver('halted, has no timer and knows no event', () => {
  const machine = new Sample()
  machine.finish()
  assert.is(machine.time.pending, 0)
  for (const event of ['go', 'stay', 'jump', 'repeat', 'own'] as const) assert.not(machine.step(event))
  assert.equal(machine.notes, [])
})

MachineDriver.run()
