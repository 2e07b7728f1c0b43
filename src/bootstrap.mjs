/**
 * What `npm start`, `npm test`, `npm run fuzz`, `npm run bench` and `npm run build` run first, also on a clone with nothing installed: Node's built-ins only.
 * It installs the npm packages, builds, links the `signalbox` command and sees to the programs the job needs; then the job
 * runs in this same process, so that Ctrl-C reaches it directly and its exit code is ours.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST_NODE = 20
const POLICY_FILE = '/usr/sbin/policy-rc.d'
const LONGEST_LOCK_WAIT_MS = 600_000

/** A set-up step that did not succeed: one line for the user, and what the failing command printed. */
export class SetupError extends Error {
  constructor(message, output = '') {
    super(message)
    this.name = 'SetupError'
    this.output = output
  }
}

/** Why this version of Node will not do, or undefined. */
export function nodeProblem(version) {
  const major = Number(version.split('.')[0])
  return major >= OLDEST_NODE
    ? undefined
    : `Signalbox needs Node ${OLDEST_NODE} or newer; this is ${version}. Get one from https://nodejs.org`
}

/** The time (ms) of the newest file or folder among `paths` and all below them; 0 when there is none. A folder counts since a removed file shows only there. */
export function newestMtimeMs(paths) {
  let newest = 0
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    newest = Math.max(newest, stat.mtimeMs)
    if (stat.isDirectory()) newest = Math.max(newest, newestMtimeMs(readdirSync(path).map((name) => join(path, name))))
  }
  return newest
}

const installedMark = (root) => join(root, 'node_modules', '.package-lock.json')
const builtMark = (root) => join(root, 'dist', '.built')

/** Holds the fingerprint of the lock file that was installed from: git may touch a file without changing it. */
const installedFrom = (root) => join(root, 'node_modules', '.signalbox-installed')
const fingerprintOf = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')

/** Whether the npm packages are missing, or the lock file has changed since they were installed. */
export function installIsDue(root) {
  if (!existsSync(installedMark(root))) return true
  if (newestMtimeMs([installedMark(root)]) >= newestMtimeMs([join(root, 'package-lock.json')])) return false
  return !existsSync(installedFrom(root)) || readFileSync(installedFrom(root), 'utf8') !== fingerprintOf(root)
}

/** Whether `dist` is missing or older than what it is made of. */
export function buildIsDue(root) {
  const mark = statSync(builtMark(root), { throwIfNoEntry: false })
  const sources = ['src', 'test', 'tsconfig.json', installedMark('')].map((name) => join(root, name))
  return mark === undefined || mark.mtimeMs < newestMtimeMs(sources)
}

/** Removes compiled files whose source is gone, one by one: a running Signalbox keeps what it uses. */
export function pruneBuild(root) {
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (/\.js(\.map)?$/.test(entry.name)) {
        const source = join(root, relative(join(root, 'dist'), path).replace(/\.js(\.map)?$/, '.ts'))
        if (!existsSync(source)) rmSync(path, { force: true })
      }
    }
  }
  for (const folder of ['src', 'test']) if (existsSync(join(root, 'dist', folder))) visit(join(root, 'dist', folder))
}

const commandLink = (root) => join(root, 'node_modules', '.bin', 'signalbox')
const builtCommand = (root) => join(root, 'dist', 'src', 'main.js')
const linkTarget = (root) => relative(dirname(commandLink(root)), builtCommand(root))

/** Whether `npx signalbox` would not find what is built. */
export function linkIsDue(root) {
  const link = commandLink(root)
  const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === true
  const runs = ((statSync(builtCommand(root), { throwIfNoEntry: false })?.mode ?? 0) & 0o111) !== 0
  return !isLink || !runs || readlinkSync(link) !== linkTarget(root)
}

/** Makes `node_modules/.bin/signalbox` the built command, so that `npx signalbox` works from the clone. */
export function linkCommand(root) {
  chmodSync(builtCommand(root), 0o755)
  mkdirSync(dirname(commandLink(root)), { recursive: true })
  rmSync(commandLink(root), { force: true })
  symlinkSync(linkTarget(root), commandLink(root))
}

/** Whether a program of this name can be run from `path`, a PATH-like list of folders. */
export function isOnPath(program, path) {
  return path.split(delimiter).some((folder) => {
    if (folder === '') return false
    try {
      accessSync(join(folder, program), constants.X_OK)
      return statSync(join(folder, program)).isFile()
    } catch {
      return false
    }
  })
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Runs `work` while no other set-up runs in this clone. A lock whose holder is gone is taken over. */
export async function withSetupLock(root, work) {
  const lock = join(root, 'dist', '.setup-lock')
  mkdirSync(dirname(lock), { recursive: true })
  const deadline = Date.now() + LONGEST_LOCK_WAIT_MS
  for (let told = false; ;) {
    try {
      const file = openSync(lock, 'wx')
      writeFileSync(file, String(process.pid))
      closeSync(file)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw new SetupError(`${root} cannot be written (${error.code}): run as its owner`)
    }
    const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : 0)
    // An empty lock is one being written right now; one that stays so was left by a process killed in between.
    const abandoned = holder > 0 ? !isAlive(holder) : Date.now() - newestMtimeMs([lock]) > 2_000
    if (abandoned || Date.now() > deadline) rmSync(lock, { force: true })
    else {
      if (!told) say('waiting for another set-up in this folder')
      told = true
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function say(line) {
  console.error(`signalbox: ${line}`)
}

/** Runs a command to its end without showing what it prints, unless it fails. */
function run(what, command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  if (result.status === 0) return
  const why = result.error?.message ?? (result.signal ? `stopped by ${result.signal}` : `exit code ${result.status}`)
  throw new SetupError(`${what} failed (${why})`, `${result.stdout ?? ''}${result.stderr ?? ''}`.trim())
}

function installPackages(root) {
  say('installing npm packages')
  // The npm that runs us is the one to use, wherever it is. Development packages are needed to build, whatever NODE_ENV says.
  const self = process.env.npm_execpath
  const [command, first] =
    self !== undefined && basename(self) === 'npm-cli.js' ? [process.execPath, [self]] : ['npm', []]
  const args = [...first, 'ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  run('npm ci', command, args, { cwd: root })
  writeFileSync(installedFrom(root), fingerprintOf(root))
}

function build(root) {
  say('building')
  const started = new Date()
  run(
    'the build',
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmitOnError'],
    { cwd: root },
  )
  pruneBuild(root)
  writeFileSync(builtMark(root), '')
  // What is saved while tsc runs is newer than this and is built the next time.
  utimesSync(builtMark(root), started, started)
}

/** Installs Debian packages without starting their services. */
function installWithApt(packages) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () =>
    run(
      `installing ${packages.join(', ')}`,
      'apt-get',
      ['install', '-y', '-q', '--no-install-recommends', ...packages],
      { env: environment },
    )
  const policyIsOurs = !existsSync(POLICY_FILE)
  if (policyIsOurs)
    writeFileSync(
      POLICY_FILE,
      `#!/bin/sh\n# Signalbox: no service is started while process ${process.pid} installs packages.\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`,
      {
        mode: 0o755,
      },
    )
  try {
    try {
      install()
    } catch {
      run('apt-get update', 'apt-get', ['update', '-q'], { env: environment })
      install()
    }
  } finally {
    if (policyIsOurs) rmSync(POLICY_FILE, { force: true })
  }
}

/** What each program we do not bring along is called in Debian and Ubuntu, and what else would do. */
const programs = {
  'redis-server': { package: 'redis-server', instead: ', or set REDIS_URL to a Redis that runs' },
  sipp: { package: 'sip-tester', instead: '' },
}

/**
 * Sees to it that programs are there: installs what is missing when that is possible, else says what to do.
 * @throws {SetupError}
 */
export function providePrograms(names, { path, isRoot, install = installWithApt }) {
  const missing = names.filter((name) => !isOnPath(name, path))
  if (missing.length === 0) return
  const packages = missing.map((name) => programs[name].package)
  const byHand = `${missing.join(' and ')} not found: install with "apt-get install ${packages.join(' ')}"${missing.map((name) => programs[name].instead).join('')}`
  if (!isRoot || !isOnPath('apt-get', path)) throw new SetupError(byHand)
  say(`installing ${packages.join(', ')}`)
  install(packages)
  const still = missing.filter((name) => !isOnPath(name, path))
  if (still.length > 0) throw new SetupError(byHand)
}

/** Whether the configuration leaves Redis to us. A configuration that cannot be read is reported by the command itself. */
async function redisIsOurs(root) {
  const { loadConfig } = await import(pathToFileURL(join(root, 'dist/src/config/index.js')).href)
  try {
    return loadConfig().redis.url === null
  } catch {
    return false
  }
}

async function programsOf(job, rest, root) {
  const onlyHelp = rest.includes('--help') || rest.includes('-h')
  if (job === 'test' || (job === 'bench' && !onlyHelp)) return ['redis-server', 'sipp']
  if (job === 'fuzz' && !onlyHelp) return ['redis-server']
  return job === 'serve' && !onlyHelp && (await redisIsOurs(root)) ? ['redis-server'] : []
}

const entries = {
  serve: 'dist/src/main.js',
  test: 'dist/test/run.js',
  fuzz: 'dist/test/fuzz/run.js',
  bench: 'dist/test/bench/main.js',
}

/** Sets up what `job` (`serve`, `test`, `fuzz`, `bench` or `build`) needs, then runs it with the arguments that follow. */
export async function bootstrap(root, [job = 'serve', ...rest]) {
  // Looked at again under the lock: who had it may have done the work.
  if (job === 'build' || installIsDue(root) || buildIsDue(root) || linkIsDue(root))
    await withSetupLock(root, () => {
      if (installIsDue(root)) installPackages(root)
      if (job === 'build' || buildIsDue(root)) build(root)
      if (linkIsDue(root)) linkCommand(root)
    })
  if (job === 'build') return
  const entry = entries[job]
  if (entry === undefined) throw new SetupError(`"${job}" is not one of serve, test, fuzz, bench, build`)
  providePrograms(await programsOf(job, rest, root), { path: process.env.PATH ?? '', isRoot: process.getuid?.() === 0 })
  const file = join(root, entry)
  process.argv = [process.execPath, file, ...(job === 'serve' ? [job] : []), ...rest]
  await import(pathToFileURL(file).href)
}

async function main() {
  const problem = nodeProblem(process.versions.node)
  if (problem !== undefined) throw new SetupError(problem)
  await bootstrap(dirname(dirname(fileURLToPath(import.meta.url))), process.argv.slice(2))
}

if (
  process.argv[1] !== undefined &&
  existsSync(process.argv[1]) &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  main().catch((error) => {
    if (!(error instanceof SetupError)) throw error
    if (error.output !== '') console.error(error.output)
    say(error.message)
    process.exit(1)
  })
}
