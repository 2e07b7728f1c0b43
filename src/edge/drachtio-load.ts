import { readFileSync } from 'node:fs'
import { createRequire, Module } from 'node:module'
import { dirname } from 'node:path'
import { TurnoverMap } from '../engine/index.js'
import { delegatesOr } from './drachtio-delegates.js'
import type { Library, LibraryMessageMaker } from './drachtio-library.js'
import { linkedMessages } from './drachtio-link.js'
import { quickenLibrary } from './drachtio-parser.js'

/** What of a CommonJS module is used to load one by hand. */
interface LoadedModule {
  filename: string
  paths: string[]
  loaded: boolean
  exports: unknown
  require(id: string): unknown
  _compile(source: string, filename: string): void
}

type ModuleType = (new (id: string) => LoadedModule) & { _nodeModulePaths(folder: string): string[] }

type Debug = ((namespace: string) => { readonly enabled: boolean }) & { enabled(namespace: string): boolean }

/** Those that make a text of every message for debug output, whether it is wanted or not; each after what it needs. */
const TALKATIVE = ['sip-parser/message', 'request', 'response', 'dialog', 'wire-protocol', 'drachtio-agent', 'srf']

/**
 * Stands where these modules would look for JSON: what they write with it is debug output. On the first line, so lines keep their
 * numbers. What the agent keeps, a message or two long, passes through maps that let go of it.
 */
const WITHOUT_JSON = "const JSON={stringify(){return ''}};"
const SHORT_MAPS = "const Map=require('turnover-map');"
/** The beginning of a statement that makes a text for debug output. */
const DEBUG_LINE = /^([ \t]*)(debug(?:Socket)?\()/gm

let made: (new () => unknown) | undefined

/**
 * drachtio-srf, ready for many calls: the package's own files, which neither write debug output that nobody reads (unless
 * `DEBUG=drachtio:*` asks for it) nor read messages the long way. Where some other part of this process has loaded it before, as it is.
 * @throws {Error} when the library has no such parts any more
 */
export function createLibrary(): Library {
  made ??= load()
  return new made() as Library
}

function load(): new () => unknown {
  const require = createRequire(import.meta.url)
  const own = createRequire(require.resolve('drachtio-srf'))
  const debug = own('debug') as Debug
  const files = TALKATIVE.map((name) => require.resolve(`drachtio-srf/lib/${name}`))
  const fresh = files.every((file) => require.cache[file] === undefined)
  if (fresh && !debug.enabled('drachtio:agent')) for (const file of files) loadQuiet(file, require.cache)
  quickenLibrary()
  return require('drachtio-srf') as new () => unknown
}

function loadQuiet(file: string, cache: NodeJS.Dict<NodeJS.Module>): void {
  const Type = Module as unknown as ModuleType
  const module = new Type(file)
  module.filename = file
  module.paths = Type._nodeModulePaths(dirname(file))
  const ordinary = module.require.bind(module)
  module.require = (id) => INSTEAD.get(id) ?? (id === 'delegates' ? delegatesOr(ordinary(id)) : ordinary(id))
  cache[file] = module as unknown as NodeJS.Module
  const first = file.endsWith('drachtio-agent.js') ? WITHOUT_JSON + SHORT_MAPS : WITHOUT_JSON
  module._compile(first + readFileSync(file, 'utf8').replace(DEBUG_LINE, '$1if (false) $2'), file)
  if (file.endsWith('message.js')) module.exports = linkedMessages(module.exports as LibraryMessageMaker)
  module.loaded = true
}

const silent = Object.assign((): void => {}, { enabled: false })

const lists = new Map<string, readonly string[]>()

/** The package `only`, with its lists of names taken apart once. The library's are a few, all in its code. */
function only(from: Record<string, unknown> | undefined, names: string | readonly string[]): Record<string, unknown> {
  let list = typeof names === 'string' ? lists.get(names) : names
  if (list === undefined) lists.set(names as string, (list = (names as string).split(/ +/)))
  const picked: Record<string, unknown> = {}
  if (from === undefined || from === null) return picked
  for (const name of list) if (from[name] !== null && from[name] !== undefined) picked[name] = from[name]
  return picked
}

/** What these modules get in the place of what they ask for. */
const INSTEAD: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['debug', () => silent],
  ['only', only],
  ['turnover-map', TurnoverMap],
])
