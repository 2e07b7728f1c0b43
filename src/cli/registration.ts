import type { Command } from 'commander'
import type { BindingView } from '../model/binding.js'
import type { Registration } from '../model/registration.js'
import { command, connectTo, DEFAULT_LIMIT, edgeCommand, print, type EdgeOptions } from './edge-command.js'
import { CliError } from './errors.js'
import type { Io } from './io.js'
import { listAction } from './resource-actions.js'
import { count, fields, table } from './text.js'

/** An entry of the list: ours at a trunk, or a PBX's with us. */
type Entry = Registration & { readonly direction: 'in' | 'out' }

/** `signalbox registration`: how trunks are registered. */
export function registrationCommand(io: Io): Command {
  const group = command('registration', 'Registrations of trunks', 'signalbox registration list')

  group.addCommand(
    edgeCommand('list', 'List registrations', 'signalbox registration list --state refused')
      .option('--state <state>', 'only those in this state, such as registered, retrying or refused')
      .option('--direction <direction>', 'only ours at trunks (out), or those of PBXs with us (in)')
      .option('--limit <n>', 'registrations at most', DEFAULT_LIMIT)
      .action(
        listAction<Entry, { state?: string; direction?: string }>(io, {
          path: '/v1/registrations',
          query: ({ state, direction }) => ({ state, direction }),
          noun: 'registration',
          columns: {
            TRUNK: (one) => one.trunk_id,
            STATE: (one) => one.state,
            REGISTRAR: (one) => one.registrar,
            EXPIRES: (one) => one.expires_at,
            NEXT: (one) => one.next_attempt_at,
            EDGE: (one) => one.edge_id,
            DIR: (one) => one.direction,
            REASON: (one) => one.reason,
          },
        }),
      ),
  )

  group.addCommand(
    edgeCommand('show', 'Show the registration of a trunk', 'signalbox registration show trunk-4f2a')
      .argument('<trunk>', 'trunk')
      .action(async (id: string, options: EdgeOptions) => {
        const path = `/v1/trunks/${encodeURIComponent(id)}`
        const { registration, bindings } = await connectTo(options).ask<{
          registration: Registration | null
          bindings: BindingView[] | null
        }>('GET', path)
        if (bindings !== null && bindings !== undefined) return print(io, options, bindings, () => contacts(bindings))
        if (registration === null) throw new CliError(`trunk ${id} is not to be registered: register.enabled is false`)
        print(io, options, registration, () => fields(registration))
      }),
  )
  return group
}

/** The contacts of a PBX that registers to us. */
function contacts(bindings: BindingView[]): string {
  const rows = table(bindings, {
    CONTACT: (one) => one.contact,
    SOURCE: (one) => one.source,
    'EXPIRES IN': (one) => `${one.expires_in_s} s`,
    SINCE: (one) => one.since,
    'USER AGENT': (one) => one.user_agent,
    EDGE: (one) => one.edge_id,
  })
  return `${rows}\n${count(bindings.length, 'contact')}`
}

/** `signalbox trunk register` and `unregister`. */
export function registerCommands(io: Io): Command[] {
  const byHand = (name: 'register' | 'unregister', description: string): Command =>
    edgeCommand(name, description, `signalbox trunk ${name} trunk-4f2a`)
      .argument('<id>', 'trunk')
      .action(async (id: string, options: EdgeOptions) => {
        const path = `/v1/trunks/${encodeURIComponent(id)}/${name}`
        const registration = await connectTo(options).ask<Registration>('POST', path)
        print(
          io,
          options,
          registration,
          () => `${id}: asked for; it is ${registration.state}. \`signalbox registration show ${id}\` tells more.`,
        )
      })
  return [
    byHand('register', 'Register a trunk now, also one that was refused or un-registered by hand'),
    byHand('unregister', 'Un-register a trunk until it is registered by hand or changed'),
  ]
}
