import type { Clock } from '../clock.js'
import type { SipMessage } from '../message/message.js'
import type { TimerSettings, Transactions } from '../transaction/transactions.js'
import type { Binding, Flow } from '../transport/transport.js'
import type { Transports } from '../transport/transports.js'
import type { Apps, Origin } from './app.js'
import type { Dialogs } from './dialogs.js'
import type { Hops } from './hops.js'

/** Times of the core, in milliseconds. */
export interface CoreSettings {
  /** How long messages wait after the echo of what they answer (see `EchoGap`); 0 when the application loses nothing. */
  readonly echoGapMs: number
  /** How long an application may take over its first answer to a new request. */
  readonly appAnswerTimeoutMs: number
}

/** What the parts of the core share. */
export interface Context {
  readonly clock: Clock
  readonly timers: TimerSettings
  readonly settings: CoreSettings
  readonly transports: Transports
  readonly transactions: Transactions
  readonly hops: Hops
  readonly apps: Apps
  readonly dialogs: Dialogs
}

/** A message of the network: its address is the peer's. */
export const fromNetwork = (flow: Flow): Origin => ({
  source: 'network',
  protocol: flow.protocol,
  address: flow.remoteAddress,
  port: flow.remotePort,
})

/** A message of ours: the address is our own over UDP, the peer's over a connection. */
export const fromHere = (flow: Flow): Origin => ({
  source: 'application',
  protocol: flow.protocol,
  address: flow.reliable ? flow.remoteAddress : flow.localAddress,
  port: flow.reliable ? flow.remotePort : flow.localPort,
})

export const fromBinding = (binding: Binding): Origin => ({
  source: 'application',
  protocol: binding.protocol,
  address: binding.address,
  port: binding.port,
})

/** Strings of more than one header line, joined as one list. */
export const listValue = (message: SipMessage, name: string): string => message.headers.getAll(name).join(',')
