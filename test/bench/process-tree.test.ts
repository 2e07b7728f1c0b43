import { spawn } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { parseStat, ProcessTree, treeOf } from './process-tree.js'
import { Program } from './program.js'

const Tree = suite('Process tree')

const stat = (pid: number, parent: number, name = 'x', ticks = [10, 5, 2, 1]): string =>
  `${pid} (${name}) S ${parent} ${pid} ${pid} 0 -1 4194560 100 200 0 0 ${ticks.join(' ')} 20 0 7 0 4242 1000 200 18446744073709551615`

Tree('reads processor time of a process, its threads and the children it has waited for', () => {
  assert.equal(parseStat(stat(77, 12)), { pid: 77, name: 'x', parent: 12, ticks: 18, started: 4_242 })
  assert.equal(parseStat(stat(77, 12, 'a) S 1 (b'))?.name, 'a) S 1 (b')
  assert.is(parseStat(stat(77, 12, 'a) S 1 (b'))?.ticks, 18)
  assert.is(parseStat(''), undefined)
  assert.is(parseStat('77 (x) S'), undefined)
})

Tree('is the roots and all that descend from them', () => {
  const all = [stat(1, 0), stat(10, 1), stat(11, 10), stat(12, 11), stat(20, 1), stat(21, 20)].map((s) => parseStat(s)!)
  const pids = (roots: number[]): number[] => treeOf(roots, all).map(({ pid }) => pid)
  assert.equal(pids([10]), [10, 11, 12])
  assert.equal(pids([10, 11, 21]), [10, 11, 12, 21])
  assert.equal(pids([99]), [])
})

// By its own processor time: on a busy machine that is less than the time that passes.
const busy =
  'const used = () => { const { user, system } = process.cpuUsage(); return user + system }; while (used() < 200000);'
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

Tree('counts the time of a child that has ended, and memory of all', async () => {
  const script = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(busy)}], {stdio: 'inherit'}).on('exit', () => process.stdout.write('ended\\n')); setTimeout(() => {}, 60000)`
  const program = new Program('parent', process.execPath, ['-e', script], { logFile: `${temporaryFolder()}/log` })
  try {
    await eventually('the child has ended', () => program.lastWords.includes('ended'))
    assert.ok(program.tree.cpuMs() >= 180, `${program.tree.cpuMs()} ms`)
    const times = Object.values(program.tree.cpuByProgram())
    assert.ok(times.length === 1 && times[0]! >= 180, `${times} ms`)
    const [memory, more] = program.tree.memory()
    assert.ok(memory !== undefined && memory.kb > 5_000 && more === undefined, JSON.stringify([memory, more]))
  } finally {
    program.discard()
  }
  assert.is(await program.exited, null)
})

Tree('a program is ended with the descendants that outlive it, those in sessions of their own too', async () => {
  const orphan = "require('child_process').spawn('sleep', ['60'], {detached: true, stdio: 'ignore'}).pid"
  const script = `process.stdout.write(${orphan} + '\\n'); process.on('SIGTERM', () => process.exit(0)); setTimeout(() => {}, 60000)`
  const program = new Program('parent', process.execPath, ['-e', script], { logFile: `${temporaryFolder()}/log` })
  const pid = await eventually('it has a child', () => Number(program.lastWords) || undefined)
  assert.ok(alive(pid))
  await program.stop()
  await eventually('its child is gone', () => !alive(pid))
  assert.ok(program.ended)
  await program.stop()
})

Tree('never takes a later process for one that has ended', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  const tree = new ProcessTree(child.pid ?? -1)
  await new Promise((resolve) => child.on('exit', resolve))
  assert.is(tree.cpuMs(), 0)
  assert.equal(tree.memory(), [])
})

Tree('a program that does not exist ends at once', async () => {
  const program = new Program('nothing', '/nonexistent/program', [], { logFile: `${temporaryFolder()}/log` })
  assert.is(await program.exited, -1)
  assert.is(program.tree.cpuMs(), 0)
  await program.stop()
})

Tree.run()
