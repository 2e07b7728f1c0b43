import { stripVTControlCharacters } from 'node:util'

/** How a test file's process ended. */
export interface Ending {
  readonly output: string
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  /** Why the runner had to stop it, when it did. */
  readonly stopped?: string
}

export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Why the file counts as failed beyond the tests that failed in it. */
  readonly problem?: string
}

const TOTALS = /^ *Total: +(\d+)\n *Passed: +(\d+)\n *Skipped: +(\d+)\n *Duration: .*$/gm

/** Whether uvu has printed its totals: all suites have run. */
export function hasTotals(output: string): boolean {
  return stripVTControlCharacters(output).match(TOTALS) !== null
}

/**
 * What a file's run comes to, by uvu's totals and how the process ended. No totals, no tests, a non-zero exit without a failed
 * test, or having been stopped count as one failure each file.
 */
export function judge(ending: Ending): Outcome {
  const totals = [...stripVTControlCharacters(ending.output).matchAll(TOTALS)].at(-1)
  const [total, passed, skipped] = (totals ?? []).slice(1).map(Number)
  if (total === undefined || passed === undefined || skipped === undefined)
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      problem: ending.stopped ?? `ended without uvu's totals (${endOf(ending)})`,
    }
  const failed = total - passed
  const problem =
    ending.stopped ??
    (total + skipped === 0
      ? 'has no tests: is .run() called?'
      : ending.exitCode !== 0 && failed === 0
        ? `all tests passed, then the process failed (${endOf(ending)})`
        : undefined)
  if (problem === undefined) return { passed, failed, skipped }
  return { passed, failed: Math.max(1, failed), skipped, problem }
}

const endOf = ({ exitCode }: Ending): string => (exitCode === null ? 'killed by a signal' : `exit code ${exitCode}`)

/** The last line of a run, which others read: `12 passed, 0 failed`, with the skipped ones when there are any. */
export function summary({ passed, failed, skipped }: Omit<Outcome, 'problem'>): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
