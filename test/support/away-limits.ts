import type { Clock } from '../../src/engine/clock.js'
import { CallLimits } from '../../src/store/limits.js'
import { StoreError } from '../../src/store/errors.js'

/** Limits of an edge alone: its Redis is away for good. */
export const awayLimits = (clock: Clock): CallLimits =>
  new CallLimits({
    clock,
    connection: {
      up: false,
      onChange: () => () => {},
      ask: () => Promise.reject(new StoreError('UNAVAILABLE', 'Redis is away')),
    },
  })
