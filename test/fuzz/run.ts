/** `npm run fuzz`: one part after the other, each for its share of the time; exits 1 when anything was found. */
import { Dice } from '../support/mutations.js'
import { core } from './core.js'
import { edge } from './edge.js'
import { framing } from './framing.js'
import { live } from './live.js'
import { messages } from './messages.js'
import { readOptions } from './options.js'
import type { Defect, Part, Result } from './part.js'
import { Progress } from './progress.js'

const PARTS: readonly Part[] = [messages, framing, core, edge, live]

let interrupted = false

async function runPart(part: Part, dice: Dice, forMs: number, progress: Progress): Promise<Result> {
  const startMs = performance.now()
  const over = (): boolean => interrupted || performance.now() - startMs > forMs
  progress.begin(part, forMs)
  try {
    return await part.run({ dice, forMs, over, progress: (count) => progress.show(count) })
  } finally {
    progress.end()
  }
}

function tell(part: Part, { count, facts, defects }: Result): void {
  const more = Object.entries(facts).map(
    ([name, value]) => `${name.replaceAll('_', ' ')} ${value.toLocaleString('en')}`,
  )
  const verdict = defects.length === 0 ? 'clean' : `${defects.length} broken`
  console.log(`${part.name}: ${count.toLocaleString('en')} ${part.unit}, ${verdict} (${more.join(', ')})`)
  for (const { what, why, file } of defects) console.log(`  ${what}: ${why}${file ? `\n    kept as ${file}` : ''}`)
}

async function main(): Promise<number> {
  const options = readOptions(
    process.argv.slice(2),
    PARTS.map(({ name }) => name),
  )
  if (typeof options === 'string') {
    const asked = options.startsWith('npm run fuzz')
    ;(asked ? console.log : console.error)(options)
    return asked ? 0 : 2
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true))
  const { seed, json, only, forMs } = options
  if (!json) console.log(`seed ${seed}`)
  const parts = PARTS.filter(({ name }) => only.includes(name))
  const shares = parts.reduce((sum, { share }) => sum + share, 0)
  const progress = new Progress()
  const results: Record<string, Result> = {}
  const defects: Defect[] = []
  for (const part of parts) {
    const result = await runPart(part, new Dice(seed), (forMs * part.share) / shares, progress)
    results[part.name] = result
    defects.push(...result.defects)
    if (!json) tell(part, result)
  }
  if (json) console.log(JSON.stringify({ seed, clean: defects.length === 0, interrupted, parts: results }, null, 2))
  else console.log(defects.length === 0 ? 'clean' : `${defects.length} broken`)
  if (interrupted) return 130
  return defects.length === 0 ? 0 : 1
}

process.exit(await main())
