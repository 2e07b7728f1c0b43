import { Option, type Command } from 'commander'
import { roles, type ApiToken, type Role } from '../model/api-token.js'
import { given } from '../model/given.js'
import { command, connectTo, DEFAULT_LIMIT, edgeWideCommand, print } from './edge-command.js'
import type { EdgeOptions } from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { deleteAction, listAction } from './resource-actions.js'
import { fields } from './text.js'

interface CreateOptions extends EdgeOptions {
  readonly role: Role
  readonly account?: string
  readonly expires?: string
}

/** `signalbox token`: who may use the API. */
export function tokenCommand(io: Io): Command {
  const group = command(
    'token',
    'Tokens of the API: viewers read, operators run calls, admins change everything',
    'signalbox token create noc-screen --role viewer',
    'signalbox token list',
  )

  group.addCommand(
    edgeWideCommand(
      'create',
      'Make a token. Its text is shown this once',
      'signalbox token create noc-screen --role viewer',
      'signalbox token create acme-platform --role admin --account acme --expires 90d --json',
    )
      .argument('<name>', 'for people: who or what uses it')
      .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
      .option('--account <id>', 'bind it to this account; else as the token it is made with')
      .option('--expires <when>', 'an instant such as 2027-01-31T12:00:00Z, or from now: 12h, 90d; else never')
      .action(async (name: string, options: CreateOptions) => {
        const expires = options.expires === undefined ? undefined : readExpiry(options.expires)
        const body = given({ name, role: options.role, account_id: options.account, expires_at: expires })
        const made = await connectTo({ ...options, account: undefined }).ask<ApiToken & { token: string }>(
          'POST',
          '/v1/tokens',
          body,
        )
        print(io, options, made, () => fields({ ...made, account_id: made.account_id ?? 'all' }))
        if (options.json !== true) io.err('The token is shown this once: only a digest of it is kept.')
      }),
  )

  group.addCommand(
    edgeWideCommand('list', 'List tokens, without their text', 'signalbox token list', 'signalbox token list --json')
      .option('--limit <n>', 'tokens at most', DEFAULT_LIMIT)
      .action(
        listAction<ApiToken>(io, {
          path: '/v1/tokens',
          noun: 'token',
          columns: {
            TOKEN: (token) => token.id,
            NAME: (token) => token.name,
            ROLE: (token) => token.role,
            ACCOUNT: (token) => token.account_id ?? 'all',
            CREATED: (token) => token.created_at,
            EXPIRES: (token) => token.expires_at,
            'LAST USED': (token) => token.last_used_at,
          },
        }),
      ),
  )

  group.addCommand(
    edgeWideCommand(
      'revoke',
      'Revoke a token: within a second it opens nothing any more',
      'signalbox token revoke k3j9x0q2m4aa',
    )
      .argument('<id>', 'its id, as `signalbox token list` shows it')
      .action(deleteAction(io, 'token', 'revoked', (id) => `/v1/tokens/${encodeURIComponent(id)}`)),
  )
  return group
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** An instant, or a time from now, as ISO 8601. @throws {CliError} */
function readExpiry(text: string): string {
  const [, amount, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  const at = amount === undefined ? Date.parse(text) : Date.now() + Number(amount) * (UNITS[unit] ?? 0)
  if (Number.isNaN(at))
    throw new CliError(
      `--expires ${text} is not an instant such as 2027-01-31T12:00:00Z, nor 12h or 90d`,
      exitCodes.usage,
    )
  return new Date(at).toISOString()
}
