import { type Command, Option } from 'commander'
import type { Agent } from '../model/agent.js'
import { given } from '../model/given.js'
import {
  addCleared,
  command,
  connectTo,
  DEFAULT_LIMIT,
  edgeCommand,
  print,
  readHeaders,
  readNumber,
  several,
  type EdgeOptions,
} from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { deleteAction, listAction, showAction } from './resource-actions.js'
import { fields } from './text.js'
import { usageCommand } from './usage.js'
import { readPassword } from './trunk-options.js'

type AgentView = Agent & { has_password: boolean; rejected: string | null }

interface SetOptions extends EdgeOptions {
  readonly sipUri?: string
  readonly name?: string
  readonly fallbackSipUri?: string[]
  readonly header?: string[]
  readonly ringTimeout?: string
  readonly channelLimit?: string
  readonly mediaEncryption?: string
  readonly cpsLimit?: string
  readonly minutesPerDay?: string
  readonly maxCallSeconds?: string
  readonly allowedAddress?: string[]
  readonly clear?: string[]
  /** False: take the credentials away. */
  readonly auth?: boolean
  readonly authUsername?: string
  readonly authPasswordStdin?: boolean
}

/** What `--clear` takes away: fields that may be empty, and lists. */
const clearable: Readonly<Record<string, unknown>> = {
  ring_timeout_s: null,
  channel_limit: null,
  cps_limit: null,
  minutes_per_day: null,
  max_call_seconds: null,
  fallback_sip_uris: [],
  allowed_addresses: [],
  headers: {},
}

const at = (id: string): string => `/v1/agents/${encodeURIComponent(id)}`

/** `signalbox agent`: who answers calls. */
export function agentCommand(io: Io): Command {
  const group = command('agent', 'Agents: who answers calls', 'signalbox agent list')
  group.addCommand(setCommand(io))

  group.addCommand(
    edgeCommand('list', 'List agents', 'signalbox agent list', 'signalbox agent list --json')
      .option('--limit <n>', 'agents at most', DEFAULT_LIMIT)
      .action(
        listAction<AgentView>(io, {
          path: '/v1/agents',
          noun: 'agent',
          columns: {
            AGENT: (agent) => agent.id,
            NAME: (agent) => agent.name,
            'SIP URI': (agent) => agent.sip_uri,
            FALLBACKS: (agent) => agent.fallback_sip_uris.length,
            'CHANNEL LIMIT': (agent) => agent.channel_limit,
          },
        }),
      ),
  )

  group.addCommand(
    edgeCommand('show', 'Show an agent', 'signalbox agent show front')
      .argument('<id>', 'agent')
      .action(showAction<AgentView>(io, at, fields)),
  )

  group.addCommand(usageCommand(io, 'agent', 'signalbox agent usage front', at))

  group.addCommand(
    edgeCommand('rm', 'Remove an agent that no number uses', 'signalbox agent rm front')
      .argument('<id>', 'agent')
      .action(deleteAction(io, 'agent', 'removed', at)),
  )
  return group
}

function setCommand(io: Io): Command {
  return edgeCommand(
    'set',
    'Create an agent, or change what is given of one',
    'signalbox agent set front --name "Front desk" --sip-uri sip:agent@127.0.0.1:5090',
    'signalbox agent set front --fallback-sip-uri sip:agent@127.0.0.1:5091',
    'signalbox agent set front --clear channel_limit --clear minutes_per_day',
    'signalbox agent set front --auth-username front --auth-password-stdin --allowed-address 192.0.2.7 < password',
  )
    .argument('<id>', 'agent')
    .argument('[sip-uri]', 'the same as --sip-uri')
    .option('--sip-uri <uri>', 'where its calls go')
    .option('--name <name>', 'for people')
    .option('--fallback-sip-uri <uri>', 'tried when the first does not answer; may be given several times', several)
    .option('--header <"Name: value">', 'extra header of its INVITEs; may be given several times', several)
    .option('--ring-timeout <seconds>', 'how long one address may ring')
    .option('--channel-limit <n>', 'calls at the same time')
    .addOption(
      new Option('--media-encryption <policy>', 'of media on its side').choices(['disabled', 'allowed', 'required']),
    )
    .option('--cps-limit <n>', 'calls a second, to it and placed by it')
    .option('--minutes-per-day <n>', 'minutes of its calls a day, in UTC')
    .option('--max-call-seconds <n>', 'how long a call may last')
    .option('--allowed-address <cidr>', 'where its own calls come from; may be given several times', several)
    .option('--auth-username <user>', 'digest user of its own calls')
    .option('--auth-password-stdin', 'read the password of its own calls from standard input')
    .option('--no-auth', 'take the credentials of its own calls away')
    .option('--clear <field>', `take a field away; several. Of ${Object.keys(clearable).join(', ')}`, several)
    .action(async (id: string, uri: string | undefined, options: SetOptions) => {
      const changes = given({
        sip_uri: options.sipUri ?? uri,
        name: options.name,
        fallback_sip_uris: options.fallbackSipUri,
        headers: readHeaders(options.header),
        ring_timeout_s: readNumber('--ring-timeout', options.ringTimeout),
        channel_limit: readNumber('--channel-limit', options.channelLimit),
        cps_limit: readNumber('--cps-limit', options.cpsLimit),
        minutes_per_day: readNumber('--minutes-per-day', options.minutesPerDay),
        max_call_seconds: readNumber('--max-call-seconds', options.maxCallSeconds),
        allowed_addresses: options.allowedAddress,
        media_encryption: options.mediaEncryption,
      })
      addCleared(changes, options.clear ?? [], clearable)
      if (options.auth === false && (options.authUsername ?? options.authPasswordStdin) !== undefined)
        throw new CliError('--no-auth takes away what the other options set', exitCodes.usage)
      const client = connectTo(options)
      const present = await client.find<AgentView>(at(id))
      if (present === undefined && changes['sip_uri'] === undefined)
        throw new CliError(`there is no agent "${id}" yet: give --sip-uri`, exitCodes.usage)
      const agent = await client.ask<AgentView>('PUT', at(id), {
        ...(present === undefined ? {} : settable(present)),
        ...changes,
        ...(await authOf(id, present, options, io)),
      })
      print(
        io,
        options,
        agent,
        () => `agent ${agent.id} ${present === undefined ? 'created' : 'changed'}: ${agent.sip_uri}`,
      )
    })
}

/** The credentials that the options change; the password that is kept stays when none is given. */
async function authOf(
  id: string,
  present: AgentView | undefined,
  options: SetOptions,
  io: Io,
): Promise<{ auth?: Record<string, unknown> | null }> {
  if (options.auth === false) return { auth: null }
  if (options.authUsername === undefined && options.authPasswordStdin !== true) return {}
  const username = options.authUsername ?? present?.auth?.username
  if (username === undefined)
    throw new CliError(`agent "${id}" has no digest user: give --auth-username`, exitCodes.usage)
  return { auth: options.authPasswordStdin === true ? { username, password: await readPassword(io) } : { username } }
}

/** What of an agent a request may set. */
function settable(agent: AgentView): Record<string, unknown> {
  const { id: _id, account_id: _account, created_at: _created, updated_at: _updated, ...rest } = agent
  const { has_password: _has, rejected: _rejected, ...fields } = rest
  return fields
}
