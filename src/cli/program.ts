import { Command, CommanderError } from 'commander'
import { accountCommand } from './account.js'
import { agentCommand } from './agent.js'
import { banCommand } from './ban.js'
import { auditCommand } from './audit.js'
import { callCommand } from './call.js'
import { cdrCommand } from './cdr.js'
import { demoCommand } from './demo.js'
import { engineCommand } from './engine.js'
import { exitCodes, explain } from './errors.js'
import { eventsCommand } from './events.js'
import type { Io } from './io.js'
import { numberCommand } from './number.js'
import { registrationCommand } from './registration.js'
import { routeCommand } from './route.js'
import { secretCommand } from './secret.js'
import { serveCommand } from './serve.js'
import { tokenCommand } from './token.js'
import { trunkCommand } from './trunk.js'

/** Every command of `signalbox`. */
export function createProgram(io: Io): Command {
  const program = new Command('signalbox')
    .description('A SIP signalling edge for voice agents.')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ signalbox serve\n' +
        '  $ signalbox agent set front --sip-uri sip:agent@127.0.0.1:5090\n' +
        '  $ signalbox number import +14155550100 --agent front --allowed-address 192.0.2.0/24\n' +
        '  $ signalbox demo\n\n' +
        'Exit codes: 0 it worked, 1 it did not, 2 wrong usage or configuration.',
    )
  for (const add of [
    serveCommand,
    engineCommand,
    accountCommand,
    agentCommand,
    numberCommand,
    trunkCommand,
    registrationCommand,
    secretCommand,
    tokenCommand,
    auditCommand,
    routeCommand,
    banCommand,
    callCommand,
    cdrCommand,
    eventsCommand,
    demoCommand,
  ])
    program.addCommand(add(io))
  prepare(program, io)
  return program
}

/** Output and errors of a command and of those below it go where `io` says. */
function prepare(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.out(text.replace(/\n$/, '')),
    writeErr: (text) => io.err(text.replace(/\n$/, '')),
    outputError: (text, write) => write(text.replace(/^error: /, 'signalbox: ')),
  })
  for (const inner of command.commands) prepare(inner, io)
}

/** Runs a command line; resolves to the exit code. Never throws. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    // Commander has written what there is to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const { lines, exitCode } = explain(error)
    for (const line of lines) io.err(`signalbox: ${line}`)
    return exitCode
  }
}
