import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Results } from '../bench/results.js'
import { Child } from '../support/children.js'
import { eventually } from '../support/eventually.js'

const BenchRun = suite('npm run bench')

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench', 'main.js')
const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-test-'))

BenchRun.after(() => rmSync(folder, { recursive: true, force: true }))

const bench = (...args: string[]): Child =>
  new Child(process.execPath, [main, '--quick', '--systems', 'signalbox', '--held', '0', '--out', folder, ...args], {
    env: { ...process.env, TMPDIR: folder },
  })

/** Command lines of the processes that mention a folder: what a run starts has its temporary files there. */
const processesOf = (path: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => {
      try {
        const [environment, command] = ['environ', 'cmdline'].map((name) =>
          readFileSync(`/proc/${pid}/${name}`, 'latin1'),
        )
        return `${environment}${command}`.includes(path) ? [String(command)] : []
      } catch {
        return []
      }
    })

const isCalling = (): boolean => processesOf(folder).some((command) => command.includes('uac-load'))

BenchRun('measures the edge at a rate, writes figures and chart, and leaves nothing running', async () => {
  const run = bench('--rates', '20', '--json')
  assert.is(await run.exited, 0, run.output)
  const { systems, machine } = JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8')) as Results
  const [step] = systems[0]?.steps ?? []
  assert.ok(step !== undefined, run.output)
  assert.equal([step.rate, step.calls, step.failed], [20, 60, 0], run.output)
  assert.ok(step.cpu_ms_per_call > 0.1 && step.cpu_ms_per_call < 100, `${step.cpu_ms_per_call} ms CPU a call`)
  assert.ok(step.p50_ms > 0.05 && step.p99_ms >= step.p50_ms, `p50 ${step.p50_ms} ms, p99 ${step.p99_ms} ms`)
  assert.ok(step.loop_delay_ms !== null && machine.sipp !== '' && machine.redis !== '')
  assert.match(readFileSync(join(folder, 'p99.svg'), 'utf8'), '<circle')
  assert.match(run.output, /signalbox +20 calls\/s/)
  assert.equal(processesOf(folder), [])
})

BenchRun('is interrupted by Ctrl-C at any time, and ends what it has started', async () => {
  const run = bench('--rates', '20', '--step-seconds', '60')
  try {
    await eventually('SIPp calls the edge', isCalling, 15_000)
    run.kill('SIGINT')
    assert.is(await run.exited, 130, run.output)
    assert.match(run.output, 'interrupted')
    assert.equal(processesOf(folder), [])
  } finally {
    await run.stop('SIGKILL')
  }
})

BenchRun('killed, it cannot end anything any more: all ends all the same', async () => {
  const run = bench('--rates', '20', '--step-seconds', '60')
  await eventually('SIPp calls the edge', isCalling, 15_000)
  await run.stop('SIGKILL')
  await eventually('everything has ended', () => processesOf(folder).length === 0, 15_000)
})

BenchRun.run()
