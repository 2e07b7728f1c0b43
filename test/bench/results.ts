export type SystemName = 'signalbox' | 'kamailio' | 'drachtio' | 'direct'

interface ByParty {
  readonly system: number
  readonly caller: number
  readonly agent: number
}

/** One rate, run once. */
export interface Step {
  /** Calls a second that were asked for, and that the load generator came to. */
  readonly rate: number
  readonly reached_rate: number
  readonly seconds: number
  readonly calls: number
  readonly failed: number
  /** Messages that caller or agent sent again, or got again. */
  readonly repeated: number
  /** No call failed, nothing was repeated, and the rate was reached. */
  readonly clean: boolean
  /** INVITE to 200 as the caller sees it, in milliseconds. */
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  /** Processor time of all processes of the system, in milliseconds. */
  readonly cpu_ms_per_call: number
  readonly cpu_ms_by_program: Readonly<Record<string, number>>
  /** Likewise of both SIPps. */
  readonly load_cpu_ms_per_call: number
  /** Datagrams the kernel dropped before they were read, and the most kB that were seen waiting to be read: where it jams. */
  readonly dropped: ByParty
  readonly unread_kb: ByParty
  /** How late the edge's event loop was at worst, in milliseconds; null where nobody tells. */
  readonly loop_delay_ms: number | null
  /** What SIPp said first was wrong; null: nothing. */
  readonly first_error: string | null
}

/** What held calls cost. */
export interface Held {
  readonly few: number
  readonly many: number
  /** Calls that failed while they were placed. */
  readonly failed: number
  /** Memory of all processes with few and with many held, in kB; what processes share is counted once. */
  readonly memory_few_kb: number
  readonly memory_many_kb: number
  readonly kb_per_call: number
  /** Rate of the new calls, and what one costs with few and with many held. */
  readonly rate: number
  readonly cpu_ms_few: number
  readonly cpu_ms_many: number
}

export interface SystemResult {
  readonly name: SystemName
  readonly version: string
  /** Why it was not measured, or what went wrong on the way; null: nothing. */
  readonly problem: string | null
  readonly steps: Step[]
  /** The last clean rate and the first with a failure or a repeat; null when unknown. */
  readonly knee: { readonly clean: number | null; readonly troubled: number | null }
  readonly held: Held | null
}

export interface Soak {
  readonly rate: number
  readonly seconds: number
  readonly calls: number
  readonly failed: number
  readonly repeated: number
  /** Mean memory of the edge without its Redis in the first and the second half, in kB. */
  readonly first_half_kb: number
  readonly second_half_kb: number
  /** Memory of its Redis, which keeps the records of the calls, at the beginning and the end, in kB. */
  readonly redis_first_kb: number
  readonly redis_last_kb: number
  /** Gauges that are not zero when all is over. */
  readonly left: Readonly<Record<string, number>>
  readonly samples: readonly { readonly at_s: number; readonly edge_kb: number; readonly redis_kb: number }[]
}

export interface Verdict {
  readonly bar: string
  readonly result: 'met' | 'not met' | 'not measured'
  readonly detail: string
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory_gb: number
  readonly kernel: string
  readonly node: string
  readonly sipp: string
  readonly redis: string
}

export interface Results {
  readonly started_at: string
  readonly seconds: number
  readonly machine: Machine
  readonly systems: readonly SystemResult[]
  readonly soak: Soak | null
  readonly verdicts: readonly Verdict[]
}

/** The clean runs of a system, by rate; of several runs of a rate the last. */
export function cleanSteps(system: SystemResult): Map<number, Step> {
  return new Map(system.steps.filter(({ clean }) => clean).map((step) => [step.rate, step]))
}

/** The rate at half of a knee. */
export const halfOf = (knee: number): number => Math.max(1, Math.round(knee / 2))
