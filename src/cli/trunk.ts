import type { Command } from 'commander'
import type { Trunk } from '../model/trunk.js'
import {
  command,
  connectTo,
  DEFAULT_LIMIT,
  edgeCommand,
  more,
  print,
  readNumber,
  type EdgeOptions,
} from './edge-command.js'
import type { Io } from './io.js'
import { registerCommands } from './registration.js'
import { count, fields, table } from './text.js'

type TrunkView = Trunk & { has_password: boolean; next_hop: string | null }

/** `signalbox trunk`: customers' carriers, trunks and PBXs. */
export function trunkCommand(io: Io): Command {
  const group = command('trunk', "Trunks: customers' carriers and PBXs", 'signalbox trunk list')

  group.addCommand(
    edgeCommand('list', 'List trunks', 'signalbox trunk list')
      .option('--limit <n>', 'trunks at most', DEFAULT_LIMIT)
      .action(async (options: EdgeOptions & { limit: string }) => {
        const limit = readNumber('--limit', options.limit) ?? 0
        const page = await connectTo(options).list<TrunkView>('/v1/trunks', {}, limit)
        print(
          io,
          options,
          page,
          () =>
            table(page.items, {
              TRUNK: (trunk) => trunk.id,
              LABEL: (trunk) => trunk.label,
              'SIP DOMAIN': (trunk) => trunk.sip_domain,
              'NEXT HOP': (trunk) => trunk.next_hop,
              'ALLOWED ADDRESSES': (trunk) => trunk.allowed_addresses,
            }) + `\n${count(page.items.length, 'trunk')}${more(page.next_cursor)}`,
        )
      }),
  )

  group.addCommand(
    edgeCommand('show', 'Show a trunk', 'signalbox trunk show trunk-4f2a')
      .argument('<id>', 'trunk')
      .action(async (id: string, options: EdgeOptions) => {
        const trunk = await connectTo(options).ask<TrunkView>('GET', `/v1/trunks/${encodeURIComponent(id)}`)
        print(io, options, trunk, () => fields(trunk))
      }),
  )
  for (const inner of registerCommands(io)) group.addCommand(inner)
  return group
}
