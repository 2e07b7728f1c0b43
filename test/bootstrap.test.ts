import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { temporaryFolder } from './support/temporary-folder.js'

/** What bootstrap.mjs exports; it is plain JavaScript, since nothing is built when it runs. */
interface Bootstrap {
  nodeProblem(version: string): string | undefined
  newestMtimeMs(paths: string[]): number
  installIsDue(root: string): boolean
  buildIsDue(root: string): boolean
  pruneBuild(root: string): void
  linkIsDue(root: string): boolean
  linkCommand(root: string): void
  isOnPath(program: string, path: string): boolean
  withSetupLock<T>(root: string, work: () => T | Promise<T>): Promise<T>
  providePrograms(
    names: string[],
    options: { path: string; isRoot: boolean; install?: (packages: string[]) => void },
  ): void
}

const source = resolve('src/bootstrap.mjs')
const bootstrap = (await import(pathToFileURL(source).href)) as Bootstrap

const root = temporaryFolder()
let folders = 0

/** A folder with these files, all `ageS` seconds old. */
function project(files: Record<string, string>, ageS = 100): string {
  const folder = join(root, String(++folders))
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) write(join(folder, name), text, ageS)
  return folder
}

function write(path: string, text: string, ageS = 0): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  const then = new Date(Date.now() - ageS * 1_000)
  for (let touched = path; touched !== root; touched = dirname(touched)) utimesSync(touched, then, then)
}

const Steps = suite('Bootstrap steps')

Steps('an older Node is refused with the version that is needed', () => {
  assert.is(bootstrap.nodeProblem('20.0.0'), undefined)
  assert.is(bootstrap.nodeProblem('100.1.0'), undefined)
  assert.match(bootstrap.nodeProblem('18.19.1') ?? '', /needs Node 20 or newer; this is 18\.19\.1/)
})

Steps('packages are installed when there are none, or the lock file has changed since', () => {
  const folder = project({ 'package-lock.json': '{}' })
  assert.ok(bootstrap.installIsDue(folder))
  write(join(folder, 'node_modules/.package-lock.json'), '{}', 50)
  assert.not(bootstrap.installIsDue(folder))
  write(join(folder, 'package-lock.json'), '{}', 10)
  assert.ok(bootstrap.installIsDue(folder))
  const fingerprint = createHash('sha256').update('{}').digest('hex')
  write(join(folder, 'node_modules/.signalbox-installed'), fingerprint, 50)
  assert.not(bootstrap.installIsDue(folder), 'touched by git, not changed')
  write(join(folder, 'package-lock.json'), '{ }', 10)
  assert.ok(bootstrap.installIsDue(folder))
})

Steps('a build is due when there is none, or a source, a folder, the compiler’s options or a package is newer', () => {
  const files = {
    'src/a.ts': '',
    'src/deep/b.ts': '',
    'test/a.test.ts': '',
    'tsconfig.json': '{}',
    'node_modules/.package-lock.json': '{}',
  }
  const folder = project(files)
  assert.ok(bootstrap.buildIsDue(folder))
  const built = (): void => write(join(folder, 'dist/.built'), '', 50)
  built()
  assert.not(bootstrap.buildIsDue(folder))
  for (const name of Object.keys(files)) {
    write(join(folder, name), '', 10)
    assert.ok(bootstrap.buildIsDue(folder), name)
    write(join(folder, name), '', 100)
    assert.not(bootstrap.buildIsDue(folder), `${name} again`)
  }
  rmSync(join(folder, 'src/deep/b.ts'))
  assert.ok(bootstrap.buildIsDue(folder), 'a source that was removed')
})

Steps('what is compiled from a source that is gone goes too, and nothing else', () => {
  const folder = project({
    'src/a.ts': '',
    'dist/src/a.js': '',
    'dist/src/a.js.map': '',
    'dist/src/gone.js': '',
    'dist/test/gone.test.js.map': '',
    'dist/src/page.html': '',
    'dist/notes.js': '',
  })
  bootstrap.pruneBuild(folder)
  const left = ['dist/src/a.js', 'dist/src/a.js.map', 'dist/src/page.html', 'dist/notes.js']
  for (const name of left) assert.ok(existsSync(join(folder, name)), name)
  for (const name of ['dist/src/gone.js', 'dist/test/gone.test.js.map'])
    assert.not(existsSync(join(folder, name)), name)
})

Steps('the command is linked where npx looks for it, and can be run', () => {
  const folder = project({ 'dist/src/main.js': '#!/usr/bin/env node\nconsole.log("it runs")\n' })
  const link = join(folder, 'node_modules/.bin/signalbox')
  const links = (): void => {
    assert.ok(bootstrap.linkIsDue(folder))
    bootstrap.linkCommand(folder)
    assert.not(bootstrap.linkIsDue(folder))
    assert.is(readlinkSync(link), '../../dist/src/main.js')
    assert.is(spawnSync(link, { encoding: 'utf8' }).stdout, 'it runs\n')
  }
  links()
  // As a new build leaves it.
  chmodSync(join(folder, 'dist/src/main.js'), 0o644)
  links()
  rmSync(link)
  symlinkSync('/nowhere', link)
  links()
  rmSync(link)
  writeFileSync(link, 'a file')
  links()
})

Steps('a program is on the path when it is a file that can be run', () => {
  const folder = project({ 'bin/yes': '', 'bin/no': '', 'bin/folder/x': '' })
  chmodSync(join(folder, 'bin/yes'), 0o755)
  chmodSync(join(folder, 'bin/no'), 0o644)
  const path = ['', join(folder, 'none'), join(folder, 'bin')].join(delimiter)
  assert.ok(bootstrap.isOnPath('yes', path))
  assert.not(bootstrap.isOnPath('no', path))
  assert.not(bootstrap.isOnPath('folder', path))
  assert.not(bootstrap.isOnPath('other', path))
})

Steps('missing programs are installed by root where there is apt-get, else one line says what to do', () => {
  const path = join(project({ 'bin/apt-get': '' }), 'bin')
  chmodSync(join(path, 'apt-get'), 0o755)
  const asked: string[][] = []
  const install = (packages: string[]): void => {
    asked.push(packages)
    for (const program of ['redis-server', 'sipp']) {
      writeFileSync(join(path, program), '')
      chmodSync(join(path, program), 0o755)
    }
  }
  const names = ['redis-server', 'sipp']
  const byHand =
    /^redis-server and sipp not found: install with "apt-get install redis-server sip-tester", or set REDIS_URL[^\n]*$/
  assert.throws(() => bootstrap.providePrograms(names, { path, isRoot: false, install }), byHand)
  assert.throws(() => bootstrap.providePrograms(names, { path: '', isRoot: true, install }), byHand)
  assert.throws(() => bootstrap.providePrograms(names, { path, isRoot: true, install: () => {} }), byHand)
  assert.is(asked.length, 0)
  bootstrap.providePrograms(names, { path, isRoot: true, install })
  assert.equal(asked, [['redis-server', 'sip-tester']])
  bootstrap.providePrograms(names, { path, isRoot: false, install })
  assert.is(asked.length, 1)
})

Steps(
  'two set-ups in one folder take turns; the lock of a killed one and of a failed one is no hindrance',
  async () => {
    const folder = project({})
    let inside = 0
    const work = async (): Promise<void> => {
      inside += 1
      assert.is(inside, 1)
      await new Promise((done) => setTimeout(done, 30))
      inside -= 1
    }
    await Promise.all([1, 2, 3].map(() => bootstrap.withSetupLock(folder, work)))
    const gone = spawnSync(process.execPath, ['-e', '']).pid
    writeFileSync(join(folder, 'dist/.setup-lock'), String(gone))
    await bootstrap.withSetupLock(folder, work)
    const failed = bootstrap.withSetupLock(folder, () => Promise.reject(new Error('no')))
    await failed.then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'no'),
    )
    assert.is(await bootstrap.withSetupLock(folder, () => 7), 7)
  },
)

Steps.run()

const Whole = suite('Bootstrap as a whole')

/** A small project that bootstrap can build and run, its packages in place. */
function buildable(): string {
  const folder = project({
    'package.json': '{ "type": "module" }',
    'package-lock.json': '{}',
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        module: 'NodeNext',
        target: 'ES2022',
        lib: ['ES2022'],
        skipLibCheck: true,
        rootDir: '.',
        outDir: 'dist',
        types: [],
      },
      include: ['src/**/*.ts', 'test/**/*.ts'],
    }),
    'src/config/index.ts': "export const loadConfig = () => ({ redis: { url: 'redis://127.0.0.1' } })\n",
    'src/main.ts': `#!/usr/bin/env node
      declare const process: any, console: any, setInterval: any
      if (process.argv.includes('wait')) {
        process.on('SIGINT', () => process.exit(7))
        setInterval(() => {}, 1000)
      } else process.exitCode = 3
      console.log(JSON.stringify(process.argv.slice(2)))\n`,
    'test/run.ts':
      "declare const process: any, console: any\nconsole.log('tests', JSON.stringify(process.argv.slice(2)))\n",
    'node_modules/.package-lock.json': '{}',
  })
  copyFileSync(source, join(folder, 'src/bootstrap.mjs'))
  utimesSync(join(folder, 'src'), new Date(0), new Date(0))
  symlinkSync(resolve('node_modules/typescript'), join(folder, 'node_modules/typescript'))
  const then = new Date(Date.now() - 50_000)
  utimesSync(join(folder, 'node_modules/.package-lock.json'), then, then)
  return folder
}

function start(folder: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['src/bootstrap.mjs', ...args], { cwd: folder, encoding: 'utf8' })
}

Whole('builds once, runs the command in the same process, and passes arguments and exit code on', () => {
  const folder = buildable()
  const first = start(folder, 'serve', '--flag', 'x')
  assert.is(first.stderr, 'signalbox: building\n')
  assert.is(first.stdout, '["serve","--flag","x"]\n')
  assert.is(first.status, 3)
  assert.ok(existsSync(join(folder, 'node_modules/.bin/signalbox')))
  const again = start(folder)
  assert.is(again.stderr, '')
  assert.is(again.stdout, '["serve"]\n')
  const tests = start(folder, 'test', 'engine/message')
  assert.is(tests.stdout, 'tests ["engine/message"]\n')
  assert.is(tests.status, 0)
})

Whole('Ctrl-C reaches the command directly', async () => {
  const folder = buildable()
  const child = spawn(process.execPath, ['src/bootstrap.mjs', 'serve', 'wait'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise((running) => child.stdout.once('data', running))
  child.kill('SIGINT')
  assert.is(await new Promise((ended) => child.once('exit', ended)), 7)
})

Whole('a source that does not compile stops it with what the compiler said; what was built before stays', () => {
  const folder = buildable()
  start(folder)
  const before = readFileSync(join(folder, 'dist/src/main.js'), 'utf8')
  write(join(folder, 'src/main.ts'), 'export const x: number = "text"\n')
  const { status, stdout, stderr } = start(folder)
  assert.is(status, 1)
  assert.is(stdout, '')
  assert.match(stderr, /src\/main\.ts\(1,14\): error TS2322[^]*signalbox: the build failed \(exit code [12]\)\n$/)
  assert.is(readFileSync(join(folder, 'dist/src/main.js'), 'utf8'), before)
})

Whole('"build" always builds and runs nothing; a job that does not exist is named', () => {
  const folder = buildable()
  start(folder)
  const built = statSync(join(folder, 'dist/.built')).mtimeMs
  const { status, stdout, stderr } = start(folder, 'build')
  assert.equal([status, stdout, stderr], [0, '', 'signalbox: building\n'])
  assert.ok(statSync(join(folder, 'dist/.built')).mtimeMs > built)
  const wrong = start(folder, 'sing')
  assert.equal([wrong.status, wrong.stderr], [1, 'signalbox: "sing" is not one of serve, test, fuzz, bench, build\n'])
})

Whole('packages that cannot be installed stop it with what npm said', () => {
  const folder = buildable()
  write(join(folder, 'package-lock.json'), 'not JSON')
  const { status, stderr } = start(folder)
  assert.is(status, 1)
  assert.match(stderr, /^signalbox: installing npm packages\n[^]*signalbox: npm ci failed \(exit code \d+\)\n$/)
})

Whole.run()
