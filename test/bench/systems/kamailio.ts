import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, isListening } from '../../support/free-port.js'
import { scenarioFolder } from '../../support/sipp.js'
import { NUMBER, type Address } from '../load.js'
import { Program } from '../program.js'
import type { RunningSystem, System } from '../system.js'
import { EDGE, firstLine, ready, startAll, systemFolder, systemOf } from './programs.js'
import { startRedisProgram } from './redis.js'

const command = '/usr/sbin/kamailio'
const INSTALL = 'apt-get install kamailio kamailio-redis-modules'

/** Where Debian and Ubuntu put its modules: `/usr/lib/<machine>/kamailio/modules`. */
function hasModule(name: string): boolean {
  return readdirSync('/usr/lib').some((folder) => existsSync(join('/usr/lib', folder, 'kamailio', 'modules', name)))
}

/** Kamailio as a stateful proxy that asks Redis for every call: `sipp-scenarios/bench/kamailio.cfg`. */
export const kamailio: System = {
  name: 'kamailio',
  missing: () => {
    if (!existsSync(command)) return `not installed: ${INSTALL}`
    return hasModule('ndb_redis.so') ? undefined : `no ndb_redis module: ${INSTALL}`
  },
  version: () =>
    `Kamailio ${firstLine(command, ['-v'], /[0-9]+\.[0-9]+\.[0-9]+/)}, stateful proxy, one Redis look-up a call`,
  start,
}

async function start(agent: Address): Promise<RunningSystem> {
  const folder = systemFolder()
  return startAll(folder, async (started) => {
    const redis = await startRedisProgram(folder, started)
    await redis.set(`target:${NUMBER}`, `sip:${agent.address}:${agent.port}`)
    const at = { address: EDGE, port: await freePort(EDGE) }
    const defines = {
      LISTEN: `${at.address}:${at.port}`,
      REDIS: `"name=routes;addr=127.0.0.1;port=${redis.port};db=0"`,
    }
    const args = [
      ...['-DD', '-E', '-m', '512', '-M', '8', '-w', folder, '-Y', folder],
      ...['-f', join(scenarioFolder, 'bench', 'kamailio.cfg')],
      ...Object.entries(defines).flatMap(([name, value]) => ['-A', `${name}=${value}`]),
    ]
    const program = new Program('kamailio', command, args, { logFile: join(folder, 'kamailio.log') })
    started.push(program)
    await ready(program, () => isListening(at.address, at.port, 'udp'))
    return systemOf([program, redis.program], at, folder)
  })
}
