import type { Command } from 'commander'
import { command, connectTo, DEFAULT_LIMIT, edgeWideCommand, more, print, readNumber } from './edge-command.js'
import type { EdgeOptions } from './edge-command.js'
import type { Io } from './io.js'
import { count, table } from './text.js'

/** `signalbox account`: whose numbers, trunks and agents there are. */
export function accountCommand(io: Io): Command {
  const group = command('account', 'Accounts: whose numbers, trunks and agents there are', 'signalbox account list')

  group.addCommand(
    edgeWideCommand('list', 'List the accounts that have a number, a trunk or an agent', 'signalbox account list')
      .option('--limit <n>', 'accounts at most', DEFAULT_LIMIT)
      .action(async (options: EdgeOptions & { limit: string }) => {
        const limit = readNumber('--limit', options.limit) ?? 0
        const page = await connectTo(options).list<{ account_id: string }>('/v1/accounts', {}, limit)
        print(
          io,
          options,
          page,
          () =>
            table(page.items, { ACCOUNT: ({ account_id }) => account_id }) +
            `\n${count(page.items.length, 'account')}${more(page.next_cursor)}`,
        )
      }),
  )
  return group
}
