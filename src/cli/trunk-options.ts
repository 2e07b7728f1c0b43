import { readFile } from 'node:fs/promises'
import { Option, type Command } from 'commander'
import { given } from '../model/given.js'
import { readHeaders, readNumber, several } from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'

/** What commander makes of a command line. */
export interface RawOptions {
  readonly [option: string]: string | string[] | boolean | undefined
}

/** Options that are one field of a trunk each, with the same words. */
const texts: Record<string, string> = {
  '--sip-domain <host>': "the trunk's domain: host[:port]",
  '--username <user>': 'user at the trunk',
  '--auth-username <user>': 'user for digest, when it differs',
  '--outbound-proxy <proxy>': 'where requests go in place of the domain: sip:host:port;transport=tcp',
  '--from-user <user>': 'user part of From',
  '--from-domain <host>': 'domain of From',
  '--country <code>': 'country of national spellings, such as US',
}

const choices: Record<string, readonly [description: string, values: readonly string[]]> = {
  '--transport <transport>': ['when the proxy names none', ['udp', 'tcp', 'tls']],
  '--caller-id <header>': [
    'header that carries the caller',
    ['from', 'p-asserted-identity', 'p-preferred-identity', 'remote-party-id'],
  ],
  '--media-encryption <policy>': ['of media on its side', ['disabled', 'allowed', 'required']],
  '--number-format <format>': ['how the trunk wants numbers', ['+e164', 'e164', 'national']],
}

const lists: Record<string, string> = {
  '--allowed-address <cidr>': 'where its calls come from; may be given several times',
  '--require <rule>': 'what its calls must show: address or digest; both by giving it twice',
  '--did-from <source>': 'where the dialled number is read: request-uri, to, header:X ...; several, in order',
  '--allowed-extension <pattern>': 'extensions agents may call on it: 200 or 2*; may be given several times',
  '--allowed-destination <where>': 'where its calls may go: DE, +4420 or "*"; may be given several times',
  '--pass-header <name>': "X- header of an agent's INVITE that reaches it; may be given several times",
}

/** Adds the options for a trunk's fields. */
export function addTrunkOptions(command: Command): Command {
  for (const [flags, description] of Object.entries(texts)) command.option(flags, description)
  for (const [flags, [description, values]] of Object.entries(choices))
    command.addOption(new Option(flags, description).choices(values))
  command
    .option('--password <password>', 'password at the trunk; others on this machine can see it while the command runs')
    .option('--password-stdin', 'read the password from standard input')
    .option('--register', 'register at the trunk')
    .option('--no-register', 'do not register')
    .option('--register-expires <seconds>', 'registration interval to ask for')
    .option('--register-in', 'it registers to us, with its inbound-auth user')
    .option('--no-register-in', 'it does not register to us')
    .option('--ping', 'probe its servers by OPTIONS')
    .option('--no-ping', 'do not probe')
    .option('--ping-interval <seconds>', 'time between two probes')
    .option('--inbound-auth-username <user>', 'user that calls from the trunk must show by digest')
    .option('--inbound-auth-password <password>', 'its password; others on this machine can see it meanwhile')
    .option('--inbound-auth-password-stdin', 'read that password from standard input')
    .option('--inbound-auth-realm <realm>', 'realm of our challenge')
    .option('--tls-server-name <host>', 'name told in the TLS handshake, and that certificates must be for')
    .option('--tls-ca-file <pem>', 'file on this machine: the authorities that must vouch for its servers')
    .option('--tls-client-certificate <name>', 'which of sip.tls.named_certificates is shown to its servers')
    .option('--tls-pinned-name <host>', 'the name that certificates must be for, when it is another')
    .option('--tls-pinned-sha256 <hex>', 'a certificate or public key that must be shown; several', several)
    .option('--tls-verify', 'verify authority and name of its servers')
    .option('--no-tls-verify', 'do not: only pins count')
  for (const [flags, description] of Object.entries(lists)) command.option(flags, description, several)
  return command
    .option('--trust-identity', 'believe the caller it asserts: P-Asserted-Identity, Diversion and the like')
    .option('--no-trust-identity', 'believe From alone')
    .option('--channel-limit <n>', 'calls at the same time')
    .option('--cps-limit <n>', 'calls placed a second')
    .option('--minutes-per-day <n>', 'minutes of its calls a day, in UTC')
    .option('--outbound-minutes-per-day <n>', 'minutes of calls placed on it a day, in UTC')
    .option('--max-call-seconds <n>', 'how long a call may last')
    .option('--header <"Name: value">', 'extra header on its INVITEs; may be given several times', several)
}

/** The option's value, when it has one. */
export const textOf = (options: RawOptions, name: string): string | undefined => {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

const listOf = (options: RawOptions, name: string): string[] | undefined => {
  const value = options[name]
  return Array.isArray(value) ? value : undefined
}

const switchOf = (options: RawOptions, name: string): boolean | undefined => {
  const value = options[name]
  return typeof value === 'boolean' ? value : undefined
}

/** `--sip-domain <host>` as the name commander gives it, and as the API does. */
function namesOf(flags: string): { option: string; words: string } {
  const words = (flags.split(' ')[0] ?? '').slice(2).split('-')
  const option = words.map((word, at) => (at === 0 ? word : (word[0] ?? '').toUpperCase() + word.slice(1))).join('')
  return { option, words: words.join('_') }
}

/** Lists are named in the plural by the API. */
const plurals: Record<string, string> = {
  allowed_address: 'allowed_addresses',
  allowed_extension: 'allowed_extensions',
  allowed_destination: 'allowed_destinations',
  pass_header: 'pass_headers',
}

/** A group of fields, undefined when none of them was given. */
const group = (values: Record<string, unknown>): Record<string, unknown> | undefined => {
  const fields = given(values)
  return Object.keys(fields).length === 0 ? undefined : fields
}

/** The trunk fields that the options stand for. @throws {CliError} */
export async function trunkFieldsOf(options: RawOptions, io: Io): Promise<Record<string, unknown>> {
  const [password, inboundPassword] = await passwordsOf(options, io)
  return given({
    ...Object.fromEntries(
      [...Object.keys(texts), ...Object.keys(choices)].map((flags) => {
        const { option, words } = namesOf(flags)
        return [words, textOf(options, option)]
      }),
    ),
    password,
    register: group({
      enabled: switchOf(options, 'register'),
      expires: readNumber('--register-expires', textOf(options, 'registerExpires')),
    }),
    register_in: switchOf(options, 'registerIn'),
    ping: group({
      enabled: switchOf(options, 'ping'),
      interval_s: readNumber('--ping-interval', textOf(options, 'pingInterval')),
    }),
    inbound_auth: group({
      username: textOf(options, 'inboundAuthUsername'),
      password: inboundPassword,
      realm: textOf(options, 'inboundAuthRealm'),
    }),
    tls: group({
      server_name: textOf(options, 'tlsServerName'),
      ca: await pemOf(textOf(options, 'tlsCaFile')),
      client_certificate: textOf(options, 'tlsClientCertificate'),
      pinned_name: textOf(options, 'tlsPinnedName'),
      pinned_sha256: listOf(options, 'tlsPinnedSha256'),
      verify: switchOf(options, 'tlsVerify'),
    }),
    ...Object.fromEntries(
      Object.keys(lists).map((flags) => {
        const { option, words } = namesOf(flags)
        return [plurals[words] ?? words, listOf(options, option)]
      }),
    ),
    trust_identity: switchOf(options, 'trustIdentity'),
    channel_limit: readNumber('--channel-limit', textOf(options, 'channelLimit')),
    cps_limit: readNumber('--cps-limit', textOf(options, 'cpsLimit')),
    minutes_per_day: readNumber('--minutes-per-day', textOf(options, 'minutesPerDay')),
    outbound_minutes_per_day: readNumber('--outbound-minutes-per-day', textOf(options, 'outboundMinutesPerDay')),
    max_call_seconds: readNumber('--max-call-seconds', textOf(options, 'maxCallSeconds')),
    headers: readHeaders(listOf(options, 'header')),
  })
}

/** Certificates of a file on this machine. A key stays there. @throws {CliError} */
async function pemOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new CliError(`--tls-ca-file ${file} cannot be read (${why})`, exitCodes.usage, { cause: error })
  }
  if (text.includes('PRIVATE KEY'))
    throw new CliError(`--tls-ca-file ${file} holds a private key: name a file of certificates only`, exitCodes.usage)
  return text
}

async function passwordsOf(options: RawOptions, io: Io): Promise<[string | undefined, string | undefined]> {
  const rows = [
    ['password', '--password'],
    ['inboundAuthPassword', '--inbound-auth-password'],
  ] as const
  const fromInput = rows.filter(([name]) => options[`${name}Stdin`] === true)
  for (const [name, flag] of fromInput)
    if (options[name] !== undefined) throw new CliError(`give ${flag} or ${flag}-stdin, not both`, exitCodes.usage)
  if (fromInput.length > 1)
    throw new CliError('standard input holds one password: give the other by its option', exitCodes.usage)
  const input = fromInput.length === 0 ? undefined : await readPassword(io)
  const read = (name: string): string | undefined => (options[`${name}Stdin`] === true ? input : textOf(options, name))
  return [read('password'), read('inboundAuthPassword')]
}

/** A password from standard input. A line break at its end is the file's or the terminal's, not the password's. */
export const readPassword = async (io: Io): Promise<string> => (await io.readInput()).replace(/\r?\n$/, '')
