import { createHash } from 'node:crypto'
import type { Trunk } from '../../model/trunk.js'
import type { RegistrationRecord } from '../../store/registrations.js'
import type { Credentials } from '../digest/exchange.js'
import { attemptRegister, attemptUnregister, type AttemptParts, type Identity, type Outcome } from './attempt.js'
import type { Binding } from './binding.js'
import type { DriverParts } from './driver-parts.js'
import { contactOf, type RegistrationSettings } from './settings.js'

/** The REGISTERs of one trunk: one Call-ID, one From tag, one Contact, a CSeq that rises from owner to owner. */
export class RegisterRequests {
  private readonly trunkId: string
  private claimed: number
  readonly callId: string
  private readonly fromTag: string
  private readonly token: string
  private sent: number

  constructor(
    private readonly parts: DriverParts,
    trunk: Trunk,
    { fence, callId, cseq }: RegistrationRecord,
  ) {
    this.trunkId = trunk.id
    this.claimed = fence
    this.callId = callId
    this.sent = cseq
    this.fromTag = createHash('sha256').update(`from tag ${callId}`).digest('hex').slice(0, 16)
    // Kept while we own the trunk, whatever becomes of the keys: another would be a second Contact.
    this.token = parts.tokenOf(trunk)
  }

  /** Under which the trunk was claimed. */
  get fence(): number {
    return this.claimed
  }

  /** The highest CSeq that was given. */
  get cseq(): number {
    return this.sent
  }

  /** The trunk was claimed anew, under another fence. */
  adopt(fence: number): void {
    this.claimed = fence
  }

  register(
    settings: RegistrationSettings,
    credentials: Credentials | undefined,
    minExpiresS: number | null,
    former: string | undefined,
  ): Promise<Outcome> {
    return attemptRegister(this.attemptParts(), { settings, credentials, identity: this.identity(former), minExpiresS })
  }

  /** @param contact to take away; absent: our own */
  unregister({ settings, credentials, target }: Binding, contact: string | undefined) {
    const identity = this.identity(contact)
    const attempt = { settings, credentials, identity, minExpiresS: null }
    return attemptUnregister(this.attemptParts(), attempt, target, contact ?? identity.contact)
  }

  /** @param former Contact with our token that is another */
  private identity(former: string | undefined): Identity {
    const { callId, fromTag, token, parts } = this
    const own = { token, addresses: parts.ownAddresses(), former }
    return { callId, fromTag, own, contact: contactOf(token), userAgent: parts.userAgent }
  }

  private attemptParts(): AttemptParts {
    const { targetsOf, send, note, settings, nextCseq } = this.parts
    const { responseTimeoutMs, minExpiresMaxS } = settings
    const next = async (): Promise<number> => (this.sent = await nextCseq(this.trunkId, this.fence, this.sent))
    return { targetsOf, send, note, responseTimeoutMs, minExpiresMaxS, nextCseq: next }
  }
}
