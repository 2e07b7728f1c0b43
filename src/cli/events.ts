import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { SignalboxEvent } from '../model/event.js'
import { given } from '../model/given.js'
import { connectTo, edgeCommand, readNumber, several, type EdgeOptions } from './edge-command.js'
import { CliError } from './errors.js'
import { EventStreamReader } from './event-stream.js'
import type { Io } from './io.js'
import { printable, show } from './text.js'

interface EventOptions extends EdgeOptions {
  readonly type?: string[]
  readonly trunk?: string
  readonly agent?: string
  readonly number?: string
  readonly limit?: string
}

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 10_000

/** `signalbox events`: what happens, as it happens. */
export function eventsCommand(io: Io): Command {
  return edgeCommand(
    'events',
    'Follow what happens on every edge: registrations and calls; goes on after an interruption, until Ctrl-C',
    'signalbox events',
    'signalbox events --type call.answered --type call.ended --agent front --json',
  )
    .option(
      '--type <type>',
      'registration, binding.created, binding.removed, binding.expired, call.started, call.ringing, call.answered or call.ended',
      several,
    )
    .option('--trunk <id>', 'what concerns this trunk')
    .option('--agent <id>', 'calls of this agent')
    .option('--number <number>', 'calls of this number')
    .option('--limit <n>', 'end after so many events')
    .action((options: EventOptions) => follow(io, options))
}

async function follow(io: Io, options: EventOptions): Promise<void> {
  const { type, trunk: trunk_id, agent: agent_id, number: phone_number } = options
  const query = given({ types: type?.join(','), trunk_id, agent_id, phone_number }) as Record<string, string>
  const path = `/v1/events?${new URLSearchParams(query).toString()}`
  const client = connectTo(options)
  const stop = io.stopSignal()
  const reader = new EventStreamReader()
  let left = readNumber('--limit', options.limit) ?? Infinity
  let pauseMs = FIRST_RETRY_MS
  let connected = false
  const waiting = (): void => {
    if (connected) io.err('signalbox: connected again')
    connected = true
    pauseMs = FIRST_RETRY_MS
  }
  while (!stop.aborted && left > 0) {
    const ended = new AbortController()
    try {
      reader.restart()
      const headers: Record<string, string> = reader.lastId === '' ? {} : { 'last-event-id': reader.lastId }
      for await (const piece of client.stream(path, headers, AbortSignal.any([stop, ended.signal]), waiting))
        for (const event of reader.read(piece)) {
          if (event === 'reset') io.err('signalbox: some events were missed')
          else {
            io.out(options.json === true ? event.data : describeEvent(event.data))
            left -= 1
          }
          if (left <= 0) return ended.abort()
        }
    } catch (error) {
      if (stop.aborted) return
      // An edge that was never there, or refuses, is not waited for.
      if (!connected) throw error
      if (error instanceof CliError) io.err(`signalbox: ${printable(error.message)}`)
    }
    if (stop.aborted) return
    io.err(`signalbox: the connection is lost; trying again in ${pauseMs / 1000} s`)
    await wait(pauseMs, undefined, { signal: stop }).catch(() => undefined)
    pauseMs = Math.min(pauseMs * 2, MAX_RETRY_MS)
  }
}

/** An event for people: when, what, and the few fields that say which. */
export function describeEvent(json: string): string {
  let event: SignalboxEvent
  try {
    event = JSON.parse(json) as SignalboxEvent
  } catch {
    return printable(json)
  }
  const { type, at } = event
  const head = `${show(at)}  ${show(type).padEnd(13)}`
  if (event.type === 'registration') {
    const { trunk_id, state, reason } = event.data
    return `${head}  trunk ${show(trunk_id)}  ${show(state)}  ${show(reason)}`
  }
  if (!('call_id' in event.data)) {
    const { trunk_id, contact, source } = event.data
    return `${head}  trunk ${show(trunk_id)}  ${show(contact)} from ${show(source)}`
  }
  const { call_id, direction, from, to, agent_id } = event.data
  const call = `${head}  ${show(call_id)}  ${show(direction)}  ${show(from)} -> ${show(to)}  agent ${show(agent_id)}`
  if (event.type !== 'call.ended') return call
  const { result, ended_by, duration_s } = event.data
  return `${call}  ${show(result)} by ${show(ended_by)} after ${show(duration_s)} s`
}
