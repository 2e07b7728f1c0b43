import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, isListening } from '../../support/free-port.js'
import { scenarioFolder } from '../../support/sipp.js'
import type { Address } from '../load.js'
import { Program } from '../program.js'
import type { RunningSystem, System } from '../system.js'
import { EDGE, firstLine, ready, startAll, systemFolder, systemOf } from './programs.js'

const SECRET = 'secret-of-the-benchmark'

const program = (): string => process.env['DRACHTIO_BIN'] ?? ''

/** A drachtio-server under the smallest possible B2BUA of drachtio-srf: `sipp-scenarios/bench/b2bua.mjs`. */
export const drachtio: System = {
  name: 'drachtio',
  missing: () => {
    if (program() === '') return 'set DRACHTIO_BIN to a drachtio-server’s program'
    return existsSync(program()) ? undefined : `DRACHTIO_BIN ${program()} does not exist`
  },
  version: () =>
    `drachtio-server ${firstLine(program(), ['--version'], /v?[0-9]+\.[0-9]+\.[0-9][^\s]*/)}, smallest B2BUA`,
  start,
}

/** Logs as the configuration file that comes with it: at info into a file. No records, no metrics. */
const configuration = (at: Address, controlPort: number, folder: string): string => `<drachtio>
  <admin port="${controlPort}" secret="${SECRET}">${EDGE}</admin>
  <sip>
    <contacts>
      <contact>sip:${at.address}:${at.port};transport=udp</contact>
    </contacts>
  </sip>
  <cdrs>false</cdrs>
  <logging>
    <file>
      <name>${join(folder, 'drachtio-server.log')}</name>
      <size>100</size>
      <maxFiles>2</maxFiles>
      <auto-flush>true</auto-flush>
    </file>
    <sofia-loglevel>3</sofia-loglevel>
    <loglevel>info</loglevel>
  </logging>
</drachtio>
`

async function start(agent: Address): Promise<RunningSystem> {
  const folder = systemFolder()
  return startAll(folder, async (started) => {
    const at = { address: EDGE, port: await freePort(EDGE) }
    const controlPort = await freePort(EDGE)
    const file = join(folder, 'drachtio.conf.xml')
    writeFileSync(file, configuration(at, controlPort, folder))
    const server = new Program('drachtio-server', program(), ['-f', file], { logFile: join(folder, 'drachtio.log') })
    started.push(server)
    await ready(server, () => isListening(EDGE, controlPort, 'tcp') && isListening(at.address, at.port, 'udp'))
    const script = join(scenarioFolder, 'bench', 'b2bua.mjs')
    const args = [script, String(controlPort), SECRET, `sip:agent@${agent.address}:${agent.port}`]
    const log = join(folder, 'b2bua.log')
    const application = new Program('the B2BUA', process.execPath, args, { logFile: log })
    started.push(application)
    await ready(application, () => readFileSync(log, 'utf8').includes('connected'))
    return systemOf([server, application], at, folder)
  })
}
