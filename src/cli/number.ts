import type { Command } from 'commander'
import { given } from '../model/given.js'
import type { PhoneNumber } from '../model/number.js'
import { command, connectTo, DEFAULT_LIMIT, edgeCommand, print, several, type EdgeOptions } from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { importCommand } from './number-import.js'
import { deleteAction, listAction, showAction } from './resource-actions.js'
import { fields } from './text.js'
import type { TrunkView } from './trunk.js'

/** A number as the API shows it, with what belongs to it. */
export interface NumberView extends PhoneNumber {
  readonly trunk: TrunkView | null
  readonly origination_uris: string[]
  readonly allow_addresses: string[]
  readonly next_hop: string | null
  readonly registration_next_hop: string | null
}

interface SetOptions extends EdgeOptions {
  /** False: take it away. */
  readonly agent?: string | false
  readonly outboundAgent?: string[] | false
  readonly label?: string
  readonly trunk?: string
  readonly enabled?: boolean
  readonly disabled?: boolean
  readonly replace?: boolean
}

const at = (number: string): string => `/v1/numbers/${encodeURIComponent(number)}`

/** `signalbox number`: the routing table. */
export function numberCommand(io: Io): Command {
  const group = command('number', 'Numbers: which agent answers which', 'signalbox number list')
  group.addCommand(importCommand(io))
  group.addCommand(setCommand(io))

  group.addCommand(
    edgeCommand('list', 'List numbers', 'signalbox number list', 'signalbox number list --agent front --json')
      .option('--agent <id>', 'of this agent')
      .option('--trunk <id>', 'on this trunk')
      .option('--limit <n>', 'numbers at most', DEFAULT_LIMIT)
      .action(
        listAction<PhoneNumber, { agent?: string; trunk?: string }>(io, {
          path: '/v1/numbers',
          query: ({ agent, trunk }) => ({ agent_id: agent, trunk_id: trunk }),
          noun: 'number',
          columns: {
            NUMBER: (number) => number.phone_number,
            LABEL: (number) => number.label,
            'INBOUND AGENT': (number) => number.inbound_agent_id,
            'OUTBOUND AGENTS': (number) => number.outbound_agent_ids.length,
            TRUNK: (number) => number.trunk_id,
            ENABLED: (number) => (number.enabled ? 'yes' : 'no'),
          },
        }),
      ),
  )

  group.addCommand(
    edgeCommand('show', 'Show a number with its trunk', 'signalbox number show +14155550100')
      .argument('<number>', 'in any usual spelling')
      .action(showAction(io, at, describe)),
  )

  group.addCommand(
    edgeCommand('rm', 'Remove a number; its trunk stays', 'signalbox number rm +14155550100')
      .argument('<number>', 'in any usual spelling')
      .action(deleteAction(io, 'number', 'removed', at)),
  )
  return group
}

function setCommand(io: Io): Command {
  return edgeCommand(
    'set',
    'Change what is given of a number',
    'signalbox number set +14155550100 --agent front --replace',
    'signalbox number set +14155550100 --disabled --label "Main line"',
  )
    .argument('<number>', 'in any usual spelling')
    .option('--agent <id>', 'who answers its calls')
    .option('--no-agent', 'nobody answers its calls')
    .option('--replace', 'take the number over from the agent it has now')
    .option('--outbound-agent <id>', 'who may call with it, in place of those before; several', several)
    .option('--no-outbound-agent', 'nobody may call with it')
    .option('--label <text>', 'for people')
    .option('--trunk <id>', 'the trunk it is on')
    .option('--enabled', 'take its calls')
    .option('--disabled', 'refuse its calls for now')
    .action(async (number: string, options: SetOptions) => {
      if (options.enabled === true && options.disabled === true)
        throw new CliError('give --enabled or --disabled, not both', exitCodes.usage)
      const changes = given({
        inbound_agent_id: options.agent === false ? null : options.agent,
        outbound_agent_ids: options.outboundAgent === false ? [] : options.outboundAgent,
        label: options.label,
        trunk_id: options.trunk,
        enabled: options.enabled === true ? true : options.disabled === true ? false : undefined,
      })
      if (Object.keys(changes).length === 0) throw new CliError('say what to change', exitCodes.usage)
      const body = options.replace === true ? { ...changes, replace: true } : changes
      const view = await connectTo(options).ask<NumberView>('PATCH', at(number), body)
      print(io, options, view, () => `number ${view.phone_number} changed\n${describe(view)}`)
    })
}

function describe({
  trunk,
  origination_uris,
  allow_addresses,
  next_hop,
  registration_next_hop,
  ...number
}: NumberView): string {
  const ofTrunk =
    trunk === null ? {} : Object.fromEntries(Object.entries(trunk).map(([name, value]) => [`trunk.${name}`, value]))
  return fields({
    ...number,
    ...ofTrunk,
    origination_uris,
    allow_addresses,
    next_hop,
    registration_next_hop,
  })
}
