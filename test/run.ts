/**
 * The test runner behind `npm test [-- part/of/a/name ...]`: lint first, then every `*.test.ts` as a process of its own, two
 * at a time but for those that ask for the machine to themselves. The last line of what it prints is `N passed, N failed`.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { conformanceTable, proofsOf } from './support/conformance.js'
import { findTestFiles, type TestFile } from './support/test-files.js'
import { judge, summary, type Ending, type Outcome } from './support/test-outcome.js'
import { leaksIn } from './support/leaks.js'
import { runProcess, stopAllProcesses } from './support/test-process.js'

const FILES_AT_A_TIME = 2
const LINT_LIMIT_S = 180

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const total = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []
let interrupted = false

/** The environment of the tests: what would point them at somebody's own Redis, ports or data is taken out. DRACHTIO_* stays: with it the end-to-end tests run against that server. */
function testEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(SIGNALBOX_.*|REDIS_URL|SIP_CONTACTS|SIP_EXTERNAL_IP|HTTP_LISTEN|HTTP_TRUST_PROXY|LOG_LEVEL|NODE_ENV)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

function report(name: string, outcome: Outcome, ending: Ending, startedMs: number): void {
  total.passed += outcome.passed
  total.failed += outcome.failed
  total.skipped += outcome.skipped
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(`${outcome.failed === 0 ? 'ok  ' : 'FAIL'} ${name}: ${summary(outcome)} (${seconds} s)`)
  if (outcome.failed === 0) return
  failures.push(name)
  console.log(ending.output.trimEnd())
  if (outcome.problem !== undefined) console.log(`${name} ${outcome.problem}`)
}

async function runFile(file: TestFile): Promise<void> {
  const startedMs = performance.now()
  const preload = new URL('./support/end-on-sigterm.js', import.meta.url).href
  const ending = await runProcess(process.execPath, ['--enable-source-maps', '--import', preload, file.path], {
    limitS: file.limitS,
    cwd: root,
    env: testEnvironment(),
  })
  // [A14] What a file prints is what the program printed; what it says of a test that failed is for people.
  const outcome = judge(ending)
  const leaks = outcome.failed === 0 ? leaksIn(ending.output) : []
  const problem = `[A14] what it printed holds ${leaks.join(', ')}`
  report(file.name, leaks.length === 0 ? outcome : { ...outcome, failed: 1, problem }, ending, startedMs)
}

/** ESLint and Prettier, as one test. */
async function runLint(): Promise<void> {
  const startedMs = performance.now()
  const options = { limitS: LINT_LIMIT_S, cwd: root, env: testEnvironment() }
  const tools = [
    ['node_modules/eslint/bin/eslint.js', '-c', 'config/eslint.config.mjs', '.'],
    ['node_modules/prettier/bin/prettier.cjs', '--check', '.'],
  ]
  const endings = await Promise.all(tools.map((tool) => runProcess(process.execPath, tool, options)))
  const failed = endings.some(({ exitCode }) => exitCode !== 0)
  const output = endings.map((ending) => ending.output).join('\n')
  report('lint', { passed: failed ? 0 : 1, failed: failed ? 1 : 0, skipped: 0 }, { output, exitCode: 0 }, startedMs)
}

/** Works through `files`, `width` at a time. */
async function runAll(files: readonly TestFile[], width: number): Promise<void> {
  const waiting = [...files]
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined && !interrupted; file = waiting.shift()) await runFile(file)
  }
  await Promise.all(Array.from({ length: width }, work))
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    interrupted = true
    stopAllProcesses()
  })

const filters = process.argv.slice(2)
const files = findTestFiles(join(root, 'dist', 'test'), join(root, 'test'), filters)
if (filters.length === 0 || filters.includes('lint')) await runLint()
else if (files.length === 0) {
  console.log(`no test file has ${filters.map((filter) => `"${filter}"`).join(' or ')} in its name`)
  total.failed = 1
}
await runAll(
  files.filter((file) => !file.alone),
  FILES_AT_A_TIME,
)
await runAll(
  files.filter((file) => file.alone),
  1,
)
if (interrupted) console.log('interrupted')
if (filters.length === 0) console.log(`\n${conformanceTable(proofsOf(files), failures)}`)
if (failures.length > 0) console.log(`\nfailed: ${failures.join(', ')}`)
console.log(`\n${summary(total)}`)
process.exitCode = interrupted ? 130 : total.failed > 0 ? 1 : 0
