import { wait } from '../support/eventually.js'
import { crashersOf, keepCrasher, type Kept, seedsOf } from './corpus.js'
import { mutant } from './mutate.js'
import { breathe, type Defect, MOST_DEFECTS, type Part, type Result, type Run, whyOf } from './part.js'
import type { Reader } from './reader.js'
import { readers } from './readers/index.js'
import { shrink } from './shrink.js'

/** No message may take longer to read, checks of what came of it included. */
export const SLOWEST_MS = 50
/** One that seems slow is read again: the machine may have been busy, or collecting garbage. */
const SUSPECT_MS = 10
const TRIES = 6
/** And as often a little later. */
const AGAIN = 8
/** Whole messages come first: they go through nearly all the others. */
const WEIGHTS: Readonly<Record<string, number>> = { sip: 6 }

/** How one message went. */
interface Reading {
  readonly good: boolean
  readonly ms: number
}

/** Reads it; of several readings that seem slow the time of the quickest counts. @throws as the reader does */
export async function readTimed(reader: Reader, bytes: Buffer): Promise<Reading> {
  let good = false
  let ms = Infinity
  for (let tries = TRIES; tries > 0 && ms > SUSPECT_MS; tries--) {
    const startMs = performance.now()
    const read = reader.read(bytes)
    good = typeof read === 'boolean' ? read : await read
    ms = Math.min(ms, performance.now() - startMs)
  }
  return { good, ms }
}

/** What is wrong with how a reader takes the bytes; undefined when nothing is. */
export async function faultOf(reader: Reader, bytes: Buffer): Promise<string | undefined> {
  try {
    let { ms } = await readTimed(reader, bytes)
    for (let again = AGAIN; again > 0 && ms > SLOWEST_MS; again--) {
      await wait(20)
      ms = Math.min(ms, (await readTimed(reader, bytes)).ms)
    }
    return ms > SLOWEST_MS ? `it took ${ms.toFixed(0)} ms` : undefined
  } catch (error) {
    return whyOf(error)
  }
}

/** Seeds and all that was kept because it went wrong, read again: what still does. */
export async function replayKept(reader: Reader): Promise<{ count: number; defects: Defect[] }> {
  const kept: Kept[] = [...seedsOf(reader.name), ...crashersOf(reader.name)]
  const defects: Defect[] = []
  for (const { file, bytes } of kept) {
    const why = await faultOf(reader, bytes)
    if (why !== undefined) defects.push({ what: `${reader.name} ${file}`, why })
  }
  return { count: kept.length, defects }
}

/** Mutated messages through everything that reads them: none throws, is slow, or comes out as another. */
export const messages: Part = {
  name: 'messages',
  unit: 'messages',
  share: 0.45,
  async run({ dice, over, progress }: Run): Promise<Result> {
    const defects: Defect[] = []
    let count = 0
    let accepted = 0
    let slowestMs = 0
    for (const reader of readers) {
      const replayed = await replayKept(reader)
      count += replayed.count
      defects.push(...replayed.defects)
    }
    const seeds = new Map(readers.map((reader) => [reader, seedsOf(reader.name).map(({ bytes }) => bytes)]))
    const turns = readers.flatMap((reader) => Array<Reader>(WEIGHTS[reader.name] ?? 1).fill(reader))
    const seen = new Set<string>()
    while (!over() && defects.length < MOST_DEFECTS) {
      for (let i = 0; i < 100; i++) {
        const reader = dice.pick(turns)
        const own = seeds.get(reader) ?? []
        const bytes = mutant(dice.pick(own), dice.pick(own), dice)
        count++
        try {
          const { good, ms } = await readTimed(reader, bytes)
          if (good) accepted++
          if (ms <= SLOWEST_MS) {
            slowestMs = Math.max(slowestMs, ms)
            continue
          }
        } catch {
          // Found again, and why, while it is made smaller.
        }
        const defect = await reduce(reader, bytes, seen)
        if (defect !== undefined) defects.push(defect)
      }
      progress(count)
      await breathe()
    }
    return { count, facts: { accepted, slowest_ms: Number(slowestMs.toFixed(1)) }, defects }
  },
}

/** The least of it that fails in the same way, kept; undefined when it no longer fails, or one like it is kept already. */
async function reduce(reader: Reader, bytes: Buffer, seen: Set<string>): Promise<Defect | undefined> {
  const why = await faultOf(reader, bytes)
  if (why === undefined) return undefined
  const kind = `${reader.name} ${kindOf(why)}`
  if (seen.has(kind)) return undefined
  seen.add(kind)
  const least = await shrink(bytes, async (shorter) => kindOf((await faultOf(reader, shorter)) ?? '') === kindOf(why))
  return { what: reader.name, why: (await faultOf(reader, least)) ?? why, file: keepCrasher(reader.name, least) }
}

/** The rule that was broken, without what broke it. */
const kindOf = (why: string): string => why.replace(/[:"0-9].*/s, '')
