import type { RegistrationState } from '../../model/registration.js'

/**
 * What happens to a registration:
 * - `want` it is to be registered; `again` it is to be registered anew, now
 * - `turn` a REGISTER may be sent now
 * - `bound`, `failed`, `refused` how the REGISTER ended
 * - `due` the time for a refresh has come, or a pause is over; leaving a state stops its timer
 * - `lost` the connection that the binding stands on is gone
 * - `withdraw` it is not wanted any more and a binding may stand; `end` the same, and none does
 * - `unbound` the un-REGISTER is over, whatever came of it
 */
export type RegistrationEvent =
  'want' | 'again' | 'turn' | 'bound' | 'failed' | 'refused' | 'due' | 'lost' | 'withdraw' | 'end' | 'unbound'

/** `queue`: wait for a turn at the pace of a start; `queueAhead`: before those, at no pace. The others send, or set the timer. */
export type RegistrationAction =
  | 'queue'
  | 'queueAhead'
  | 'leaveQueue'
  | 'register'
  | 'unregister'
  | 'awaitTurn'
  | 'awaitRefresh'
  | 'awaitRetry'
  | 'awaitProbe'

type Row = Partial<Record<RegistrationEvent, readonly [next: RegistrationState, ...actions: RegistrationAction[]]>>

/** event -> [next state, ...actions]; an absent event is ignored. While a request is under way the driver keeps what comes for after it. */
export const chart: Readonly<Record<RegistrationState, Row>> = {
  stopped: {
    want: ['waiting', 'queue'],
  },
  waiting: {
    due: ['waiting', 'queue'],
    turn: ['registering', 'register'],
    withdraw: ['unregistering', 'leaveQueue', 'queueAhead'],
    end: ['stopped', 'leaveQueue'],
  },
  registering: {
    bound: ['registered', 'awaitRefresh'],
    failed: ['retrying', 'awaitRetry'],
    refused: ['refused', 'awaitProbe'],
  },
  registered: {
    due: ['registered', 'queueAhead'],
    again: ['registered', 'queueAhead'],
    turn: ['registered', 'register'],
    bound: ['registered', 'leaveQueue', 'awaitRefresh'],
    failed: ['retrying', 'leaveQueue', 'awaitRetry'],
    refused: ['refused', 'leaveQueue', 'awaitProbe'],
    lost: ['waiting', 'leaveQueue', 'awaitTurn'],
    withdraw: ['unregistering', 'leaveQueue', 'queueAhead'],
    end: ['stopped', 'leaveQueue'],
  },
  retrying: {
    due: ['retrying', 'queue'],
    again: ['waiting', 'leaveQueue', 'queue'],
    turn: ['registering', 'register'],
    withdraw: ['unregistering', 'leaveQueue', 'queueAhead'],
    end: ['stopped', 'leaveQueue'],
  },
  refused: {
    due: ['refused', 'queue'],
    again: ['waiting', 'leaveQueue', 'queue'],
    turn: ['registering', 'register'],
    withdraw: ['unregistering', 'leaveQueue', 'queueAhead'],
    end: ['stopped', 'leaveQueue'],
  },
  unregistering: {
    turn: ['unregistering', 'unregister'],
    unbound: ['stopped'],
  },
}
