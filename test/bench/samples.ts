import type { Held, Soak, Step, SystemName, SystemResult } from './results.js'

/** A clean run; what matters to a test is given. */
export function stepOf(rate: number, more: Partial<Step> = {}): Step {
  return {
    ...{ rate, reached_rate: rate, seconds: 12, calls: rate * 12, failed: 0, repeated: 0, clean: true },
    ...{
      p50_ms: 1,
      p99_ms: 3,
      max_ms: 5,
      cpu_ms_per_call: 1,
      load_cpu_ms_per_call: 0.3,
      loop_delay_ms: null,
      first_error: null,
    },
    cpu_ms_by_program: { node: 0.9, 'redis-server': 0.1 },
    dropped: { system: 0, caller: 0, agent: 0 },
    unread_kb: { system: 0, caller: 0, agent: 0 },
    ...more,
  }
}

export const heldOf = (more: Partial<Held> = {}): Held => ({
  ...{ few: 60, many: 6_000, failed: 0, memory_few_kb: 100_000, memory_many_kb: 200_000, kb_per_call: 16.8 },
  ...{ rate: 100, cpu_ms_few: 1.5, cpu_ms_many: 1.5 },
  ...more,
})

export const systemOf = (name: SystemName, steps: Step[], more: Partial<SystemResult> = {}): SystemResult => ({
  ...{ name, version: `${name} 1.0`, problem: null, steps },
  ...{ knee: { clean: 600, troubled: 700 }, held: null },
  ...more,
})

export const soakOf = (more: Partial<Soak> = {}): Soak => ({
  ...{ rate: 300, seconds: 600, calls: 180_000, failed: 0, repeated: 0 },
  ...{ first_half_kb: 100_000, second_half_kb: 101_000, redis_first_kb: 10_000, redis_last_kb: 90_000 },
  ...{ left: {}, samples: [] },
  ...more,
})
