import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'

/** One compiled test file and how it is run. */
export interface TestFile {
  /** As people name it: `engine/message/via`. */
  readonly name: string
  readonly path: string
  /** Has the machine to itself: what it measures is time. */
  readonly alone: boolean
  readonly limitS: number
}

export const DEFAULT_LIMIT_S = 120

/** Seconds a test file may take: its own `// time limit: 240 s` among its first lines, else the default. */
export function timeLimitS(source: string): number {
  const match = /^\/\/ time limit: (\d{1,4}) s$/m.exec(source.slice(0, 2_000))
  return match?.[1] === undefined ? DEFAULT_LIMIT_S : Number(match[1])
}

/** Whether a test file asks for the machine to itself: a line `// alone` among its first ones. */
export function isAlone(source: string): boolean {
  return /^\/\/ alone$/m.test(source.slice(0, 2_000))
}

/**
 * Every test file below `compiled`, in order of name, that one of `filters` is part of the name of; no filter: all.
 * @param sources the folder the compiled one mirrors; the time limits are read there, since compiling may drop comments
 */
export function findTestFiles(compiled: string, sources: string, filters: readonly string[] = []): TestFile[] {
  return readdirSync(compiled, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .map((path) => ({ path, name: path.slice(0, -'.test.js'.length).split(sep).join('/') }))
    .filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(bareName(filter))))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ path, name }) => {
      const source = readFileSync(join(sources, path.replace(/\.js$/, '.ts')), 'utf8')
      return { name, path: join(compiled, path), alone: isAlone(source), limitS: timeLimitS(source) }
    })
}

/** A filter as a part of a name: `test/engine/via.test.ts` and `engine/via` mean the same. */
function bareName(filter: string): string {
  return filter.replace(/^(\.\/)?(dist\/)?test\//, '').replace(/\.test\.[jt]s$/, '')
}
