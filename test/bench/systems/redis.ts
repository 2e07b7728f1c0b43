import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { freePort, isListening } from '../../support/free-port.js'
import { Program } from '../program.js'
import { ready } from './programs.js'

export interface BenchRedis {
  readonly program: Program
  readonly port: number
  set(key: string, value: string): Promise<void>
}

/** A redis-server that keeps everything in memory. It is put among `started` as soon as it runs. */
export async function startRedisProgram(folder: string, started: Program[]): Promise<BenchRedis> {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
  const program = new Program('redis-server', 'redis-server', args, { logFile: join(folder, 'redis.log') })
  started.push(program)
  await ready(program, () => isListening('127.0.0.1', port, 'tcp'))
  return {
    program,
    port,
    set: (key, value) => {
      const { stdout } = spawnSync('redis-cli', ['-p', String(port), 'SET', key, value], { encoding: 'utf8' })
      return stdout?.trim() === 'OK' ? Promise.resolve() : Promise.reject(new Error(`Redis took no key: ${stdout}`))
    },
  }
}
