import { figure } from './figures.js'
import { machineLine } from './machine.js'
import { cleanSteps, halfOf, type Results, type Step, type SystemResult } from './results.js'
import { addedAtHalfKnee } from './verdicts.js'

/** A table as Markdown and terminals show it, columns aligned. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length), 3))
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** The clean run nearest to half the knee. */
function halfStep(system: SystemResult): Step | undefined {
  const { clean } = system.knee
  if (clean === null) return undefined
  const away = ({ rate }: Step): number => Math.abs(rate - halfOf(clean))
  return [...cleanSteps(system).values()].sort((a, b) => away(a) - away(b) || b.rate - a.rate)[0]
}

function kneeText({ knee, steps }: SystemResult): string {
  if (steps.length === 0) return '-'
  if (knee.troubled === null) return knee.clean === null ? '-' : `over ${knee.clean}`
  return `${knee.clean ?? 0} clean, trouble at ${knee.troubled}`
}

/** One row a system. */
export function systemsTable(systems: readonly SystemResult[]): string {
  const direct = systems.find(({ name }) => name === 'direct')
  const rows = systems
    .filter((system) => system !== direct)
    .map((system) => {
      const half = halfStep(system)
      const added = addedAtHalfKnee(system, direct)
      const { held } = system
      return [
        system.name,
        kneeText(system),
        half === undefined ? '-' : `${figure(half.cpu_ms_per_call)} at ${half.rate}/s`,
        half === undefined ? '-' : `${figure(half.p50_ms)} / ${figure(half.p99_ms)}`,
        figure(added?.addedMs),
        held === null ? '-' : `${figure(held.kb_per_call)} (${held.many})`,
        held === null ? '-' : `${figure(held.cpu_ms_few)} / ${figure(held.cpu_ms_many)}`,
      ]
    })
  return markdownTable(
    [
      'system',
      'knee, calls/s',
      'CPU ms a call, half the knee',
      'p50 / p99 ms there',
      'added p99 ms',
      'kB a held call',
      'CPU ms a new call, few / many held',
    ],
    rows,
  )
}

/** One row a rate: processor time and p99 of each system, with what went wrong in place of the figures. */
export function ratesTable(systems: readonly SystemResult[]): string {
  const rates = [...new Set(systems.flatMap(({ steps }) => steps.map(({ rate }) => rate)))].sort((a, b) => a - b)
  const cell = (system: SystemResult, rate: number): string => {
    const step = cleanSteps(system).get(rate) ?? system.steps.findLast((run) => run.rate === rate)
    if (step === undefined) return ''
    if (!step.clean) return `${step.failed} failed, ${step.repeated} repeated`
    const times = `${figure(step.p50_ms)} / ${figure(step.p99_ms)}`
    return system.name === 'direct' ? times : `${figure(step.cpu_ms_per_call)} CPU, ${times}`
  }
  return markdownTable(
    ['calls/s', ...systems.map(({ name }) => name)],
    rates.map((rate) => [String(rate), ...systems.map((system) => cell(system, rate))]),
  )
}

const MARKS = { met: '✓', 'not met': '✗', 'not measured': '-' } as const

/** All there is to tell, for people. */
export function report(results: Results): string {
  const { systems, verdicts, machine } = results
  const measured = systems.filter(({ steps }) => steps.length > 0)
  return [
    machineLine(machine),
    ...systems.map(({ name, version, problem }) => `${name}: ${problem === null ? version : `${version}: ${problem}`}`),
    ...(measured.length === 0
      ? []
      : ['', systemsTable(measured), '', 'CPU ms a call, p50 / p99 ms of INVITE to 200:', ratesTable(measured)]),
    '',
    ...verdicts.map(({ bar, result, detail }) => `${MARKS[result]} ${result}: ${bar}: ${detail}`),
  ].join('\n')
}
