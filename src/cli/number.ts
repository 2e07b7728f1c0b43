import { Option, type Command } from 'commander'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import {
  command,
  connectTo,
  DEFAULT_LIMIT,
  edgeCommand,
  givenOnly,
  more,
  print,
  readHeaders,
  readNumber,
  several,
  type EdgeOptions,
} from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { count, fields, table } from './text.js'

/** A number as the API shows it, with what belongs to it. */
export interface NumberView extends PhoneNumber {
  readonly trunk: (Trunk & { has_password: boolean; next_hop: string | null }) | null
  readonly origination_uris: string[]
  readonly next_hop: string | null
}

interface ImportOptions extends EdgeOptions {
  readonly [option: string]: string | string[] | boolean | undefined
}

const at = (number: string): string => `/v1/numbers/${encodeURIComponent(number)}`

/** `signalbox number`: the routing table. */
export function numberCommand(io: Io): Command {
  const group = command('number', 'Numbers: which agent answers which', 'signalbox number list')
  group.addCommand(importCommand(io))

  group.addCommand(
    edgeCommand('list', 'List numbers', 'signalbox number list', 'signalbox number list --agent front --json')
      .option('--agent <id>', 'of this agent')
      .option('--trunk <id>', 'on this trunk')
      .option('--limit <n>', 'numbers at most', DEFAULT_LIMIT)
      .action(async (options: EdgeOptions & { agent?: string; trunk?: string; limit: string }) => {
        const limit = readNumber('--limit', options.limit) ?? 0
        const query = { agent_id: options.agent, trunk_id: options.trunk }
        const page = await connectTo(options).list<PhoneNumber>('/v1/numbers', query, limit)
        print(
          io,
          options,
          page,
          () =>
            table(page.items, {
              NUMBER: (number) => number.phone_number,
              LABEL: (number) => number.label,
              'INBOUND AGENT': (number) => number.inbound_agent_id,
              'OUTBOUND AGENTS': (number) => number.outbound_agent_ids.length,
              TRUNK: (number) => number.trunk_id,
              ENABLED: (number) => (number.enabled ? 'yes' : 'no'),
            }) + `\n${count(page.items.length, 'number')}${more(page.next_cursor)}`,
        )
      }),
  )

  group.addCommand(
    edgeCommand('show', 'Show a number with its trunk', 'signalbox number show +14155550100')
      .argument('<number>', 'in any usual spelling')
      .action(async (number: string, options: EdgeOptions) => {
        const view = await connectTo(options).ask<NumberView>('GET', at(number))
        print(io, options, view, () => describe(view))
      }),
  )

  group.addCommand(
    edgeCommand('rm', 'Remove a number; its trunk stays', 'signalbox number rm +14155550100')
      .argument('<number>', 'in any usual spelling')
      .action(async (number: string, options: EdgeOptions) => {
        await connectTo(options).ask('DELETE', at(number))
        print(io, options, { removed: number }, () => `number ${number} removed`)
      }),
  )
  return group
}

function describe({ trunk, origination_uris, next_hop, ...number }: NumberView): string {
  const ofTrunk =
    trunk === null ? {} : Object.fromEntries(Object.entries(trunk).map(([name, value]) => [`trunk.${name}`, value]))
  return fields({ ...number, ...ofTrunk, origination_uris, next_hop })
}

/** Options that are one field of the request each, with the same words. */
const texts: Record<string, string> = {
  '--label <text>': 'for people',
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
  '--number-format <format>': ['how the trunk wants numbers', ['+e164', 'e164', 'national']],
}

function importCommand(io: Io): Command {
  const importing = edgeCommand(
    'import',
    'Add a number, on an existing trunk or with the fields of one',
    'signalbox number import +14155550100 --agent front --allowed-address 192.0.2.0/24',
    'signalbox number import "(415) 555-0100" --country US --agent front --sip-domain pbx.example.com \\\n' +
      '      --username u --password-stdin --outbound-proxy "sip:192.0.2.7:5065;transport=tcp" --register < password',
  )
    .argument('<number>', 'in any usual spelling')
    .option('--agent <id>', 'who answers its calls')
    .addOption(new Option('--inbound-agent <id>', 'the same as --agent').hideHelp())
    .option('--outbound-agent <id>', 'who may call with it; may be given several times', several)
    .option('--replace', 'take the number over from the agent it has now')
    .option('--extension', 'the number is an extension or another id, not a phone number')
    .option('--disabled', 'refuse its calls for now')
    .option('--trunk <id>', 'an existing trunk, in place of the options below')
  for (const [flags, description] of Object.entries(texts)) importing.option(flags, description)
  for (const [flags, [description, values]] of Object.entries(choices))
    importing.addOption(new Option(flags, description).choices(values))
  return importing
    .option('--password <password>', 'password at the trunk; others on this machine can see it while the command runs')
    .option('--password-stdin', 'read the password from standard input')
    .option('--register', 'register at the trunk')
    .option('--register-expires <seconds>', 'registration interval to ask for')
    .option('--allowed-address <cidr>', 'where its calls come from; may be given several times', several)
    .option(
      '--did-from <source>',
      'where the dialled number is read: request-uri, to, header:X ...; several, in order',
      several,
    )
    .option('--channel-limit <n>', 'calls at the same time')
    .option('--cps-limit <n>', 'calls a second')
    .option('--header <"Name: value">', 'extra header on INVITEs to the agent; may be given several times', several)
    .action(async (number: string, options: ImportOptions) => {
      const body = await importBody(number, options, io)
      const view = await connectTo(options).ask<NumberView>('POST', '/v1/numbers', body)
      print(io, options, view, () =>
        [
          `number ${view.phone_number} imported on trunk ${view.trunk_id}`,
          fields({
            agent: view.inbound_agent_id,
            'send calls to': view.origination_uris,
            'calls go to': view.next_hop,
            'source addresses': view.trunk?.allowed_addresses,
          }),
        ].join('\n'),
      )
    })
}

/** The request that the options stand for. */
export async function importBody(number: string, options: ImportOptions, io: Io): Promise<Record<string, unknown>> {
  const text = (name: string): string | undefined => {
    const value = options[name]
    return typeof value === 'string' ? value : undefined
  }
  const list = (name: string): string[] | undefined => {
    const value = options[name]
    return Array.isArray(value) ? value : undefined
  }
  if (options['password'] !== undefined && options['passwordStdin'] === true)
    throw new CliError('give --password or --password-stdin, not both', exitCodes.usage)
  const expires = readNumber('--register-expires', text('registerExpires'))
  const registers = options['register'] === true || expires !== undefined
  return givenOnly({
    phone_number: number,
    kind: options['extension'] === true ? 'extension' : undefined,
    inbound_agent_id: text('agent') ?? text('inboundAgent'),
    outbound_agent_ids: list('outboundAgent'),
    replace: options['replace'] === true ? true : undefined,
    enabled: options['disabled'] === true ? false : undefined,
    trunk_id: text('trunk'),
    ...Object.fromEntries(
      [...Object.keys(texts), ...Object.keys(choices)].map((flags) => {
        const words = (flags.split(' ')[0] ?? '').slice(2).split('-')
        const camel = words.map((word, at) => (at === 0 ? word : (word[0] ?? '').toUpperCase() + word.slice(1)))
        return [words.join('_'), text(camel.join(''))]
      }),
    ),
    // A line break at its end is the file's or the terminal's, not the password's.
    password: options['passwordStdin'] === true ? (await io.readInput()).replace(/\r?\n$/, '') : text('password'),
    register: registers ? givenOnly({ enabled: true, expires }) : undefined,
    allowed_addresses: list('allowedAddress'),
    did_from: list('didFrom'),
    channel_limit: readNumber('--channel-limit', text('channelLimit')),
    cps_limit: readNumber('--cps-limit', text('cpsLimit')),
    headers: readHeaders(list('header')),
  })
}
