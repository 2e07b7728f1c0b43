import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  environmentProblems,
  importProblems,
  importsOf,
  sizeProblems,
  suiteProblems,
  topLevelProblems,
  type SourceFile,
} from './support/house-rules.js'

/** Tests run in the project's folder. */
const root = process.cwd()

function sources(folder: 'src' | 'test'): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path).split(sep).join('/'))
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** What is committed at the top; without git, what lies there. */
function topLevelNames(): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '-z'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return [...new Set(listed.split('\0').map((path) => path.split('/')[0] ?? ''))].filter((name) => name !== '')
  } catch {
    return readdirSync(root)
  }
}

const none = (problems: string[]): void => assert.is(problems.join('\n'), '')

const House = suite('House')

House('imports run one way, and the engine has one door', () => none(sources('src').flatMap(importProblems)))
House('only src/config reads the environment', () => none(sources('src').flatMap(environmentProblems)))
House('every uvu suite runs, and runs whole', () => none(sources('test').flatMap(suiteProblems)))
House('no file of src has more than 400 lines', () => none(sources('src').flatMap(sizeProblems)))
House('the top level holds what the design names', () => none(topLevelProblems(topLevelNames())))

House.run()

const Checker = suite('Checker of the house rules')

const importing = (path: string, ...lines: string[]): string[] => importProblems({ path, text: lines.join('\n') })

Checker('sees every way to import, and which ones leave nothing at run time', () => {
  const text = `import a, { b } from 'a'
    import type { C } from './c.js'
    import { type D, type E } from './d.js'
    import './e.js'
    export * from './f.js'
    export type { G } from './g.js'
    const h = await import('./h.js')
    let i: import('./i.js').I`
  const seen = importsOf({ path: 'src/x.ts', text }).map(
    ({ target, typeOnly }) => `${target}${typeOnly ? ' type' : ''}`,
  )
  assert.equal(seen, ['a', './c.js type', './d.js type', './e.js', './f.js', './g.js type', './h.js', './i.js type'])
})

Checker('lets an outer part import an inner one, and names the file that does the reverse', () => {
  none(
    importing('src/cli/serve.ts', "import { createApp } from '../app.js'", "import { keys } from '../store/keys.js'"),
  )
  none(importing('src/routing/router.ts', "import { identify } from '../trunks/identify.js'"))
  assert.equal(importing('src/store/numbers.ts', "import { Edge } from '../edge/edge.js'"), [
    'src/store/numbers.ts imports ../edge/edge.js: store stands below or beside edge',
  ])
  assert.is(importing('src/trunks/identify.ts', "import { Router } from '../routing/router.js'").length, 1)
  assert.is(importing('src/routing/did.ts', "export * from '../media/media.js'").length, 1)
  assert.is(importing('src/model/agent.ts', "import type { Config } from '../config/index.js'").length, 1)
})

Checker('lets config and telemetry through as types only below app', () => {
  none(importing('src/edge/edge.ts', "import type { Logger } from '../telemetry/logger.js'"))
  none(importing('src/app.ts', "import { createLogger } from './telemetry/logger.js'"))
  assert.equal(importing('src/edge/edge.ts', "import { createLogger } from '../telemetry/logger.js'"), [
    'src/edge/edge.ts imports ../telemetry/logger.js: telemetry is handed down by app.ts: import its types only',
  ])
  assert.is(importing('src/config/schema.ts', "import { keys } from '../store/keys.js'").length, 1)
})

Checker('lets nobody past the engine’s door, and nothing but Node into the engine', () => {
  none(importing('src/edge/edge.ts', "import { parseUri } from '../engine/index.js'"))
  none(importing('src/engine/index.ts', "import { x } from './message/x.js'", "import net from 'node:net'"))
  assert.equal(importing('src/edge/edge.ts', "import type { Via } from '../engine/message/via.js'"), [
    'src/edge/edge.ts imports ../engine/message/via.js: the engine is reached through engine/index.js only',
  ])
  assert.equal(importing('src/engine/message/via.ts', "import pino from 'pino'"), [
    'src/engine/message/via.ts imports pino: engine uses built-ins of Node only',
  ])
  assert.is(importing('src/engine/message/via.ts', "import type { Agent } from '../../model/agent.js'").length, 1)
  assert.is(importing('src/engine/dns.ts', "import dns from 'dns'").length, 1)
})

Checker('knows every folder of src, what has one home, and what lies outside', () => {
  assert.equal(importing('src/helpers/text.ts', ''), ['src/helpers/text.ts: src/helpers is not on the import map'])
  assert.is(importing('src/cli/x.ts', "import { y } from '../helpers/y.js'").length, 1)
  assert.is(importing('src/edge/edge.ts', "import Mrf from 'drachtio-fsmrf'").length, 1)
  none(importing('src/media/media.ts', "import Mrf from 'drachtio-fsmrf'"))
  assert.is(importing('src/cli/x.ts', "import { ManualClock } from '../../test/support/manual-clock.js'").length, 1)
})

Checker('finds the environment read in any spelling', () => {
  const spellings = [
    'const x = process.env.HOME',
    "const x = process['env']",
    'const { env } = process',
    "import { env } from 'node:process'",
  ]
  for (const text of spellings) assert.is(environmentProblems({ path: 'src/edge/edge.ts', text }).length, 1, text)
  none(environmentProblems({ path: 'src/config/load.ts', text: 'const x = process.env' }))
  none(environmentProblems({ path: 'src/edge/edge.ts', text: '// process.env is read by config\nconst x = other.env' }))
})

Checker('finds tests that would not run', () => {
  const problems = (text: string, path = 'test/x.test.ts'): string[] =>
    suiteProblems({ path, text: `import { suite, test } from 'uvu'\n${text}` })
  none(problems("const A = suite('A')\nA('works', () => {})\nA.run()\ntest.run()"))
  assert.equal(problems("const A = suite<{ n: number }>('A')\ntest.run()"), [
    'test/x.test.ts: A is never run: A.run() is missing',
  ])
  assert.is(problems("const A = suite('A')\n// A.run()\ntest.run()").length, 1)
  assert.is(problems("const A = suite('A')\nA.only('x', () => {})\nA.run()\ntest.run()").length, 1)
  assert.is(problems("suite('A')\ntest.run()").length, 1)
  assert.is(problems('').length, 1)
  const contract = 'export function contract(name: string) {\nconst A = suite(name)\nA.run()\n}'
  none(suiteProblems({ path: 'test/support/contract.ts', text: `import { suite } from 'uvu'\n${contract}` }))
  const unseen = "import { suite } from 'uvu'\nconst A = suite('A')\nA.run()"
  assert.is(suiteProblems({ path: 'test/unseen.ts', text: unseen }).length, 1)
  assert.equal(suiteProblems({ path: 'test/y.test.ts', text: '' }), ['test/y.test.ts: has no uvu suite'])
})

Checker('finds files that are too long and strangers at the top', () => {
  none(sizeProblems({ path: 'src/a.ts', text: 'x\n'.repeat(400) }))
  assert.equal(sizeProblems({ path: 'src/a.ts', text: 'x\n'.repeat(401) }), ['src/a.ts has 401 lines, more than 400'])
  none(topLevelProblems(['src', 'README.md', '.ci', 'package-lock.json', 'dist', 'node_modules']))
  assert.equal(topLevelProblems(['lib', 'src']), ["lib: not an entry of the repository's top level"])
})

Checker.run()
