import type { Clock } from '../../engine/index.js'
import type { RegistrationState } from '../../model/registration.js'
import type { Trunk } from '../../model/trunk.js'
import type { Credentials } from '../digest/exchange.js'
import type { AttemptParts, AttemptResult } from './attempt.js'
import type { PauseSettings } from './pauses.js'
import type { TrunkRegistration } from './trunk-registration.js'
import type { Turns } from './turns.js'

/** What the registration of a trunk works with; all trunks share it. */
export interface DriverParts {
  readonly clock: Clock
  /** 0 (included) to 1 (not included). */
  readonly random: () => number
  readonly turns: Turns
  readonly targetsOf: AttemptParts['targetsOf']
  readonly send: AttemptParts['send']
  readonly note: AttemptParts['note']
  /** Rejects with NotOurs or NotNow when nothing may be sent. */
  readonly nextCseq: (trunkId: string, fence: number, sent: number) => Promise<number>
  readonly credentialsOf: (trunk: Trunk) => Promise<Credentials | undefined>
  /** What was shown was refused: the password may be another one by now. */
  readonly forgetCredentials: (trunkId: string) => void
  readonly tokenOf: (trunk: Trunk) => string
  /** `host:port` of every address we register from. */
  readonly ownAddresses: () => ReadonlySet<string>
  readonly edgeId: string
  readonly userAgent: string | null
  readonly settings: PauseSettings & { readonly responseTimeoutMs: number; readonly minExpiresMaxS: number }
  /** Something of it has changed and is to be kept; `before` is the state it was in. */
  readonly changed: (driver: TrunkRegistration, before: RegistrationState) => void
  readonly attempted: (result: AttemptResult) => void
  /** Another edge owns the trunk now. */
  readonly lost: (driver: TrunkRegistration) => void
}
