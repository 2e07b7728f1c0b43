import {
  destination as openDestination,
  pino,
  stdTimeFunctions,
  type DestinationStream,
  type Logger as PinoLogger,
} from 'pino'
import type { Config } from '../config/schema.js'
import { blankFields } from './blank-fields.js'

/** JSON lines. Fields that name a thing of ours: `callId`, `leg`, `trunk`. */
export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: Config['log']['level']
  /** Where the lines go; standard output when left out. */
  readonly destination?: DestinationStream
}

/** A logger that writes no secrets: fields named like one are blanked however deep they lie. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: blankFields },
    },
    // Asynchronous: a reader of our output that has stopped reading must not stop calls. Pino writes the rest when we exit.
    destination ?? openDestination({ dest: 1, sync: false }),
  )
}
