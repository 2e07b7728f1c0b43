import { parseArgs } from 'node:util'

export interface FuzzOptions {
  readonly forMs: number
  readonly seed: number
  readonly json: boolean
  readonly only: readonly string[]
}

export const HELP = `npm run fuzz -- [options]

Tries to break Signalbox: mutated messages through everything that reads one, streams cut anywhere, random orders of requests,
responses and commands on a clock moved by hand, and floods at a running engine and edge on loopback. Seeds are read from
test/fuzz/seeds; what goes wrong is made smaller, kept under test/fuzz/crashers and played first in every later run.

  --minutes <n>   how long, all parts together (default 1)
  --seed <n>      the same seed does the same (default: one of its own, which is told)
  --only <parts>  some of the parts, with commas: PARTS
  --json          the result as JSON on standard output; progress goes to standard error
  --help          this text

Example: ten minutes, the same as yesterday
  npm run fuzz -- --minutes 10 --seed 20260101
`

/** What the command line asks for; a text when it asks for help, or is wrong (then it begins with what is wrong). */
export function readOptions(args: readonly string[], parts: readonly string[]): FuzzOptions | string {
  const help = HELP.replace('PARTS', parts.join(', '))
  let values: { minutes?: string; seed?: string; only?: string; json?: boolean; help?: boolean }
  try {
    values = parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    return `${(error as Error).message}\n\n${help}`
  }
  if (values.help) return help
  const minutes = Number(values.minutes ?? 1)
  if (!(minutes > 0 && minutes <= 10_000)) return `--minutes ${values.minutes}: a number above 0\n\n${help}`
  const seed = Number(values.seed ?? 1 + Math.floor(Math.random() * 999_999_999))
  if (!(Number.isInteger(seed) && seed > 0 && seed < 2 ** 31))
    return `--seed ${values.seed}: a whole number from 1 to 2147483647\n\n${help}`
  const only = (values.only ?? parts.join(',')).split(',').map((name) => name.trim())
  const unknown = only.find((name) => !parts.includes(name))
  if (unknown !== undefined) return `--only ${unknown}: none of ${parts.join(', ')}\n\n${help}`
  return { forMs: minutes * 60_000, seed, json: values.json ?? false, only }
}
