import type { Command } from 'commander'
import { edgeCommand } from './edge-command.js'
import type { Io } from './io.js'
import { showAction } from './resource-actions.js'
import { fields } from './text.js'

/** `signalbox trunk usage`, `signalbox agent usage`: what is in use of limits. @param at where its kind is served */
export function usageCommand(io: Io, noun: string, example: string, at: (id: string) => string): Command {
  return edgeCommand('usage', `Show what is in use of the limits of the ${noun}, on all edges`, example)
    .argument('<id>', noun)
    .action(showAction(io, (id) => `${at(id)}/usage`, fields))
}
