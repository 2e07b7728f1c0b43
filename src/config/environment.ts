import { parse } from 'yaml'
import type { Problem } from './config-error.js'
import { unknownKey, type Entry, type Layer } from './entry.js'
import { kindAt } from './schema.js'
import { splitContacts } from './values.js'

/** The variables with a name of their own; every other key is `SIGNALBOX__<SECTION>__<KEY>`. */
export const variables: Readonly<Record<string, readonly string[]>> = {
  SIP_CONTACTS: ['sip', 'contacts'],
  SIP_EXTERNAL_IP: ['sip', 'external_ip'],
  HTTP_LISTEN: ['http', 'listen'],
  HTTP_TRUST_PROXY: ['http', 'trust_proxy'],
  REDIS_URL: ['redis', 'url'],
  DRACHTIO_HOST: ['drachtio', 'host'],
  DRACHTIO_PORT: ['drachtio', 'port'],
  DRACHTIO_SECRET: ['drachtio', 'secret'],
  SIGNALBOX_DATA_DIR: ['data', 'dir'],
  SIGNALBOX_ADMIN_TOKEN: ['admin_token'],
  SIGNALBOX_SECRET_KEY: ['secret_key'],
  LOG_LEVEL: ['log', 'level'],
}

const PREFIX = 'SIGNALBOX__'

/**
 * What the environment sets. Values are YAML scalars; lists are comma separated or JSON; an empty variable sets nothing. The
 * variables with a name of their own come last and win.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Layer {
  const entries: Entry[] = []
  const problems: Problem[] = []
  for (const [name, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(PREFIX) || text === undefined || text.trim() === '') continue
    const path = name.slice(PREFIX.length).toLowerCase().split('__')
    const kind = kindAt(path)
    if (kind === undefined) problems.push(unknownKey(path, name))
    else if (kind === 'section')
      problems.push({ path: path.join('.'), source: name, message: `names a section: add a key, ${name}__<KEY>` })
    else entries.push({ path, value: valueOf(path, text), source: name })
  }
  for (const [name, path] of Object.entries(variables)) {
    const text = env[name]
    if (text === undefined || text.trim() === '') continue
    // Other programs that read LOG_LEVEL write it in capitals.
    entries.push({ path, value: valueOf(path, name === 'LOG_LEVEL' ? text.toLowerCase() : text), source: name })
  }
  return { entries, problems }
}

function valueOf(path: readonly string[], text: string): unknown {
  const trimmed = text.trim()
  const kind = kindAt(path)
  if (trimmed === 'null' && (kind === 'list' || kind === 'text')) return null
  if (kind === 'list')
    return path.join('.') === 'sip.contacts' ? listOf(trimmed, splitContacts) : listOf(trimmed, splitCommas)
  if (kind === 'map') return mapOf(trimmed)
  if (kind === 'text') return trimmed
  return scalarOf(trimmed)
}

/** JSON; what is none stays text, and the schema says what was wanted instead. */
function mapOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function listOf(text: string, split: (text: string) => string[]): unknown {
  if (text.startsWith('[') && text.endsWith(']')) {
    try {
      return JSON.parse(text)
    } catch {
      // An IPv6 address begins and ends that way too.
    }
  }
  return split(text)
}

const splitCommas = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** A YAML scalar; what is none stays text, and the schema says what was wanted instead. */
function scalarOf(text: string): unknown {
  try {
    const value: unknown = parse(text, { schema: 'core', logLevel: 'silent' })
    return typeof value === 'object' && value !== null ? text : value
  } catch {
    return text
  }
}
