import { readFileSync, statSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import type { Problem } from './config-error.js'
import { entriesOf, type Layer } from './entry.js'

/** Bytes a configuration file may have. */
const LARGEST_FILE = 262_144

/** What a YAML file sets. That it cannot be read or understood is a problem, not an exception. */
export function readConfigFile(file: string): Layer {
  const refuse = (...messages: string[]): Layer => ({
    entries: [],
    problems: messages.map((message): Problem => ({ path: file, message })),
  })
  let text: string
  try {
    const { size } = statSync(file)
    if (size > LARGEST_FILE) return refuse(`is ${size} bytes long, more than ${LARGEST_FILE}`)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return refuse(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  }
  const lines = new LineCounter()
  try {
    // Without "pretty" errors: those quote the file, and it may hold secrets.
    const document = parseDocument(text, {
      schema: 'core',
      prettyErrors: false,
      lineCounter: lines,
      logLevel: 'silent',
    })
    if (document.errors.length > 0)
      return refuse(
        ...document.errors.map(({ code, pos }) => `line ${lines.linePos(pos[0]).line} is not YAML (${code})`),
      )
    return entriesOf(document.toJS({ maxAliasCount: 100 }), file)
  } catch (error) {
    return refuse(`is not YAML (${(error as Error).name})`)
  }
}
