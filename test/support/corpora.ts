import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of message corpora: SIGNALBOX_CORPORA, else `shared/corpora` next to the repository. Undefined when it is not there. */
export function findCorpora(): string | undefined {
  const folder = process.env.SIGNALBOX_CORPORA ?? join(repositoryRoot(), '..', 'shared', 'corpora')
  return existsSync(folder) ? folder : undefined
}

/** One file of the corpora, or undefined, saying so, when they are not there. */
export function readCorpus(...path: string[]): Buffer | undefined {
  const folder = findCorpora()
  const file = folder === undefined ? undefined : join(folder, ...path)
  if (file !== undefined && existsSync(file)) return readFileSync(file)
  console.log(`skipped: ${path.join('/')} is not there; SIGNALBOX_CORPORA may name the folder it is in`)
  return undefined
}

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
