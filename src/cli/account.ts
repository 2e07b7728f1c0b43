import type { Command } from 'commander'
import { command, DEFAULT_LIMIT, edgeWideCommand } from './edge-command.js'
import type { Io } from './io.js'
import { listAction } from './resource-actions.js'

/** `signalbox account`: whose numbers, trunks and agents there are. */
export function accountCommand(io: Io): Command {
  const group = command('account', 'Accounts: whose numbers, trunks and agents there are', 'signalbox account list')

  group.addCommand(
    edgeWideCommand('list', 'List the accounts that have a number, a trunk or an agent', 'signalbox account list')
      .option('--limit <n>', 'accounts at most', DEFAULT_LIMIT)
      .action(
        listAction<{ account_id: string }>(io, {
          path: '/v1/accounts',
          noun: 'account',
          columns: { ACCOUNT: ({ account_id }) => account_id },
        }),
      ),
  )
  return group
}
