import type { Command } from 'commander'
import type { Decision, OutboundDecisionView } from '../model/decision.js'
import { given } from '../model/given.js'
import { command, connectTo, edgeCommand, print, readHeaders, several, type EdgeOptions } from './edge-command.js'
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
      'signalbox route test +13125550199 --agent front --from +14155550100',
    )
      .argument('<number>', 'dialled number, or a sip: or tel: URI')
      .option('--from <number>', 'who calls')
      .option('--source <address>', 'IP address the call comes from; default 127.0.0.1 unless --agent says who calls')
      .option('--outbound', 'a call that an agent places, rather than one from a trunk')
      .option('--agent <id>', 'the agent that places it')
      .option(
        '--header <"Name: value">',
        'header of the INVITE, such as Diversion; may be given several times',
        several,
      )
      .action(async (to: string, options: EdgeOptions & TestOptions) => {
        const { from, agent: agent_id } = options
        const isOutbound = options.outbound === true || agent_id !== undefined
        const source_address = options.source ?? (agent_id === undefined ? '127.0.0.1' : undefined)
        const direction = isOutbound ? 'outbound' : undefined
        const body = given({ direction, agent_id, to, from, source_address, headers: readHeaders(options.header) })
        const decision = await connectTo(options).ask<Decision | OutboundDecisionView>('POST', '/v1/route-tests', body)
        print(io, options, decision, () => ('direction' in decision ? describeOutbound(decision) : describe(decision)))
      }),
  )
  return group
}

interface TestOptions {
  from?: string
  source?: string
  outbound?: boolean
  agent?: string
  header?: string[]
}

/** What would become of an agent's call, for people. */
export function describeOutbound({ trace, ...decision }: OutboundDecisionView): string {
  const outcome =
    decision.outcome === 'trunk'
      ? `to ${show(decision.destination)} on trunk ${show(decision.trunk_id)}`
      : `refused: ${show(decision.code)}, SIP ${show(decision.sip_status)}`
  const tried = trace.agents_tried.map(({ agent_id, matched, why }): [string, string] => [
    `agent ${agent_id}`,
    `${matched ? 'matches' : 'does not match'}: ${why}`,
  ])
  return [
    printable(outcome),
    fields({
      why: decision.detail,
      'nearest miss': trace.nearest_miss ?? undefined,
      agent: decision.agent_id,
      number: decision.phone_number,
      source: trace.source_address,
      'identified by': trace.identified_by,
      ...Object.fromEntries(tried),
      'looked up in': trace.looked_up,
    }),
  ].join('\n')
}

/** A decision for people: the outcome first, then how it came about. */
export function describe({ trace, ...decision }: Decision): string {
  const outcome =
    decision.outcome === 'agent'
      ? `to agent ${show(decision.agent_id)}`
      : `refused: ${show(decision.code)}, SIP ${show(decision.sip_status)}`
  const tried = trace.trunks_tried.map(({ trunk_id, matched, why, rule }): [string, string] => [
    `trunk ${trunk_id}`,
    `${matched ? `matches by ${rule ?? 'address'}` : 'does not match'}: ${why}`,
  ])
  const read = trace.sources_read.map(({ source, value, normalised, found }): [string, string] => [
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
