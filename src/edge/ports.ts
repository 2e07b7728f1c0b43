import type { Cdr, Direction } from '../model/call.js'
import type { Router } from '../routing/router.js'

/** The part of the router an inbound call asks. */
export type InboundRouter = Pick<Router, 'decide'>

/** Where a call's one record goes. */
export interface CdrSink {
  append(cdr: Cdr): void
}

/** The call's metrics, as `telemetry/` has them. */
export interface CallMetrics {
  readonly callsTotal: { inc(labels: { direction: Direction; result: string }): void }
  readonly callsActive: {
    inc(labels: { direction: Direction }): void
    dec(labels: { direction: Direction }): void
  }
  readonly inviteRelaySeconds: { observe(seconds: number): void }
  readonly setupSeconds: { observe(seconds: number): void }
}

/** The part of the logger a call uses. */
export interface CallLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What is counted of callers that have to show who they are. */
export interface ChallengeMetrics {
  /** INVITEs that were asked for credentials: they are no calls. */
  readonly challenges: { inc(labels: { of: 'agent' | 'trunk' }): void }
}
