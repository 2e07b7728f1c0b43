import type { SipResponse } from '../message/message.js'
import type { AppText } from '../dialog/app-text.js'
import type { Flow } from '../transport/transport.js'

/** How a request is to be proxied (section 2.4 of drachtio's protocol). */
export interface ProxyOptions {
  /** URIs, or bare `host[:port]`, in the order they are tried. At least one. */
  readonly destinations: readonly string[]
  /** Stay in the path of later requests: Record-Route, for REGISTER a Path (RFC 3327). */
  readonly recordRoute: boolean
  /** The Contacts of a 3xx are tried next instead of handing it to the caller. */
  readonly followRedirects: boolean
  /** All destinations at once, else one after the other. */
  readonly simultaneous: boolean
  /** How long a destination may be wholly silent; undefined: as long as timers B and F allow. */
  readonly provisionalTimeoutMs?: number
  /** How long a destination may take over its final response; undefined: as long as timer C allows. */
  readonly finalTimeoutMs?: number
  /** Headers that the forwarded request carries beyond what it came with. */
  readonly text: AppText
}

/** Who asked hears of it. */
export interface ProxyReport {
  /** A final response came in from a destination. */
  final(response: SipResponse, flow: Flow): void
  /** The caller has its final response, or will get none. Called once, last. */
  done(): void
}

/** Somebody who does not want to hear. */
export const unreported: ProxyReport = { final() {}, done() {} }
