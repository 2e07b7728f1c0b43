import type { Command } from 'commander'
import type { ListedAuditEntry } from '../model/audit.js'
import { command, connectTo, edgeCommand, more, print, readNumber, type EdgeOptions } from './edge-command.js'
import type { Io } from './io.js'
import { count, table } from './text.js'

interface ListOptions extends EdgeOptions {
  readonly object?: string
  readonly since?: string
  readonly limit: string
}

/** `signalbox audit`: who changed what. */
export function auditCommand(io: Io): Command {
  const group = command('audit', 'Who changed what through the API', 'signalbox audit list')
  group.addCommand(
    edgeCommand(
      'list',
      'List changes and refused attempts, newest first',
      'signalbox audit list --limit 20',
      'signalbox audit list --object +14155550100 --since 2026-01-31T12:00:00Z --json',
    )
      .option('--object <id>', 'changes of this number, trunk, agent, call or token')
      .option('--since <instant>', 'changes made then or later: 2026-01-31T12:00:00Z')
      .option('--limit <n>', 'entries at most', '50')
      .action(async (options: ListOptions) => {
        const query = { object: options.object, since: options.since }
        const limit = readNumber('--limit', options.limit) ?? 0
        const page = await connectTo(options).list<ListedAuditEntry>('/v1/audit', query, limit)
        print(
          io,
          options,
          page,
          () =>
            table(page.items, {
              AT: (entry) => entry.at,
              BY: (entry) => entry.by.name,
              VIA: (entry) => entry.via,
              FROM: (entry) => entry.source_address,
              ACTION: (entry) => (entry.outcome === 'refused' ? `${entry.action} (refused)` : entry.action),
              OBJECT: (entry) => entry.object,
              ACCOUNT: (entry) => entry.account_id ?? 'all',
              BEFORE: (entry) => brief(entry.before),
              AFTER: (entry) => brief(entry.after),
            }) + `\n${count(page.items.length, 'entry').replace('entrys', 'entries')}${more(page.next_cursor)}`,
        )
      }),
  )
  return group
}

const MAX_SHOWN = 60

/** A value for a column; --json has all of it. */
function brief(fields: object | null): string | null {
  if (fields === null) return null
  const text = JSON.stringify(fields)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
}
