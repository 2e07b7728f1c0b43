import type { Command } from 'commander'
import type { ListedAuditEntry } from '../model/audit.js'
import { command, edgeCommand } from './edge-command.js'
import type { Io } from './io.js'
import { listAction } from './resource-actions.js'

interface ListOptions {
  readonly object?: string
  readonly since?: string
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
      .action(
        listAction<ListedAuditEntry, ListOptions>(io, {
          path: '/v1/audit',
          query: ({ object, since }) => ({ object, since }),
          noun: 'entry',
          columns: {
            AT: (entry) => entry.at,
            BY: (entry) => entry.by.name,
            VIA: (entry) => entry.via,
            FROM: (entry) => entry.source_address,
            ACTION: (entry) => (entry.outcome === 'refused' ? `${entry.action} (refused)` : entry.action),
            OBJECT: (entry) => entry.object,
            ACCOUNT: (entry) => entry.account_id ?? 'all',
            BEFORE: (entry) => brief(entry.before),
            AFTER: (entry) => brief(entry.after),
          },
        }),
      ),
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
