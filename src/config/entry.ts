import type { Problem } from './config-error.js'
import { keysAt, kindAt } from './schema.js'

/** The value of one key, and where it was given. */
export interface Entry {
  readonly path: readonly string[]
  readonly value: unknown
  readonly source: string
}

/** What one source gives: the keys that exist, and what is wrong with the rest. */
export interface Layer {
  readonly entries: readonly Entry[]
  readonly problems: readonly Problem[]
}

/** The values in a tree of sections as a file holds it. A section without content is as good as none. */
export function entriesOf(tree: unknown, source: string, path: readonly string[] = []): Layer {
  if (tree === null || tree === undefined) return { entries: [], problems: [] }
  if (typeof tree !== 'object' || Array.isArray(tree))
    return {
      entries: [],
      problems: [{ path: path.join('.') || source, source, message: 'must be a section with keys' }],
    }
  const layers = Object.entries(tree).map(([key, value]): Layer => {
    const inner = [...path, key]
    const kind = kindAt(inner)
    if (kind === undefined) return { entries: [], problems: [unknownKey(inner, source)] }
    if (kind === 'section') return entriesOf(value, source, inner)
    return { entries: [{ path: inner, value, source }], problems: [] }
  })
  return { entries: layers.flatMap((layer) => layer.entries), problems: layers.flatMap((layer) => layer.problems) }
}

/** The problem that there is no such key, with the one that was probably meant. */
export function unknownKey(path: readonly string[], source: string): Problem {
  const section = path.slice(0, -1)
  const key = path.at(-1) ?? ''
  const near = keysAt(section).find((candidate) => isNear(key, candidate))
  const hint = near === undefined ? '' : `; did you mean ${[...section, near].join('.')}?`
  return { path: path.join('.').slice(0, 200), source, message: `unknown key${hint}` }
}

/** Whether two keys are the same but for upper case, underscores, a unit left out, or one slip of the finger. */
function isNear(typed: string, key: string): boolean {
  const [a, b] = [typed, key].map((text) => text.slice(0, 64).toLowerCase().replaceAll('_', ''))
  if (a === undefined || b === undefined) return false
  if (key.startsWith(`${typed.toLowerCase()}_`)) return true
  if (Math.abs(a.length - b.length) > 1) return false
  let start = 0
  while (start < a.length && a[start] === b[start]) start += 1
  let end = 0
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1
  // What is left between the common ends: at most one character on either side, or two that changed places.
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)]
  return (left.length <= 1 && right.length <= 1) || (left.length === 2 && left === [...right].reverse().join(''))
}
