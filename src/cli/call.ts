import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Cdr, LiveCall } from '../model/call.js'
import { given } from '../model/given.js'
import type { Client } from './client.js'
import {
  command,
  connectTo,
  DEFAULT_LIMIT,
  edgeCommand,
  print,
  readHeaders,
  readNumber,
  several,
  type EdgeOptions,
} from './edge-command.js'
import { CliError } from './errors.js'
import type { Io } from './io.js'
import { listAction, showAction } from './resource-actions.js'
import { fields, show, type Columns } from './text.js'

/** A call as the API shows it: while it goes on, or after its end. */
type CallView = LiveCall | (Cdr & { state: 'ended' })

interface StartOptions extends EdgeOptions {
  readonly agent: string
  readonly from: string
  readonly to: string
  readonly header?: string[]
  readonly ringTimeout?: string
  readonly privacy?: boolean
  readonly watch?: boolean
}

const WATCH_MS = 250

const columns: Columns<LiveCall> = {
  STARTED: (call) => call.started_at,
  CALL: (call) => call.call_id,
  DIRECTION: (call) => call.direction,
  FROM: (call) => call.from,
  TO: (call) => call.to,
  AGENT: (call) => call.agent_id,
  TRUNK: (call) => call.trunk_id,
  STATE: (call) => call.state,
}

const at = (id: string): string => `/v1/calls/${encodeURIComponent(id)}`

/** `signalbox call`: calls that go on, and new ones. */
export function callCommand(io: Io): Command {
  const group = command('call', 'Calls: those that go on, and new ones', 'signalbox call list')
  group.addCommand(startCommand(io))

  group.addCommand(
    edgeCommand('list', 'List the calls that go on, oldest first', 'signalbox call list', 'signalbox call list --json')
      .option('--limit <n>', 'calls at most', DEFAULT_LIMIT)
      .action(listAction<LiveCall>(io, { path: '/v1/calls', noun: 'call', columns })),
  )

  group.addCommand(
    edgeCommand(
      'show',
      'Show a call: as it is now, or the record of its end',
      'signalbox call show 0b9c9c1e-5f4c-4a34-9c71-3f6a3f0f2a51',
    )
      .argument('<id>', 'call')
      .action(showAction(io, at, describe)),
  )

  group.addCommand(
    edgeCommand('hangup', 'End a call', 'signalbox call hangup 0b9c9c1e-5f4c-4a34-9c71-3f6a3f0f2a51')
      .argument('<id>', 'call')
      .action(async (id: string, options: EdgeOptions) => {
        await connectTo(options).ask('DELETE', at(id))
        print(io, options, { call_id: id, ending: true }, () => `Call ${show(id)} is being ended.`)
      }),
  )
  return group
}

function startCommand(io: Io): Command {
  return edgeCommand(
    'start',
    'Place a call: the agent is called, and connected to the destination when it answers',
    'signalbox call start --agent front --from +14155550100 --to +13125550199',
    'signalbox call start --agent front --from +14155550100 --to +13125550199 --watch',
  )
    .requiredOption('--agent <id>', 'who is called first')
    .requiredOption('--from <number>', 'number to present')
    .requiredOption('--to <number>', 'who is called')
    .option('--header <"Name: value">', "header of the agent's INVITE; may be given several times", several)
    .option('--ring-timeout <seconds>', 'seconds the agent, and then the destination, may ring')
    .option('--privacy', 'withhold the number from the destination')
    .option('--watch', 'say how it goes on until it has ended; Ctrl-C leaves it going')
    .action(async (options: StartOptions) => {
      const { agent: agent_id, from, to, privacy } = options
      const client = connectTo(options)
      const call = await client.ask<LiveCall>(
        'POST',
        '/v1/calls',
        given({
          agent_id,
          from,
          to,
          headers: readHeaders(options.header),
          ring_timeout_s: readNumber('--ring-timeout', options.ringTimeout),
          privacy,
        }),
      )
      if (options.watch === true) return watch(io, options, client, call)
      print(io, options, call, () => `Call ${show(call.call_id)} is being placed.`)
    })
}

/** Says each state of a call as it comes: a line a state, or a JSON document a line. */
async function watch(io: Io, options: EdgeOptions, client: Client, begun: CallView): Promise<void> {
  const stop = io.stopSignal()
  let call: CallView | undefined = begun
  let said = ''
  while (!stop.aborted) {
    if (call !== undefined && call.state !== said) {
      said = call.state
      io.out(options.json === true ? JSON.stringify(call) : `${show(call.call_id)}  ${progress(call)}`)
    }
    if (call?.state === 'ended') {
      if (call.answered_at === null) throw new CliError(notAnswered(call))
      return
    }
    await wait(WATCH_MS, undefined, { signal: stop }).catch(() => undefined)
    // Between its end and the record there may be a moment without either.
    call = stop.aborted ? undefined : await client.find<CallView>(at(begun.call_id))
  }
}

const progress = (call: CallView): string =>
  call.state === 'ended' ? `ended  ${show(call.result)} after ${show(call.duration_s)} s` : call.state

const notAnswered = ({ result, end_reason }: Pick<Cdr, 'result' | 'end_reason'>): string =>
  `the call was not answered: ${show(result)}${end_reason === '' ? '' : `: ${show(end_reason)}`}`

/** A call for people. */
export function describe(call: CallView): string {
  if (call.state !== 'ended') return fields(call)
  const { explanation, attempts, ...plain } = call
  const tried = attempts.map(({ target, status, reason }) => `${target}: ${status} ${reason}`)
  return fields({ ...plain, attempts: tried, explanation: explanation?.detail })
}
