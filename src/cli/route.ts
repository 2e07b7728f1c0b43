import type { Command } from 'commander'
import type { Decision } from '../model/decision.js'
import {
  command,
  connectTo,
  edgeCommand,
  givenOnly,
  print,
  readHeaders,
  several,
  type EdgeOptions,
} from './edge-command.js'
import type { Io } from './io.js'
import { fields, printable, show } from './text.js'

/** `signalbox route`: where calls go, and why. */
export function routeCommand(io: Io): Command {
  const group = command(
    'route',
    'Routing: where a call would go',
    'signalbox route test +14155550100 --source 192.0.2.7',
  )
  group.addCommand(
    edgeCommand(
      'test',
      'Say where a call would go, and why, without placing one; a refusal is an answer too (exit code 0)',
      'signalbox route test +14155550100',
      'signalbox route test +14155550100 --from +13125550199 --source 192.0.2.7',
    )
      .argument('<number>', 'dialled number, or a sip: or tel: URI')
      .option('--from <number>', 'who calls')
      .option('--source <address>', 'IP address the call comes from', '127.0.0.1')
      .option(
        '--header <"Name: value">',
        'header of the INVITE, such as Diversion; may be given several times',
        several,
      )
      .action(async (to: string, options: EdgeOptions & { from?: string; source: string; header?: string[] }) => {
        const { from, source: source_address } = options
        const body = givenOnly({ to, from, source_address, headers: readHeaders(options.header) })
        const decision = await connectTo(options).ask<Decision>('POST', '/v1/route-tests', body)
        print(io, options, decision, () => describe(decision))
      }),
  )
  return group
}

/** A decision for people: the outcome first, then how it came about. */
export function describe({ trace, ...decision }: Decision): string {
  const outcome =
    decision.outcome === 'agent'
      ? `to agent ${show(decision.agent_id)}`
      : `refused: ${show(decision.code)}, SIP ${show(decision.sip_status)}`
  const tried = trace.trunks_tried.map(({ trunk_id, matched, why }) => [
    `trunk ${trunk_id}`,
    `${matched ? 'matches' : 'does not match'}: ${why}`,
  ])
  const read = trace.sources_read.map(({ source, value, normalised, found }) => [
    `read ${source}`,
    value === null
      ? 'nothing'
      : `${value} as ${show(normalised)}${found === null ? ', not found' : `, found ${found}`}`,
  ])
  return [
    printable(outcome),
    fields({
      why: decision.detail,
      'nearest miss': trace.nearest_miss ?? undefined,
      targets: decision.targets,
      number: decision.phone_number,
      trunk: decision.trunk_id,
      source: trace.source_address,
      'identified by': trace.identified_by,
      ...Object.fromEntries([...tried, ...read]),
      'looked up in': trace.looked_up,
    }),
  ].join('\n')
}
