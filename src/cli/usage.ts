import type { Command } from 'commander'
import { connectTo, edgeCommand, type EdgeOptions, print } from './edge-command.js'
import type { Io } from './io.js'
import { fields } from './text.js'

/** `signalbox trunk usage`, `signalbox agent usage`: what is in use of limits. @param at where its kind is served */
export function usageCommand(io: Io, noun: string, example: string, at: (id: string) => string): Command {
  return edgeCommand('usage', `Show what is in use of the limits of the ${noun}, on all edges`, example)
    .argument('<id>', noun)
    .action(async (id: string, options: EdgeOptions) => {
      const usage = await connectTo(options).ask<Record<string, unknown>>('GET', `${at(id)}/usage`)
      print(io, options, usage, () => fields(usage))
    })
}
