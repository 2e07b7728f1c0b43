import { Command, InvalidArgumentError, Option } from 'commander'
import type { Plan } from './measure.js'
import type { SystemName } from './results.js'

export interface BenchOptions {
  readonly systems: readonly SystemName[]
  readonly plan: Plan
  /** Whether the rates were given: no others are run then. */
  readonly ratesGiven: boolean
  readonly json: boolean
  readonly out: string
  readonly soak: { readonly minutes: number; readonly rate: number | undefined } | undefined
  /** In place of all that: calls beside a flood of unknown sources, of this many seconds. */
  readonly flood?: number | undefined
}

export const systemNames: readonly SystemName[] = ['signalbox', 'kamailio', 'drachtio', 'direct']

const FASTEST = 5_000
const rising = (from: number, to: number, step: number): number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, i) => from + i * step)

/** Eight to ten minutes a system. */
export const fullPlan: Plan = {
  rates: [50, ...rising(100, 1_500, 100)],
  ...{ resolution: 25, tries: 2, stepS: 12, halfS: 20, callMs: 1_000 },
  warmUp: [
    { rate: 50, seconds: 4 },
    // So many calls that what is measured is how a system runs for days, not how its compiler gets there.
    { rate: 200, seconds: 25 },
  ],
  ...{ held: 6_000, few: 60, heldRate: 100, heldS: 15, settleMs: 35_000 },
}

/** About half a minute a system; its figures are a first impression. */
export const quickPlan: Plan = {
  rates: [50, 100, 200, 400, 600, 800],
  ...{ resolution: 100, tries: 1, stepS: 3, halfS: 3, callMs: 500 },
  warmUp: [{ rate: 100, seconds: 4 }],
  ...{ held: 300, few: 30, heldRate: 100, heldS: 3, settleMs: 2_000 },
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`)
  }
}

function rateList(text: string): number[] {
  return [...new Set(text.split(',').map(whole(1, FASTEST)))].sort((a, b) => a - b)
}

function systemList(text: string): SystemName[] {
  const names = text.split(',')
  const unknown = names.find((name) => !systemNames.includes(name as SystemName))
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is not one of ${systemNames.join(', ')}.`)
  return systemNames.filter((name) => names.includes(name))
}

interface Given {
  readonly quick?: boolean
  readonly systems: SystemName[]
  readonly rates?: number[]
  readonly stepSeconds?: number
  readonly held?: number
  readonly out: string
  readonly json?: boolean
  readonly soak?: boolean
  readonly flood?: boolean
  readonly minutes: number
  readonly rate?: number
}

/** Reads the command line. Help and errors are printed and end the process, unless `exitOverride` says otherwise. */
export function parseOptions(args: readonly string[], defaultOut: string, exitOverride = false): BenchOptions {
  const command = new Command('npm run bench --')
    .description(
      'Measures this edge, Kamailio and a drachtio-server side by side: the call rate they take, CPU, delay, memory of held calls',
    )
    .option('--quick', 'two minutes in place of half an hour; its figures are a first impression')
    .option(
      '--systems <names>',
      `which of ${systemNames.join(', ')}; direct is SIPp without anything between`,
      systemList,
      [...systemNames],
    )
    .option('--rates <list>', 'run these call rates only, such as 50,100,200', rateList)
    .option('--step-seconds <seconds>', 'how long each rate is run', whole(1, 600))
    .option('--held <calls>', 'calls held to see what they cost; 0: leave that out', whole(0, 9_000))
    .option('--out <folder>', 'where bench.json and p99.svg are written', defaultOut)
    .option('--json', 'print bench.json instead of tables')
    .option('--soak', 'in place of all that, load this edge steadily and watch its memory')
    .option(
      '--flood',
      'in place of all that, 50 calls a second beside 5,000 INVITEs a second of unknown sources; --step-seconds: 60',
    )
    .option('--minutes <minutes>', 'how long to soak', whole(1, 1_440), 10)
    .addOption(
      new Option('--rate <rate>', 'calls a second to soak with (default: half the knee of the last run)').argParser(
        whole(1, FASTEST),
      ),
    )
    .allowExcessArguments(false)
    .addHelpText(
      'after',
      `
Kamailio is measured when it is installed with its module ndb_redis, a drachtio-server when DRACHTIO_BIN names its program.

Examples:
  npm run bench
  npm run bench -- --quick --systems signalbox,direct
  DRACHTIO_BIN=/usr/local/bin/drachtio npm run bench -- --rates 100,200,400 --held 0
  npm run bench -- --soak --minutes 10 --rate 300`,
    )
  if (exitOverride) command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} })
  const given = command.parse(args, { from: 'user' }).opts<Given>()
  const base = given.quick === true ? quickPlan : fullPlan
  return {
    systems: given.systems,
    plan: {
      ...base,
      ...(given.rates && { rates: given.rates, resolution: 0, halfS: 0 }),
      stepS: given.stepSeconds ?? base.stepS,
      held: given.held ?? base.held,
    },
    ratesGiven: given.rates !== undefined,
    json: given.json === true,
    out: given.out,
    ...(given.flood === true ? { flood: given.stepSeconds ?? 60 } : {}),
    soak: given.soak === true ? { minutes: given.minutes, rate: given.rate } : undefined,
  }
}
