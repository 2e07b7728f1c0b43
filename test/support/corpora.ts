import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of message corpora: SIGNALBOX_CORPORA, else `shared/corpora` next to the repository. Undefined, saying so, when it is not there. */
export function findCorpora(say: (text: string) => void = console.log): string | undefined {
  const folder = process.env.SIGNALBOX_CORPORA ?? join(repositoryRoot(), '..', 'shared', 'corpora')
  if (existsSync(folder)) return folder
  say('no corpora here, so what needs them is skipped; SIGNALBOX_CORPORA may name their folder')
  return undefined
}

/** One file of the corpora in `folder`. */
export function readCorpus(folder: string, ...path: string[]): Buffer {
  return readFileSync(join(folder, ...path))
}

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
