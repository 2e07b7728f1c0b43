import type { Command } from 'commander'
import type { Cdr } from '../model/call.js'
import { command, edgeCommand } from './edge-command.js'
import type { Io } from './io.js'
import { listAction } from './resource-actions.js'
import type { Columns } from './text.js'

export const cdrColumns: Columns<Cdr> = {
  ENDED: (cdr) => cdr.ended_at,
  CALL: (cdr) => cdr.call_id,
  FROM: (cdr) => cdr.from,
  TO: (cdr) => cdr.to,
  AGENT: (cdr) => cdr.agent_id,
  RESULT: (cdr) => cdr.result,
  SIP: (cdr) => `${cdr.leg_a_status ?? '-'}/${cdr.leg_b_status ?? '-'}`,
  'SETUP MS': (cdr) => cdr.setup_ms,
  SECONDS: (cdr) => cdr.duration_s,
  'ENDED BY': (cdr) => cdr.ended_by,
}

/** `signalbox cdr`: records of ended calls. */
export function cdrCommand(io: Io): Command {
  const group = command('cdr', 'Records of ended calls', 'signalbox cdr list')
  group.addCommand(
    edgeCommand(
      'list',
      'List records, newest first',
      'signalbox cdr list --limit 20',
      'signalbox cdr list --number +14155550100',
    )
      .option('--number <number>', 'calls for this number')
      .option('--since <instant>', 'calls that ended then or later: 2026-01-31T12:00:00Z')
      .option('--limit <n>', 'records at most', '50')
      .action(
        listAction<Cdr, { number?: string; since?: string }>(io, {
          path: '/v1/cdrs',
          query: ({ number, since }) => ({ phone_number: number, since }),
          noun: 'record',
          columns: cdrColumns,
        }),
      ),
  )
  return group
}
