import { cpus, release, totalmem } from 'node:os'
import type { Machine } from './results.js'
import { firstLine } from './systems/programs.js'

/** What the figures were measured on. */
export function describeMachine(): Machine {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() || 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    sipp: firstLine('sipp', ['-v'], /[0-9]+\.[0-9]+\.[0-9]+/),
    redis: firstLine('redis-server', ['--version'], /[0-9]+\.[0-9]+\.[0-9]+/),
  }
}

/** One line for people. */
export const machineLine = (machine: Machine): string =>
  `${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, Linux ${machine.kernel}, Node ${machine.node}, ` +
  `Redis ${machine.redis}, SIPp ${machine.sipp} on the same cores`
