import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findCorpora, readCorpus } from '../support/corpora.js'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const here = join(root, 'test', 'fuzz')

/** A file of seeds or crashers. */
export interface Kept {
  /** Its path in the repository. */
  readonly file: string
  readonly bytes: Buffer
}

function keptIn(folder: string): Kept[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ file: relative(root, join(folder, name)), bytes: readFileSync(join(folder, name)) }))
}

/** The seeds of a reader; for whole messages those of the corpora too, where there are any. */
export function seedsOf(reader: string): Kept[] {
  const own = keptIn(join(here, 'seeds', reader))
  return reader === 'sip' ? [...own, ...corpusMessages()] : own
}

/** What once went wrong, oldest name first. */
export const crashersOf = (part: string): Kept[] => keptIn(join(here, 'crashers', part))

/** Keeps what went wrong; gives the file's path in the repository. */
export function keepCrasher(part: string, bytes: Buffer): string {
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  const folder = join(here, 'crashers', part)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), bytes)
  return relative(root, join(folder, name))
}

let corpus: Kept[] | undefined

/** The torture messages of RFC 4475 and RFC 5118. */
export function corpusMessages(): Kept[] {
  return (corpus ??= readCorpora())
}

function readCorpora(): Kept[] {
  const folder = findCorpora(console.error)
  if (folder === undefined) return []
  return [['rfc4475'], ['rfc5118', 'wire']].flatMap((part) => {
    const place = join(folder, ...part)
    if (!existsSync(place)) return []
    return readdirSync(place)
      .filter((name) => name.endsWith('.dat'))
      .map((name) => ({ file: join(...part, name), bytes: readCorpus(folder, ...part, name) }))
  })
}
