import type { Clock } from '../clock.js'
import type { CallDurations } from '../counts.js'
import { skipSpace, trimEnd } from '../message/chars.js'
import type { SipMessage } from '../message/message.js'
import { lowerCase } from '../message/params.js'
import type { SipUri } from '../message/uri.js'
import type { TimerSettings, Transactions } from '../transaction/transactions.js'
import type { Binding, Flow } from '../transport/transport.js'
import type { Transports } from '../transport/transports.js'
import type { Apps, Origin, RequestRouter } from './app.js'
import type { CallRecords } from './call-record.js'
import type { Avoided } from './avoided.js'
import type { Dialogs } from './dialogs.js'
import type { Door } from './door.js'
import type { FlowWatch } from './flow-watch.js'
import type { Hops } from './hops.js'
import type { RegisteredFlows } from './registered-flows.js'
import type { RouteSeal } from '../proxy/route-seal.js'
import type { SessionTimerSettings } from './session-expires.js'
import type { NatSettings } from './peer-way.js'
import type { Screening } from './screening.js'

/** Times of the core, in milliseconds. */
export interface CoreSettings {
  /** How long messages wait after the echo of what they answer (see `EchoGap`); 0 when the application loses nothing. */
  readonly echoGapMs: number
  /** How long an application may take over its first answer to a new request. */
  readonly appAnswerTimeoutMs: number
  /** The Route headers of applications on requests outside dialogs are kept (a preloaded route); else they are dropped. */
  readonly appRoutes: boolean
  readonly sessionTimers: SessionTimerSettings
  /** Requests of dialogs of others that are routed over us are passed on. Default true. */
  readonly relay?: boolean | undefined
  /** What our Record-Route is proved by, and has to be for a request to be passed on; undefined: for whoever asks. */
  readonly routeSeal?: RouteSeal | undefined
  /** Next hop of requests outside dialogs for which the application names none. */
  readonly outboundProxy?: SipUri | undefined
  /** Requests to it and to the domains below it are refused: it is ours. Lower case. */
  readonly localDomain?: string | undefined
  /** An INVITE that an application gets is answered 180 at once. */
  readonly alwaysRing?: boolean | undefined
  /** On TLS a peer whose own Contact is `sip:` gets one, in place of `sips:`. */
  readonly bestEffortTls?: boolean | undefined
  /** Header names, in lower case, that applications spell for peers to see. */
  readonly keptSpellings?: ReadonlySet<string> | undefined
  readonly nat?: NatSettings | undefined
  readonly screening?: Screening | undefined
  /** Says whether what belongs to nothing that is going on comes in. */
  readonly door?: Door | undefined
}

/** What the core is made of. */
export interface CoreParts {
  readonly clock: Clock
  readonly timers: TimerSettings
  readonly settings: CoreSettings
  readonly transports: Transports
  readonly hops: Hops
  readonly apps: Apps
  readonly dialogs: Dialogs
  /** Takes records of calls; undefined: none are kept. */
  readonly records?: CallRecords | undefined
  /** Decides on new requests of some methods; else `apps` are asked. */
  readonly router?: RequestRouter | undefined
}

/** What has happened since the start. */
export interface CoreCounts {
  /** Requests refused since they could not be used: malformed, too large, of another version. */
  badRequests: number
  readonly inbound: CallDurations
  readonly outbound: CallDurations
}

/** What the parts of the core share. */
export interface Context extends CoreParts {
  readonly transactions: Transactions
  /** Streams that could not be opened when a request was too large for UDP. */
  readonly withoutTcp: Avoided
  /** Who answered 503 and said for how long (RFC 3261 21.5.4). */
  readonly overloaded: Avoided
  readonly flowWatch: FlowWatch
  readonly counts: CoreCounts
  readonly registered: RegisteredFlows
  /** Hears of an error that nobody else can do anything about. */
  readonly report: (error: unknown) => void
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

/** A response of ours: the address is the one it went to. */
export const answeredTo = (flow: Flow): Origin => ({
  source: 'application',
  protocol: flow.protocol,
  address: flow.remoteAddress,
  port: flow.remotePort,
})

export const fromBinding = (binding: Binding): Origin => ({
  source: 'application',
  protocol: binding.protocol,
  address: binding.address,
  port: binding.port,
})

/** Whether a header that lists option tags (Require, Supported) has the tag; `name` may stand on several lines. */
export function hasOption(message: SipMessage, name: string, option: string): boolean {
  const { headers } = message
  for (let line = 0; line < headers.count; line++)
    if (headers.nameAt(line).canonical === name && listsOption(headers.valueAt(line), option)) return true
  return false
}

/** Whether the tag, in lower case, is among those of a comma-separated list. */
export function listsOption(list: string, option: string): boolean {
  for (let from = 0, comma = 0; comma < list.length; from = comma + 1) {
    comma = list.indexOf(',', from)
    if (comma < 0) comma = list.length
    const start = skipSpace(list, from, comma)
    const end = trimEnd(list, start, comma)
    if (end - start === option.length && lowerCase(list, start, end) === option) return true
  }
  return false
}
