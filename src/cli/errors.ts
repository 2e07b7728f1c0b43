import { ConfigError } from '../config/index.js'
import { printable } from './text.js'

/** Exit codes: it worked; it did not; it was asked in the wrong way or is configured wrongly. */
export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const

/** A command cannot do what it was asked: one line for the person who asked. */
export class CliError extends Error {
  override readonly name = 'CliError'

  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failure,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

interface SystemError {
  readonly code?: string
  readonly address?: string
  readonly port?: number
}

/** What a failure is called: one line, or one for each problem of a configuration; never a stack. */
export function explain(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof ConfigError)
    return { lines: error.message.split('\n').map((line) => printable(line)), exitCode: exitCodes.usage }
  if (error instanceof CliError) return { lines: [printable(error.message)], exitCode: error.exitCode }
  const { code, address, port } = error as SystemError
  if (code === 'EADDRINUSE' && port !== undefined) {
    const line = `${address ?? ''}:${port} is in use: is another Signalbox running?`
    return { lines: [printable(line)], exitCode: exitCodes.failure }
  }
  const message = error instanceof Error ? error.message : String(error)
  const taken = code === 'ADDRESS_IN_USE' ? ': is another Signalbox running?' : ''
  return {
    lines: [printable(message + taken)],
    exitCode: code === 'BAD_CONTACT' ? exitCodes.usage : exitCodes.failure,
  }
}
