import type { Clock } from '../clock.js'
import type { SipMessage } from '../message/message.js'

/** How long a caller has to come back with credentials. */
const KEPT_MS = 2_000
const MAX_KEPT = 10_000
const CHALLENGES = ['www-authenticate', 'proxy-authenticate']
const CREDENTIALS = ['authorization', 'proxy-authorization']
/** A nonce is compared, not read: quotes may only stand around it. */
const NONCE = /(?:^|[\s,])nonce="([^"]{1,512})"/i

/** Who challenged a caller: its next try goes to the same destination, since others may not know the nonce. */
export class ChallengedTargets {
  /** By call and nonce: what another caller shows does not lead there, though it has overheard the nonce. */
  private readonly byNonce = new Map<string, { destination: string; until: number }>()

  constructor(private readonly clock: Clock) {}

  add(challenge: SipMessage, destination: string): void {
    const now = this.clock.now()
    for (const [nonce, { until }] of this.byNonce) {
      if (until > now && this.byNonce.size < MAX_KEPT) break
      this.byNonce.delete(nonce)
    }
    for (const nonce of noncesOf(challenge, CHALLENGES)) this.byNonce.set(nonce, { destination, until: now + KEPT_MS })
  }

  /** The destination whose challenge the request answers. */
  find(request: SipMessage): string | undefined {
    if (this.byNonce.size === 0) return undefined
    const now = this.clock.now()
    for (const nonce of noncesOf(request, CREDENTIALS)) {
      const known = this.byNonce.get(nonce)
      if (known !== undefined && known.until > now) return known.destination
    }
    return undefined
  }
}

/** The nonces of a message, each with its Call-ID. */
function noncesOf(message: SipMessage, names: readonly string[]): string[] {
  const nonces: string[] = []
  const callId = message.headers.get('call-id') ?? ''
  for (const name of names)
    for (const value of message.headers.getAll(name)) {
      const nonce = NONCE.exec(value)?.[1]
      if (nonce !== undefined) nonces.push(`${nonce} ${callId}`)
    }
  return nonces
}
