import type { Command } from 'commander'
import { command, connectTo, edgeWideCommand, print, type EdgeOptions } from './edge-command.js'
import type { Io } from './io.js'
import { listAction } from './resource-actions.js'

interface BanView {
  readonly address: string
  readonly reason: string
  readonly since: string
  readonly until: string
  readonly seconds: number
  readonly offences: number
  readonly dropped: number
}

/** `signalbox ban`: unknown sources that an edge reads nothing of, for a while. */
export function banCommand(io: Io): Command {
  const group = command('ban', 'Sources that an edge has banned for a while', 'signalbox ban list')
  group.addCommand(
    edgeWideCommand(
      'list',
      'List the bans of this edge, the newest first. Each edge has its own, in its memory',
      'signalbox ban list',
      'signalbox ban list --json',
    ).action(
      listAction<BanView>(io, {
        path: '/v1/bans',
        noun: 'ban',
        columns: {
          ADDRESS: (ban) => ban.address,
          REASON: (ban) => ban.reason,
          SINCE: (ban) => ban.since,
          UNTIL: (ban) => ban.until,
          OFFENCES: (ban) => ban.offences,
          DROPPED: (ban) => ban.dropped,
        },
      }),
    ),
  )
  group.addCommand(
    edgeWideCommand(
      'lift',
      'End a ban of this edge, and forget what it was for',
      'signalbox ban lift 203.0.113.9',
      'signalbox ban lift 2001:db8::/64 --json',
    )
      .argument('<address>', 'address, or network as the list shows it')
      .action(async (address: string, options: EdgeOptions) => {
        const ban = await connectTo(options).ask<BanView>('DELETE', `/v1/bans/${encodeURIComponent(address)}`)
        print(io, options, ban, () => `${ban.address} is not banned any more`)
      }),
  )
  return group
}
