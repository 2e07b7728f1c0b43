import type { Config } from '../config/index.js'
import { AuthenticatedInvites, type EdgeSettings, type SipServer, type TrunkDialParts } from '../edge/index.js'
import type { Clock } from '../engine/index.js'
import type { TrunkParts } from './trunks.js'

export interface DiallingOptions {
  readonly server: SipServer
  readonly clock: Clock
  readonly settings: Pick<EdgeSettings, 'cancelWaitMs' | 'userAgent' | 'sessionTimers' | 'destinations'>
  readonly trunks: Pick<TrunkParts, 'identities' | 'paths' | 'health'>
}

/** What every call to a trunk is dialled with. */
export function createDialling(
  { trunks: { silence_ms, max_redirects } }: Config,
  { server, clock, settings: { destinations, ...settings }, trunks }: DiallingOptions,
): TrunkDialParts {
  return {
    clock,
    inviter: new AuthenticatedInvites(server, trunks.identities),
    paths: trunks.paths,
    health: trunks.health,
    settings: {
      silenceMs: silence_ms,
      maxRedirects: max_redirects,
      cancelWaitMs: settings.cancelWaitMs,
      userAgent: settings.userAgent,
      sessionTimers: settings.sessionTimers,
      destinations,
    },
  }
}
