import type { AddressInfo } from 'node:net'
import { run } from '../../src/cli/program.js'
import { startApi, TOKEN, type FakeServices } from './api-fakes.js'

export interface CommandResult {
  readonly exitCode: number
  readonly out: string
  readonly err: string
  /** What a terminal showed in its status line. */
  readonly shown: readonly string[]
}

export interface CliRunOptions {
  readonly input?: string
  readonly stop?: AbortSignal
  /** A terminal is watching. */
  readonly terminal?: boolean
}

/** Runs a command line in this process. */
export async function runCli(
  args: readonly string[],
  { input = '', stop = new AbortController().signal, terminal = false }: CliRunOptions = {},
): Promise<CommandResult> {
  const out: string[] = []
  const err: string[] = []
  const shown: string[] = []
  const exitCode = await run(args, {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    readInput: async () => input,
    status: terminal ? (line) => void shown.push(line) : undefined,
    stopSignal: () => stop,
  })
  return { exitCode, out: out.join('\n'), err: err.join('\n'), shown }
}

export interface CliEdge {
  readonly url: string
  readonly services: FakeServices
  /** Runs a command against this edge, its URL and token given. */
  run(args: readonly string[], options?: CliRunOptions): Promise<CommandResult>
  close(): Promise<void>
}

/** The API over fakes, listening on loopback, for commands to ask. */
export async function startCliEdge(services?: FakeServices): Promise<CliEdge> {
  const test = startApi(services)
  await test.api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = test.api.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    services: test.services,
    run: (args, options) => runCli([...args, '--url', url, '--token', TOKEN], options),
    close: async () => {
      test.api.server.closeAllConnections()
      await test.api.close()
    },
  }
}
