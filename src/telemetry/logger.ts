import {
  destination as openDestination,
  pino,
  stdSerializers,
  stdTimeFunctions,
  type DestinationStream,
  type Logger as PinoLogger,
} from 'pino'
import type { Config } from '../config/schema.js'
import { BLANK, blankFields } from './blank-fields.js'
import { quickenLines } from './log-lines.js'

/** Lines are written together: when there are so many bytes of them, or this long after the first. */
const GATHERED_BYTES = 8_192
const GATHER_MS = 100

/** JSON lines. Fields that name a thing of ours: `callId`, `leg`, `trunk`. */
export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: Config['log']['level']
  /** Where the lines go; standard output when left out. */
  readonly destination?: DestinationStream
}

/** A logger that writes no secrets: fields named like one are blanked however deep they lie. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: errorFields },
      formatters: { level: (label) => ({ level: label }), log: blankFields },
    },
    destination ?? standardOutput(),
  )
  quickenLines(logger)
  return logger
}

/** Asynchronous: a reader of our output that has stopped reading must not stop calls. Pino writes the rest when we exit. */
function standardOutput(): DestinationStream {
  // As buffers: of lines that wait as text it makes one text again with each further line.
  const gathered = { minLength: GATHERED_BYTES, periodicFlush: GATHER_MS, contentMode: 'buffer' } as const
  const output = openDestination({ dest: 1, sync: false, ...gathered }) as { write(line: Buffer | string): boolean }
  return { write: (line) => void output.write(Buffer.from(line)) }
}

/** An error as it is logged: without the command that Redis refused, whose arguments are records, sealed secrets and tokens. */
function errorFields(error: unknown): unknown {
  return error instanceof Error ? blankFields(withoutCommands(stdSerializers.err(error), 0)) : error
}

function withoutCommands(logged: object, depth: number): Record<string, unknown> {
  const fields = { ...logged } as Record<string, unknown>
  delete fields['command']
  for (const [name, inner] of Object.entries(fields)) {
    if (Array.isArray(inner))
      fields[name] = depth > 3 ? [] : inner.map((one) => (isObject(one) ? withoutCommands(one, depth + 1) : one))
    else if (isObject(inner)) fields[name] = depth > 3 ? BLANK : withoutCommands(inner, depth + 1)
  }
  return fields
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
