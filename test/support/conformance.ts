import { readFileSync } from 'node:fs'
import { rows, type RowId } from './conformance-rows.js'

/** A test whose title names a row. */
export interface Proof {
  readonly id: string
  /** Name of its file: `engine/proxy/proxied-request`. */
  readonly file: string
  readonly title: string
}

const QUOTED = /(["'`])((?:\[10\.\d\/\d+\] ?)+)(.*?[^\\])\1/g
const ID = /\[(10\.\d\/\d+)\]/g

/** The rows that the titles in a test file's text name. A title is a string that begins with ids in brackets. */
export function proofsIn(file: string, text: string): Proof[] {
  return [...text.matchAll(QUOTED)].flatMap(([, , ids = '', title = '']) =>
    [...ids.matchAll(ID)].map(([, id = '']) => ({ id, file, title })),
  )
}

/** The same for compiled test files. */
export function proofsOf(files: readonly { readonly name: string; readonly path: string }[]): Proof[] {
  return files.flatMap(({ name, path }) => proofsIn(name, readFileSync(path, 'utf8')))
}

/** Rows that no test names, and names of no row. */
export function gaps(proofs: readonly Proof[]): { missing: string[]; unknown: string[] } {
  const named = new Set(proofs.map(({ id }) => id))
  return {
    missing: Object.keys(rows).filter((id) => !named.has(id)),
    unknown: [...named].filter((id) => !(id in rows)),
  }
}

/** One line a row: whether its tests passed, what it says, which files prove it. */
export function conformanceTable(proofs: readonly Proof[], failedFiles: readonly string[]): string {
  const failed = new Set(failedFiles)
  const lines = Object.entries(rows).map(([id, behaviour]) => {
    const files = [...new Set(proofs.filter((proof) => proof.id === (id as RowId)).map(({ file }) => file))]
    const verdict = files.length === 0 ? 'none' : files.some((file) => failed.has(file)) ? 'FAIL' : 'ok'
    return `${id.padEnd(8)} ${verdict.padEnd(5)} ${behaviour}  (${files.join(', ')})`
  })
  const proven = lines.filter((line) => line.slice(9, 11) === 'ok').length
  return `What drachtio's own suites prove, and the tests here that prove it (${proven} of ${lines.length})\n${lines.join('\n')}`
}
