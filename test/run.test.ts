import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_LIMIT_S, findTestFiles, timeLimitS } from './support/test-files.js'
import { hasTotals, judge, summary } from './support/test-outcome.js'
import { runProcess } from './support/test-process.js'
import { temporaryFolder } from './support/temporary-folder.js'

const root = temporaryFolder()
let folders = 0

/** A project of test files, compiled as they are. */
function project(files: Record<string, string>): string {
  const folder = join(root, String(++folders))
  for (const [name, text] of Object.entries(files))
    for (const path of [`dist/test/${name}.test.js`, `test/${name}.test.ts`]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
  const here = dirname(fileURLToPath(import.meta.url))
  cpSync(join(here, 'run.js'), join(folder, 'dist/test/run.js'))
  cpSync(join(here, 'support'), join(folder, 'dist/test/support'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  return folder
}

const totals = (total: number, passed: number, skipped = 0): string =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`

const Files = suite('Test files')

Files('are found at any depth, in order; those that ask for it run alone', () => {
  const folder = project({ 'z/b': '', a: '', 'e2e/call': '// time limit: 240 s\n// alone\n' })
  const found = findTestFiles(join(folder, 'dist/test'), join(folder, 'test'))
  assert.equal(
    found.map(({ name, alone, limitS }) => [name, alone, limitS]),
    [
      ['a', false, DEFAULT_LIMIT_S],
      ['e2e/call', true, 240],
      ['z/b', false, DEFAULT_LIMIT_S],
    ],
  )
})

Files('can be chosen by part of their name or by their path', () => {
  const folder = project({ 'engine/message/via': '', 'engine/clock': '', 'store/keys': '' })
  const chosen = (...filters: string[]): string[] =>
    findTestFiles(join(folder, 'dist/test'), join(folder, 'test'), filters).map(({ name }) => name)
  assert.equal(chosen('engine/message'), ['engine/message/via'])
  assert.equal(chosen('via', 'store'), ['engine/message/via', 'store/keys'])
  assert.equal(chosen('test/engine/clock.test.ts'), ['engine/clock'])
  assert.equal(chosen('nothing'), [])
})

Files('name their own time limit in a line among the first ones', () => {
  assert.is(timeLimitS("import x from 'x'\n// time limit: 300 s\n"), 300)
  assert.is(timeLimitS('// time limit: 300\n'), DEFAULT_LIMIT_S)
  assert.is(timeLimitS(`${'\n'.repeat(3_000)}// time limit: 300 s\n`), DEFAULT_LIMIT_S)
})

Files.run()

const Outcomes = suite('Outcomes')

Outcomes('are uvu’s totals, coloured or not', () => {
  assert.equal(judge({ output: totals(5, 5, 1), exitCode: 0 }), { passed: 5, failed: 0, skipped: 1 })
  assert.equal(judge({ output: totals(5, 3), exitCode: 1 }), { passed: 3, failed: 2, skipped: 0 })
  const coloured =
    '\n  Total:     2\u001b[32m\n  Passed:    2\u001b[39m\n  Skipped:   \u001b[33m1\u001b[39m\n  Duration:  1ms\n\n'
  assert.equal(judge({ output: coloured, exitCode: 0 }), { passed: 2, failed: 0, skipped: 1 })
  assert.ok(hasTotals(coloured))
  assert.not(hasTotals('Total: 1\nPassed: 1'))
})

Outcomes('without totals, without tests, with a bad exit or stopped, a file is one failure', () => {
  const failedOnce = (output: string, exitCode: number | null, stopped?: string): string => {
    const outcome = judge({ output, exitCode, ...(stopped === undefined ? {} : { stopped }) })
    assert.is(outcome.failed, 1)
    return outcome.problem ?? ''
  }
  assert.match(failedOnce('nothing', 0), /without uvu's totals \(exit code 0\)/)
  assert.match(failedOnce('', null), /killed by a signal/)
  assert.match(failedOnce(totals(0, 0), 0), /no tests/)
  assert.match(failedOnce(totals(3, 3), 1), /then the process failed/)
  assert.match(failedOnce(totals(3, 3), 143, 'took too long'), /^took too long$/)
  assert.match(failedOnce('half', null, 'took too long'), /^took too long$/)
  assert.is(judge({ output: totals(3, 1), exitCode: 143, stopped: 'took too long' }).failed, 2)
  assert.is(judge({ output: totals(0, 0, 2), exitCode: 0 }).failed, 0)
})

Outcomes('are summed up in a line', () => {
  assert.is(summary({ passed: 3, failed: 0, skipped: 0 }), '3 passed, 0 failed')
  assert.is(summary({ passed: 3, failed: 1, skipped: 2 }), '3 passed, 1 failed, 2 skipped')
})

Outcomes.run()

const Processes = suite('Test processes')

const node = (script: string, limitS: number, graceAfterTotalsS = 10) =>
  runProcess(process.execPath, ['-e', script], { limitS, cwd: root, env: {}, graceAfterTotalsS })

Processes('their output and exit code are collected', async () => {
  const ending = await node('console.log("out"); console.error("err"); process.exitCode = 4', 20)
  assert.is(ending.exitCode, 4)
  assert.match(ending.output, /out\n/)
  assert.match(ending.output, /err\n/)
  assert.is(ending.stopped, undefined)
})

Processes('past their limit they are stopped, with what they started', async () => {
  const marker = `${process.pid}.5`
  const script = `const { spawn } = require('child_process')
    console.log(spawn('sleep', ['${marker}'], { stdio: 'inherit' }).pid)
    setInterval(() => {}, 1000)`
  const ending = await node(script, 1)
  assert.match(ending.stopped ?? '', /time limit of 1 s/)
  await sleep(50)
  const { stdout } = spawnSync('ps', ['-A', '-o', 'state=,args='], { encoding: 'utf8' })
  assert.not.match(stdout, new RegExp(`^[^Z].*sleep ${marker}`, 'm'))
})

Processes('that ignore the signal are killed', async () => {
  const started = performance.now()
  const ending = await node('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)', 1)
  assert.is(ending.exitCode, null)
  assert.ok(performance.now() - started < 10_000)
})

Processes('that stay after their last test are stopped, and the reason says so', async () => {
  const ending = await node(`console.log(${JSON.stringify(totals(1, 1))}); setInterval(() => {}, 1000)`, 60, 1)
  assert.match(ending.stopped ?? '', /within 1 s of its last test: something is still open/)
})

Processes('that cannot be started fail with the reason', async () => {
  const ending = await runProcess(join(root, 'no-such-program'), [], { limitS: 5, cwd: root, env: {} })
  assert.is(ending.exitCode, 1)
  assert.match(ending.output, /ENOENT/)
})

Processes.run()

const Run = suite('The whole run')

const test = (...lines: string[]): string => `import { test } from 'uvu'\n${lines.join('\n')}\ntest.run()\n`
const passing = test("test('works', () => {})")

function run(folder: string, ...filters: string[]): { status: number | null; lines: string[] } {
  const env = { ...process.env, SIGNALBOX_ADMIN_TOKEN: 'x', REDIS_URL: 'redis://elsewhere', DRACHTIO_HOST: 'there' }
  const { status, stdout } = spawnSync(process.execPath, ['dist/test/run.js', ...filters], {
    cwd: folder,
    encoding: 'utf8',
    env,
  })
  return { status, lines: stdout.trimEnd().split('\n') }
}

Run('has a line a file, what failed in full, and the sum at the very end', () => {
  const failing = test(
    "test('breaks', () => { throw new Error('the bottom fell out') })",
    "test('works', () => {})",
    "test.skip('later')",
  )
  const { status, lines } = run(project({ good: passing, 'deep/bad': failing, silent: '' }), 'o', 'bad', 'silent')
  assert.is(status, 1)
  assert.ok(lines.some((line) => /^ok {3}good: 1 passed, 0 failed \(\d+\.\d s\)$/.test(line)))
  assert.ok(lines.some((line) => /^FAIL deep\/bad: 1 passed, 1 failed, 1 skipped \(/.test(line)))
  assert.ok(lines.some((line) => line.includes('the bottom fell out')))
  assert.ok(lines.some((line) => line.startsWith("silent ended without uvu's totals")))
  assert.is(lines.at(-3), 'failed: deep/bad, silent')
  assert.is(lines.at(-1), '2 passed, 2 failed, 1 skipped')
})

Run('succeeds when all passes, and leaves the caller’s own Redis and settings out of the tests', () => {
  const env = test(
    "test('is clean', () => { if (process.env.REDIS_URL || process.env.SIGNALBOX_ADMIN_TOKEN) throw new Error('not clean') })",
    "test('keeps the server', () => { if (process.env.DRACHTIO_HOST !== 'there') throw new Error('lost') })",
  )
  const { status, lines } = run(project({ env }), 'env')
  assert.equal([status, lines.at(-1)], [0, '2 passed, 0 failed'])
})

Run('a filter that fits nothing is a failure', () => {
  const { status, lines } = run(project({ a: passing }), 'b')
  assert.equal([status, lines[0], lines.at(-1)], [1, 'no test file has "b" in its name', '0 passed, 1 failed'])
})

Run('without a filter lint comes first and counts as one test', () => {
  const { status, lines } = run(project({ a: passing }))
  assert.match(lines[0] ?? '', /^FAIL lint: 0 passed, 1 failed/)
  assert.equal([status, lines.at(-1)], [1, '1 passed, 1 failed'])
})

Run('files that ask for it have the machine to themselves, after the others', () => {
  const log = join(root, 'order')
  const timed = (name: string): string =>
    test(`import { appendFileSync as note } from 'node:fs'
      test('x', async () => {
        note('${log}', '${name} ')
        await new Promise((done) => setTimeout(done, 300))
        note('${log}', '${name} ')
      })`)
  const { status } = run(
    project({ 'e2e/a': `// alone\n${timed('a')}`, 'e2e/b': `// alone\n${timed('b')}`, z: timed('z') }),
    '',
  )
  assert.is(status, 0)
  assert.is(readFileSync(log, 'utf8'), 'z z a a b b ')
})

Run('Ctrl-C stops the tests, lets them clean up, and says so', async () => {
  const started = join(root, 'started')
  const cleaned = join(root, 'cleaned')
  const slow = test(`import { writeFileSync } from 'node:fs'
    process.on('exit', () => writeFileSync('${cleaned}', 'yes'))
    test('waits', () => new Promise((done) => { writeFileSync('${started}', ''); setTimeout(done, 60000) }))`)
  const folder = project({ slow, 'e2e/never': `// alone\n${passing}` })
  const child = spawn(process.execPath, ['dist/test/run.js', 'slow', 'never'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  for (let i = 0; i < 400 && !existsSync(started); i++) await sleep(25)
  child.kill('SIGINT')
  assert.is(await new Promise((ended) => child.once('close', ended)), 130)
  assert.match(output, /interrupted/)
  assert.not.match(output, /never/)
  assert.is(readFileSync(cleaned, 'utf8'), 'yes')
})

Run.run()
