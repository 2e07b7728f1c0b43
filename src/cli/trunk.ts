import type { Command } from 'commander'
import type { Trunk } from '../model/trunk.js'
import {
  addCleared,
  command,
  connectTo,
  DEFAULT_LIMIT,
  edgeCommand,
  print,
  several,
  type EdgeOptions,
} from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { registerCommands } from './registration.js'
import { deleteAction, listAction, showAction } from './resource-actions.js'
import { fields, table } from './text.js'
import { usageCommand } from './usage.js'
import { addTrunkOptions, trunkFieldsOf, type RawOptions } from './trunk-options.js'

/** A trunk as the API shows it. */
export type TrunkView = Trunk & {
  readonly has_password: boolean
  readonly has_inbound_password: boolean
  readonly next_hop: string | null
  readonly registration_next_hop: string | null
}

interface ServersView {
  readonly items: readonly { readonly target: string; readonly state: string; readonly avoided_until: string | null }[]
  readonly problem: string | null
}

type SetOptions = EdgeOptions & RawOptions

const at = (id: string): string => `/v1/trunks/${encodeURIComponent(id)}`

/** `signalbox trunk`: customers' carriers, trunks and PBXs. */
export function trunkCommand(io: Io): Command {
  const group = command('trunk', "Trunks: customers' carriers and PBXs", 'signalbox trunk list')

  group.addCommand(
    edgeCommand('list', 'List trunks', 'signalbox trunk list')
      .option('--limit <n>', 'trunks at most', DEFAULT_LIMIT)
      .action(
        listAction<TrunkView>(io, {
          path: '/v1/trunks',
          noun: 'trunk',
          columns: {
            TRUNK: (trunk) => trunk.id,
            LABEL: (trunk) => trunk.label,
            'SIP DOMAIN': (trunk) => trunk.sip_domain,
            'NEXT HOP': (trunk) => trunk.next_hop,
            'ALLOWED ADDRESSES': (trunk) => trunk.allowed_addresses,
          },
        }),
      ),
  )

  group.addCommand(
    edgeCommand('show', 'Show a trunk', 'signalbox trunk show trunk-4f2a')
      .argument('<id>', 'trunk')
      .action(showAction<TrunkView>(io, at, fields)),
  )

  group.addCommand(
    edgeCommand(
      'servers',
      'Show where calls to a trunk go now, and whether its servers answer',
      'signalbox trunk servers trunk-4f2a',
    )
      .argument('<id>', 'trunk')
      .action(showAction<ServersView>(io, (id) => `${at(id)}/servers`, describeServers)),
  )
  group.addCommand(usageCommand(io, 'trunk', 'signalbox trunk usage trunk-4f2a', at))
  for (const inner of registerCommands(io)) group.addCommand(inner)
  group.addCommand(setCommand(io))

  group.addCommand(
    edgeCommand('rm', 'Remove a trunk that no number uses, and its passwords', 'signalbox trunk rm trunk-4f2a')
      .argument('<id>', 'trunk')
      .action(deleteAction(io, 'trunk', 'removed', at)),
  )
  return group
}

const describeServers = ({ items, problem }: ServersView): string =>
  problem ??
  table(items, {
    SERVER: (server) => server.target,
    STATE: (server) => server.state,
    'TRIED LAST UNTIL': (server) => server.avoided_until,
  })

/** What `--clear` takes away: fields that may be empty, and lists. */
const clearable: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(
    (
      'sip_domain username password auth_username outbound_proxy transport from_user from_domain country inbound_auth tls channel_limit ' +
      'cps_limit minutes_per_day outbound_minutes_per_day max_call_seconds allowed_destinations'
    )
      .split(' ')
      .map((name) => [name, null]),
  ),
  label: '',
  allowed_addresses: [],
  require: [],
  allowed_extensions: [],
  pass_headers: [],
  headers: {},
}

function setCommand(io: Io): Command {
  const setting = edgeCommand(
    'set',
    'Change what is given of a trunk; the rest stays',
    'signalbox trunk set trunk-4f2a --outbound-proxy "sip:192.0.2.7:5065;transport=tcp" --register',
    'signalbox trunk set trunk-4f2a --password-stdin < password',
    'signalbox trunk set trunk-4f2a --clear outbound_proxy --clear inbound_auth',
  )
    .argument('<id>', 'trunk')
    .option('--label <text>', 'for people')
  return addTrunkOptions(setting)
    .option('--clear <field>', `take a field away; several. Of ${Object.keys(clearable).join(', ')}`, several)
    .action(async (id: string, options: SetOptions) => {
      const changes = await trunkFieldsOf(options, io)
      if (typeof options['label'] === 'string') changes['label'] = options['label']
      addCleared(changes, Array.isArray(options['clear']) ? options['clear'] : [], clearable)
      if (Object.keys(changes).length === 0) throw new CliError('say what to change', exitCodes.usage)
      const trunk = await connectTo(options).ask<TrunkView>('PATCH', at(id), changes)
      print(io, options, trunk, () => `trunk ${trunk.id} changed\n${fields(trunk)}`)
    })
}
