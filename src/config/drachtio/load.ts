import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError, type Problem } from '../config-error.js'
import { Layer, type DrachtioContact, type DrachtioSettings } from './layer.js'
import { noEffects, settings, type SettingName } from './settings.js'
import { externalIp, localNet, names } from './values.js'
import { readXmlSettings } from './xml-file.js'

const DEFAULT_FILE = '/etc/drachtio.conf.xml'

/** A contact of the command line, as it was written. */
export interface ContactFlag {
  readonly contact: string
  externalIp?: string
  localNet?: string
  dnsNames?: string[]
}

/** A command line, before anything in it is understood. */
export interface DrachtioFlags {
  /** Texts of the settings that are one value; of a flag without a value, `true`. */
  readonly values?: { readonly [name in SettingName]?: string }
  readonly contacts?: readonly ContactFlag[]
  /** Given before any contact: it is for all that have none. */
  readonly externalIp?: string | undefined
  /** The XML file; undefined: what the environment names, else the usual one if it is there. */
  readonly file?: string | undefined
  /** No XML file is read. */
  readonly noConfig?: boolean | undefined
  /** Flags with no effect, by the text that `noEffects` has for them. */
  readonly noEffect?: readonly string[]
  /** What is no flag that anybody knows. */
  readonly unknown?: readonly string[]
}

export interface LoadDrachtioOptions {
  /** Environment variables; the process's own when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Read when no other is named, if it is there. */
  readonly usualFile?: string
}

/** What an operator of drachtio-server has set. */
export interface Drachtio {
  readonly settings: DrachtioSettings
  /** One line each: what was given and has no effect. */
  readonly ignored: readonly string[]
}

/**
 * What drachtio-server would read: the command line, over the environment, over the XML file.
 *
 * @throws {ConfigError} with all that is wrong in any of them
 */
export function loadDrachtio(
  flags: DrachtioFlags,
  { env = process.env, usualFile = DEFAULT_FILE }: LoadDrachtioOptions = {},
): Drachtio {
  const file = xmlFile(flags, env, usualFile)
  const layers = [
    ...(file === undefined ? [] : [readXmlSettings(file)]),
    readEnvironment(env),
    readFlags(flags),
  ] as const
  const merged = mergeOf(layers.map((layer) => layer.settings))
  const problems = [...layers.flatMap((layer) => layer.problems), ...contradictions(merged)]
  if (layers.some(({ settings, problems }) => settings.contacts?.length === 0 && problems.length === 0))
    problems.push({ path: 'contact', message: 'none is left that can be listened on' })
  if (problems.length > 0) throw new ConfigError(problems)
  // The file's own default is another one.
  if (merged.blacklistRefreshS === undefined && hasBlacklist(merged))
    merged.blacklistRefreshS = file !== undefined && hasBlacklist(layers[0].settings) ? 3_600 : 300
  return { settings: merged, ignored: layers.flatMap((layer) => layer.ignored) }
}

function xmlFile(
  { file, noConfig }: DrachtioFlags,
  env: Readonly<Record<string, string | undefined>>,
  usual: string,
): string | undefined {
  if (noConfig === true) return undefined
  const named = file ?? (env.DRACHTIO_CONFIG_FILE_PATH?.trim() || undefined)
  if (named !== undefined) return resolve(named)
  return existsSync(usual) ? usual : undefined
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>): Layer {
  const layer = new Layer()
  for (const [name, { env: variable }] of Object.entries(settings)) {
    const text = variable === undefined ? '' : (env[variable]?.trim() ?? '')
    // An empty variable sets nothing.
    if (variable !== undefined && text !== '') layer.set(name as SettingName, text, variable)
  }
  for (const { env: variables = [], why } of noEffects)
    for (const variable of variables) if (env[variable]?.trim()) layer.ignore(variable, why)
  return layer
}

function readFlags({ values = {}, contacts, externalIp: ip, noEffect = [], unknown = [] }: DrachtioFlags): Layer {
  const layer = new Layer()
  for (const [name, text] of Object.entries(values)) layer.set(name as SettingName, text, longOf(name as SettingName))
  if (contacts !== undefined) layer.settings.contacts = contacts.flatMap((flag) => contactOf(flag, layer))
  if (ip !== undefined) layer.guard('--external-ip', undefined, () => (layer.settings.externalIp = externalIp(ip)))
  for (const { flag, why } of noEffects)
    if (flag !== undefined && noEffect.includes(flag)) layer.ignore(longName(flag), why)
  for (const one of unknown) layer.ignore(one, 'it is not known')
  return layer
}

function contactOf(flag: ContactFlag, layer: Layer): DrachtioContact[] {
  const uri = layer.contact(flag.contact, '--contact')
  let extras: Omit<DrachtioContact, 'uri'> = {}
  const add = (option: string, more: () => Omit<DrachtioContact, 'uri'>): void =>
    layer.guard(option, undefined, () => (extras = { ...extras, ...more() }))
  const { externalIp: ip, localNet: net, dnsNames } = flag
  if (ip !== undefined) add('--external-ip', () => ({ externalIp: externalIp(ip) }))
  if (net !== undefined) add('--local-net', () => ({ localNet: localNet(net) }))
  if (dnsNames !== undefined) add('--dns-name', () => ({ dnsNames: dnsNames.flatMap(names) }))
  return uri === undefined ? [] : [{ uri, ...extras }]
}

/** Later ones stand over earlier ones. A handler of the environment or the command line takes the place of all in the file. */
function mergeOf(layers: readonly DrachtioSettings[]): DrachtioSettings {
  const merged = Object.assign({}, ...layers) as DrachtioSettings
  const { httpHandler, httpMethod } = merged
  if (httpHandler !== undefined)
    merged.requestHandlers = [
      {
        method: '*',
        httpMethod: httpMethod === 'post' ? 'POST' : 'GET',
        url: httpHandler,
        // Applications that are dialled themselves are not asked who they are.
        verifyPeer: /^https:/i.test(httpHandler),
      },
    ]
  return merged
}

const hasBlacklist = ({ blacklistAddress, blacklistSentinels }: DrachtioSettings): boolean =>
  blacklistAddress !== undefined || blacklistSentinels !== undefined

/** What is wrong between settings. */
function contradictions(merged: DrachtioSettings): Problem[] {
  const problems: Problem[] = []
  const { blacklistKey, blacklistMaster, blacklistSentinels, keyFile, certFile } = merged
  if (hasBlacklist(merged) && blacklistKey === undefined)
    problems.push({ path: 'blacklist', message: 'needs the key of the set: --blacklist-redis-key, redis-key' })
  if (blacklistSentinels !== undefined && blacklistMaster === undefined)
    problems.push({ path: 'blacklist', message: 'sentinels need --blacklist-redis-master, redis-master' })
  if (certFile !== undefined && keyFile === undefined)
    problems.push({ path: 'tls', message: 'the certificate needs its key: --key-file, key-file' })
  return problems
}

/** `--port` of `-p, --port <port>`. */
export const longName = (flag: string): string => /--[a-z0-9-]+/.exec(flag)?.[0] ?? flag

const longOf = (name: SettingName): string => longName(('flag' in settings[name] && settings[name].flag) || name)
