import type { Config } from '../config/index.js'
import { Originator, type OriginatorParts, TrunkDial } from '../edge/index.js'
import { createDialling, type DiallingOptions } from './dialling.js'
import type { TrunkParts } from './trunks.js'

export interface OriginatorOptions extends Omit<OriginatorParts, 'limits' | 'maxCallSeconds' | 'dialTrunk'> {
  readonly trunks: DiallingOptions['trunks'] & Pick<TrunkParts, 'limits'>
}

/** What places calls that are asked for over the API. */
export function createOriginator(config: Config, options: OriginatorOptions): Originator {
  const { trunks, ...parts } = options
  const { ring_timeout_s } = config.trunks
  const dialling = createDialling(config, options)
  return new Originator({
    ...parts,
    limits: trunks.limits,
    maxCallSeconds: config.limits.max_call_seconds,
    dialTrunk: ({ plan, offer, headers, privacy, ringTimeoutMs = ring_timeout_s * 1_000, run }, events) =>
      new TrunkDial(
        dialling,
        // Whatever the destination provisionally answers reliably is acknowledged at once: the agent has its offer out.
        { plan, message: offer, headers, privacy, reliable: true, ringTimeoutMs, run },
        events,
      ),
  })
}
