import { Command } from 'commander'
import { loadConfig, readAdminToken, readInstance } from '../config/index.js'
import { isLoopbackHost } from '../model/network.js'
import { Client, type EdgeAddress } from './client.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'

export interface EdgeOptions {
  readonly url?: string
  readonly token?: string
  readonly json?: boolean
  /** What is asked, and changed, is this account's. */
  readonly account?: string | undefined
}

/** A command with an example in its help. */
export function command(name: string, description: string, ...examples: string[]): Command {
  return new Command(name)
    .description(description)
    .addHelpText(
      'after',
      ['', examples.length > 1 ? 'Examples:' : 'Example:', ...examples.map((line) => `  $ ${line}`)].join('\n'),
    )
}

/** A command that asks a running edge for what belongs to accounts: with --account, --url, --token and --json. */
export function edgeCommand(name: string, description: string, ...examples: string[]): Command {
  return edgeWideCommand(name, description, ...examples).option(
    '--account <id>',
    'whose; else the account of the token, or `default`',
  )
}

/** A command that asks a running edge: with --url, --token and --json. */
export function edgeWideCommand(name: string, description: string, ...examples: string[]): Command {
  return command(name, description, ...examples)
    .option('--url <url>', 'REST API of the edge; else that of the instance on this machine')
    .option('--token <token>', 'bearer token; else SIGNALBOX_ADMIN_TOKEN or that of the data folder')
    .option('--json', 'print JSON')
}

/** The edge that the options name, else the one that runs with the data folder. @throws {CliError, ConfigError} */
export function findEdge(options: EdgeOptions): EdgeAddress {
  const url = options.url === undefined ? undefined : readUrl(options.url)
  const mayBePinned = url === undefined || (url.startsWith('https:') && isLoopback(url))
  if (url !== undefined && options.token !== undefined && !mayBePinned) return { url, token: options.token }
  const config = loadConfig()
  const found =
    url ??
    readInstance(config)?.http_url ??
    `${config.http.tls.certificate_file === null ? 'http' : 'https'}://${config.http.listen}`
  // The token of the data folder is for this machine; a configured one is for whatever the user points at.
  const own = url === undefined || isLoopback(url) ? readAdminToken(config) : (config.admin_token ?? undefined)
  const certificateFile = mayBePinned ? (config.http.tls.certificate_file ?? undefined) : undefined
  return { url: found, token: options.token ?? own, certificateFile }
}

export const connectTo = (options: EdgeOptions): Client => new Client(findEdge(options), options.account)

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new CliError(`--url ${text} is not a URL such as http://127.0.0.1:8080`, exitCodes.usage)
  return url.origin
}

const isLoopback = (url: string): boolean => isLoopbackHost(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))

/** Prints an answer as JSON, or as text when that was not asked for. */
export function print(io: Io, options: EdgeOptions, value: unknown, text: () => string): void {
  io.out(options.json === true ? JSON.stringify(value, null, 2) : text())
}

/** Collects an option that may be given several times. */
export const several = (value: string, before: string[] = []): string[] => [...before, value]

/** Reads `Name: value` pairs of --header. @throws {CliError} */
export function readHeaders(lines: readonly string[] | undefined): Record<string, string> | undefined {
  if (lines === undefined) return undefined
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      if (colon <= 0) throw new CliError(`--header "${line}" is not "Name: value"`, exitCodes.usage)
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
    }),
  )
}

/** Reads a number given on the command line. @throws {CliError} */
export function readNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) throw new CliError(`${option} ${text} is not a number`, exitCodes.usage)
  return value
}

/** Adds what `--clear` takes away to the changes. @param clearable fields that may be cleared, and what they are then @throws {CliError} */
export function addCleared(
  changes: Record<string, unknown>,
  cleared: readonly string[],
  clearable: Readonly<Record<string, unknown>>,
): void {
  for (const field of cleared) {
    if (!Object.hasOwn(clearable, field)) throw new CliError(`--clear ${field}: no such field`, exitCodes.usage)
    if (changes[field] !== undefined)
      throw new CliError(`--clear ${field} contradicts the option that sets it`, exitCodes.usage)
    changes[field] = clearable[field]
  }
}

/** `--limit` of lists. */
export const DEFAULT_LIMIT = '10000'

/** What is said under a list that was cut. */
export const more = (next: string | null): string => (next === null ? '' : '\nThere are more: raise --limit.')
