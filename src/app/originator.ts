import type { Config } from '../config/index.js'
import { AuthenticatedInvites, Originator, type OriginatorParts, TrunkDial } from '../edge/index.js'
import type { TrunkParts } from './trunks.js'

export interface OriginatorOptions extends Omit<OriginatorParts, 'limits' | 'dialTrunk'> {
  readonly trunks: Pick<TrunkParts, 'limits' | 'identities' | 'paths' | 'health'>
}

/** What places calls that are asked for over the API. */
export function createOriginator(config: Config, { trunks, ...parts }: OriginatorOptions): Originator {
  const { server, clock, settings } = parts
  const { silence_ms, max_redirects, ring_timeout_s } = config.trunks
  const { cancelWaitMs, userAgent } = settings
  const dialling = {
    clock,
    inviter: new AuthenticatedInvites(server, trunks.identities),
    paths: trunks.paths,
    health: trunks.health,
    settings: { silenceMs: silence_ms, maxRedirects: max_redirects, cancelWaitMs, userAgent },
  }
  return new Originator({
    ...parts,
    limits: trunks.limits,
    dialTrunk: ({ plan, offer, headers, privacy, ringTimeoutMs = ring_timeout_s * 1_000, run }, events) =>
      new TrunkDial(
        dialling,
        // Whatever the destination provisionally answers reliably is acknowledged at once: the agent has its offer out.
        { plan, message: offer, headers, privacy, reliable: true, ringTimeoutMs, run },
        events,
      ),
  })
}
