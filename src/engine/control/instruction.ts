import type { ProxyOptions } from '../proxy/proxy-options.js'
import { millisecondsOf } from './proxy-command.js'
import { type DialTarget, readTarget } from './request-handlers.js'

/** What an HTTP server says is to become of a request. Texts are byte strings. */
export type Instruction =
  | {
      readonly action: 'answer'
      readonly status: number
      readonly reason: string | undefined
      readonly contacts: readonly string[]
    }
  | { readonly action: 'proxy'; readonly options: ProxyOptions }
  | { readonly action: 'dial'; readonly target: DialTarget }
  | { readonly action: 'tag'; readonly tag: string }

/** An HTTP server's answer that is no instruction; the message says what is wrong with it. */
export class InstructionError extends Error {
  override readonly name = 'InstructionError'
}

/** Contacts and destinations of one instruction. */
const MAX_URIS = 30

/**
 * Reads `{"action": …, "data": {…}}`.
 * @throws {InstructionError}
 */
export function readInstruction(text: string): Instruction {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new InstructionError(text.trim() === '' ? 'the answer is empty' : 'the answer is no JSON')
  }
  if (!isObject(json)) throw new InstructionError('the answer is no JSON object')
  const { action, data } = json
  if (!isObject(data)) throw new InstructionError('"data" is no object')
  switch (action) {
    case 'reject':
      return rejection(data)
    case 'redirect':
      return { action: 'answer', status: 302, reason: 'Moved', contacts: uris(data, 'contact') }
    case 'proxy':
      return { action: 'proxy', options: proxyOptions(data) }
    case 'route':
      return route(data)
    default:
      throw new InstructionError('"action" is none of reject, redirect, proxy and route')
  }
}

type Data = Readonly<Record<string, unknown>>

function rejection(data: Data): Instruction {
  const { status, reason } = data
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 699)
    throw new InstructionError('"status" is no final SIP status')
  if (reason !== undefined && reason !== null && typeof reason !== 'string')
    throw new InstructionError('"reason" is no text')
  return {
    action: 'answer',
    status,
    reason: typeof reason === 'string' && reason !== '' ? bytes(reason) : undefined,
    contacts: [],
  }
}

function route({ uri, tag }: Data): Instruction {
  if (typeof uri === 'string') {
    const target = readTarget(uri)
    if (target === undefined)
      throw new InstructionError('"uri" is not host:port, with ;transport=tcp or ;transport=tls')
    return { action: 'dial', target }
  }
  if (typeof tag === 'string' && tag !== '') return { action: 'tag', tag: bytes(tag) }
  throw new InstructionError('"route" names neither "uri" nor "tag"')
}

function proxyOptions(data: Data): ProxyOptions {
  const provisionalTimeoutMs = time(data, 'provisionalTimeout') ?? 5_000
  const finalTimeoutMs = time(data, 'finalTimeout')
  return {
    destinations: uris(data, 'destination'),
    recordRoute: flag(data, 'recordRoute', false),
    followRedirects: flag(data, 'followRedirects', true),
    simultaneous: flag(data, 'simultaneous', false),
    provisionalTimeoutMs,
    ...(finalTimeoutMs === undefined ? {} : { finalTimeoutMs }),
    text: { startLine: '', headers: [], body: '' },
  }
}

function uris(data: Data, name: string): string[] {
  const given = data[name]
  const list = typeof given === 'string' ? [given] : given
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_URIS)
    throw new InstructionError(`"${name}" is neither a text nor a list of 1 to ${MAX_URIS}`)
  return list.map((uri: unknown) => {
    if (typeof uri !== 'string' || uri === '') throw new InstructionError(`"${name}" holds what is no text`)
    return bytes(uri)
  })
}

function flag(data: Data, name: string, fallback: boolean): boolean {
  const given = data[name] ?? fallback
  if (typeof given !== 'boolean') throw new InstructionError(`"${name}" is neither true nor false`)
  return given
}

/** Milliseconds in `5s` or `500ms`. */
function time(data: Data, name: string): number | undefined {
  const given = data[name] ?? ''
  if (given === '') return undefined
  const ms = typeof given === 'string' ? millisecondsOf(given) : undefined
  if (ms === undefined) throw new InstructionError(`"${name}" is no time such as 5s or 500ms`)
  return ms
}

const isObject = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value)

/** JSON holds characters, SIP messages bytes. */
const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
