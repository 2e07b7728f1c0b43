import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import { CallError } from '../model/verdict.js'
import { mediaType } from './admission.js'
import { type Encryption, encryptionOf } from './sdp-encryption.js'
import type { SipMessage } from './sip-server.js'

/** A trunk or agent, as far as it says what its media may be. */
export type MediaParty = Pick<Trunk | Agent, 'id' | 'media_encryption'>

/**
 * Holds the offers and answers of a call to the `media_encryption` of both its legs: what passes from one to the other untouched has
 * to please both.
 */
export class MediaGuard {
  private constructor(
    private readonly agent: MediaParty,
    private readonly trunk: MediaParty | undefined,
  ) {}

  /** Undefined when both take anything: then nothing is looked at. */
  static of(agent: MediaParty, trunk: MediaParty | undefined): MediaGuard | undefined {
    return isStrict(agent) || isStrict(trunk) ? new MediaGuard(agent, trunk) : undefined
  }

  /** What is wrong with the offer or answer that a message may carry; undefined: nothing. */
  fault(message: SipMessage): CallError | undefined {
    return message.body === '' || !maySayMedia(message) ? undefined : this.faultIn(message.body)
  }

  /** @throws {CallError} MEDIA_NOT_ENCRYPTED, MEDIA_ENCRYPTED */
  check(message: SipMessage): void {
    const fault = this.fault(message)
    if (fault !== undefined) throw fault
  }

  /** `check` of a session description without its message. */
  checkSdp(sdp: string): void {
    const fault = sdp === '' ? undefined : this.faultIn(sdp)
    if (fault !== undefined) throw fault
  }

  private faultIn(sdp: string): CallError | undefined {
    const found = encryptionOf(sdp)
    return faultOf('agent', this.agent, found) ?? faultOf('trunk', this.trunk, found)
  }
}

const isStrict = (party: MediaParty | undefined): boolean =>
  party?.media_encryption === 'required' || party?.media_encryption === 'disabled'

function faultOf(kind: string, party: MediaParty | undefined, found: Encryption | undefined): CallError | undefined {
  if (party === undefined || !isStrict(party)) return undefined
  const { id, media_encryption } = party
  const required = media_encryption === 'required'
  const code = required ? 'MEDIA_NOT_ENCRYPTED' : 'MEDIA_ENCRYPTED'
  const rule = `media_encryption of ${kind} ${id} is ${media_encryption}`
  if (found === undefined) return new CallError(code, `${rule}, and a session description cannot be read`)
  const wrong = required ? found.clear : found.encrypted
  return wrong === undefined ? undefined : new CallError(code, `${rule}, and a session description has ${wrong}`)
}

/** It has a session description, or a body that may hold one: far ends go by the type, and read what has none. */
function maySayMedia(message: SipMessage): boolean {
  const type = mediaType(message.header('content-type') ?? '')
  return type === '' || type === 'application/sdp' || type.startsWith('multipart/')
}
