import { text } from 'node:stream/consumers'

/** What a command has of the world around it. */
export interface Io {
  /** Writes a line, or several, to standard output. */
  out(line: string): void
  /** Writes a line to standard error. */
  err(line: string): void
  /** Shows a line that takes the place of the one before it, '' to take it away; absent where no terminal is watching. */
  readonly status?: ((line: string) => void) | undefined
  /** All of standard input. */
  readInput(): Promise<string>
  /**
   * Aborted at the first SIGINT or SIGTERM; the second ends the process at once. Until this is asked for, the first one does.
   */
  stopSignal(): AbortSignal
  /** Calls `again` at each SIGHUP, which ends a process that does not ask for it; absent where nobody sends one. */
  readonly onReload?: ((again: () => void) => void) | undefined
}

/** The terminal or the pipes of this process. */
export function processIo(): Io {
  // A reader that has seen enough (`| head`) is no error.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
    })
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    status: process.stderr.isTTY
      ? (line) => void process.stderr.write(`\r\u001b[K${line.slice(0, Math.max(process.stderr.columns - 1, 20))}`)
      : undefined,
    readInput: () => text(process.stdin),
    stopSignal: () => {
      const stop = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.on(signal, () => {
          if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
          stop.abort()
        })
      return stop.signal
    },
    onReload: (again) => void process.on('SIGHUP', again),
  }
}
