import { randomBytes, randomInt } from 'node:crypto'
import type { Command } from 'commander'
import type { Origination } from '../api/index.js'
import type { Cdr } from '../model/call.js'
import type { Decision } from '../model/decision.js'
import { cdrColumns } from './cdr.js'
import type { Client } from './client.js'
import { CallFailed, placeCall, within, type CompletedCall } from './demo-call.js'
import { chooseDestination, Recording, startStation, type Station } from './demo-stations.js'
import { connectTo, edgeCommand, type EdgeOptions } from './edge-command.js'
import { CliError } from './errors.js'
import type { Io } from './io.js'
import { renderLadder } from './ladder.js'
import type { NumberView } from './number.js'
import { count, fields, printable, table } from './text.js'

const CALLER = '+13125550199'
const TALK_MS = 1_000
const ROUTED_WITHIN_MS = 3_000
const RECORDED_WITHIN_MS = 5_000

interface DemoOptions extends EdgeOptions {
  readonly sip?: string
}

/** Things to undo, in the opposite order; what cannot be undone is told. */
class Cleanup {
  private readonly steps: { what: string; undo: () => Promise<unknown> }[] = []

  add(what: string, undo: () => Promise<unknown>): void {
    this.steps.push({ what, undo })
  }

  /** What is left behind, in words. */
  async run(): Promise<string[]> {
    const left: string[] = []
    for (const { what, undo } of this.steps.reverse())
      await undo().catch((error: unknown) => left.push(`${what} is left: ${(error as Error).message}`))
    return left
  }
}

/** What the demo saw and did. */
interface Outcome {
  readonly recording: Recording
  phoneNumber?: string
  agentId?: string
  /** Where the edge is called. */
  edge?: string
  caller?: Station
  agent?: Station
  call?: CompletedCall
  cdr?: Cdr | undefined
  failure?: CliError
  hints: string[]
}

/** `signalbox demo`: one real call through a running edge. */
export function demoCommand(io: Io): Command {
  return edgeCommand(
    'demo',
    'Place a call through the running edge to an agent started for it, show the messages of both legs, and clean up',
    'signalbox demo',
    'signalbox demo --json',
  )
    .option('--sip <uri>', "where to send the call; else the edge's first origination URI on this machine")
    .action(async (options: DemoOptions) => {
      const stop = io.stopSignal()
      const client = connectTo(options)
      const cleanup = new Cleanup()
      const outcome: Outcome = { recording: new Recording(), hints: [] }
      try {
        await perform(client, options, outcome, cleanup, stop)
      } catch (error) {
        outcome.failure = error instanceof CliError ? error : new CliError((error as Error).message)
        if (error instanceof CallFailed) outcome.hints = await hints(client, outcome, error)
      } finally {
        const left = await cleanup.run()
        for (const line of left) io.err(`signalbox: ${printable(line)}`)
      }
      report(io, options, outcome)
      if (outcome.failure !== undefined) throw outcome.failure
    })
}

/** Sets everything up, places the call and fetches its record. */
async function perform(
  client: Client,
  options: DemoOptions,
  outcome: Outcome,
  cleanup: Cleanup,
  stop: AbortSignal,
): Promise<void> {
  const { origination_uris } = await client.ask<Origination>('GET', '/v1/origination')
  const destination = chooseDestination(options.sip === undefined ? origination_uris : [options.sip])
  outcome.edge = destination.hostPort
  const start = async (party: 'caller' | 'agent'): Promise<Station> => {
    const station = await startStation(party, destination.localAddress, destination.transport, outcome.recording)
    cleanup.add(`the ${party}`, () => station.stop())
    return station
  }
  const agent = (outcome.agent = await start('agent'))
  const caller = (outcome.caller = await start('caller'))
  refuseIfStopped(stop)

  const id = (outcome.agentId = `demo-${randomBytes(4).toString('hex')}`)
  await client.ask('PUT', `/v1/agents/${id}`, {
    name: 'Signalbox demo',
    sip_uri: `sip:${id}@${agent.address};transport=${agent.transport}`,
  })
  cleanup.add(`agent ${id}`, () => client.ask('DELETE', `/v1/agents/${id}`))
  const number = await importNumber(client, id, destination.localAddress, cleanup, stop)
  const to = (outcome.phoneNumber = number.phone_number)
  await waitUntilRouted(client, to, destination.localAddress, id, stop)

  outcome.call = await placeCall({ caller, agent, destination, from: CALLER, to, talkMs: TALK_MS, stop })
  outcome.cdr = await waitForRecord(client, to, stop)
}

function refuseIfStopped(stop: AbortSignal): void {
  if (stop.aborted) throw new CliError('stopped')
}

/** Imports a sample number nobody uses, on a trunk of the demo's own. */
async function importNumber(
  client: Client,
  agentId: string,
  source: string,
  cleanup: Cleanup,
  stop: AbortSignal,
): Promise<NumberView> {
  const first = randomInt(100)
  for (let tried = 0; tried < 100; tried++) {
    refuseIfStopped(stop)
    const phone_number = `+1415555${String(100 + ((first + tried) % 100)).padStart(4, '0')}`
    const path = `/v1/numbers/${encodeURIComponent(phone_number)}`
    if ((await client.find(path)) !== undefined) continue
    const { status, body } = await client.answer('POST', '/v1/numbers', {
      phone_number,
      label: 'Signalbox demo',
      inbound_agent_id: agentId,
      allowed_addresses: [source.includes(':') ? `${source}/128` : `${source}/32`],
      // Shown to the agent, and makes the trunk different from any other that the demo must not remove.
      headers: { 'X-Demo': agentId },
    })
    // Another took it meanwhile.
    if (status === 409) continue
    if (status >= 400)
      throw new CliError(`the edge refuses the sample number: ${String((body as { detail?: unknown }).detail)}`)
    const number = body as NumberView
    cleanup.add(`trunk ${number.trunk_id}`, () => client.ask('DELETE', `/v1/trunks/${number.trunk_id}`))
    cleanup.add(`number ${phone_number}`, () => client.ask('DELETE', path))
    return number
  }
  throw new CliError('all sample numbers from +14155550100 to +14155550199 are taken')
}

/** A change is seen within a second; asks until the edge would send the call to our agent. */
async function waitUntilRouted(
  client: Client,
  to: string,
  source: string,
  agentId: string,
  stop: AbortSignal,
): Promise<void> {
  let last = ''
  const routed = async (): Promise<void> => {
    for (;;) {
      const test = { to, from: CALLER, source_address: source }
      const decision = await client.ask<Decision>('POST', '/v1/route-tests', test)
      if (decision.outcome === 'agent' && decision.agent_id === agentId) return
      last = decision.trace.nearest_miss ?? decision.detail
      await pause(50)
    }
  }
  try {
    await within('the edge does not route the sample number', ROUTED_WITHIN_MS, stop, routed())
  } catch (error) {
    throw error instanceof CallFailed ? new CallFailed(`${error.message}: ${last}`, 0) : error
  }
}

/** The call's record; undefined when none is written in time. */
async function waitForRecord(client: Client, phoneNumber: string, stop: AbortSignal): Promise<Cdr | undefined> {
  const path = `/v1/cdrs?limit=1&phone_number=${encodeURIComponent(phoneNumber)}`
  const since = Date.now() - 60_000
  const deadline = performance.now() + RECORDED_WITHIN_MS
  while (performance.now() < deadline && !stop.aborted) {
    const [cdr] = (await client.ask<{ items: Cdr[] }>('GET', path)).items
    // The number may have been an earlier demo's.
    if (cdr !== undefined && Date.parse(cdr.ended_at) > since) return cdr
    await pause(50)
  }
  return undefined
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What to look at when the call failed. */
async function hints(client: Client, outcome: Outcome, failure: CallFailed): Promise<string[]> {
  const found: string[] = []
  const readiness = await client.answer('GET', '/readyz').catch(() => undefined)
  const { checks = {} } = (readiness?.body ?? {}) as { checks?: Record<string, { ok: boolean; detail: string }> }
  for (const [name, { ok, detail }] of Object.entries(checks))
    if (!ok) found.push(`${name}: ${detail} (see ${client.edge.url}/readyz)`)
  if (outcome.phoneNumber !== undefined)
    outcome.cdr = await waitForRecord(client, outcome.phoneNumber, AbortSignal.timeout(1_000)).catch(() => undefined)
  if (outcome.cdr !== undefined) {
    const { explanation, result, end_reason } = outcome.cdr
    found.push(
      `the edge's record says ${result}: ${explanation?.trace.nearest_miss ?? explanation?.detail ?? end_reason}`,
    )
  }
  if (failure.status === 0 && outcome.cdr === undefined)
    found.push('is the SIP address reachable from here, and does nothing else listen there?')
  found.push('run the edge with LOG_LEVEL=debug to see its SIP messages')
  return found
}

function report(io: Io, options: DemoOptions, outcome: Outcome): void {
  const { recording, call, cdr, failure } = outcome
  if (options.json === true) {
    const result = {
      outcome: failure === undefined ? 'completed' : 'failed',
      ...(failure === undefined ? {} : { reason: failure.message, check: outcome.hints }),
      phone_number: outcome.phoneNumber ?? null,
      agent_id: outcome.agentId ?? null,
      call: call ?? null,
      cdr: cdr ?? null,
      events: recording.events,
    }
    io.out(JSON.stringify(result, null, 2))
    return
  }
  if (recording.events.length > 0) {
    io.out(
      renderLadder(recording.events, {
        caller: outcome.caller?.address ?? '',
        edge: outcome.edge ?? '',
        agent: outcome.agent?.address ?? '',
      }),
    )
    io.out('')
  }
  if (cdr !== undefined) io.out(`${table([cdr], cdrColumns)}\n`)
  if (call !== undefined) {
    const { call_id, setup_ms, talk_ms } = call
    io.out(`Call completed: ${CALLER} to ${outcome.phoneNumber ?? ''}, answered by agent ${outcome.agentId ?? ''}.`)
    io.out(
      fields({
        '  call id': call_id ?? cdr?.call_id,
        '  set up in': `${setup_ms} ms, of which the agent rang 200 ms`,
        '  talked for': `${talk_ms} ms`,
        '  messages': `${count(recording.events.length, 'message')}, ${recording.events.filter(({ repeated }) => repeated).length} repeated`,
        '  record': cdr === undefined ? 'not written yet: is Redis up?' : cdr.result,
      }),
    )
  }
  for (const hint of outcome.hints) io.err(`  check: ${printable(hint)}`)
}
