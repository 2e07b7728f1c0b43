import { createHmac, timingSafeEqual } from 'node:crypto'
import type { SipUri } from '../message/uri.js'

/** URI parameter of our Record-Route that proves it ours. */
const PARAM = 'sbs'
const LENGTH = 24

/**
 * Proves that a Route was our Record-Route in the same call, so that only requests of dialogs that were proxied here are passed on: without
 * it whoever reaches us could have anything sent to anybody in our name. Nothing has to be kept for it.
 */
export class RouteSeal {
  /** @param key who has the same makes, and takes, the same seals: several servers behind one name, or this one after a restart */
  constructor(private readonly key: Uint8Array) {}

  /** The parameter for the Record-Route of a call: `;sbs=...`. */
  paramFor(callId: string): string {
    return `;${PARAM}=${this.of(callId)}`
  }

  /** Whether a Route has the seal of the call. */
  fits(route: SipUri, callId: string): boolean {
    const given = route.params.get(PARAM)
    if (given?.length !== LENGTH) return false
    return timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(this.of(callId), 'latin1'))
  }

  private of(callId: string): string {
    return createHmac('sha256', this.key).update(callId, 'latin1').digest('hex').slice(0, LENGTH)
  }
}
