import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandEnvironment } from '../../support/edge.js'
import { freePort } from '../../support/free-port.js'
import { Samples } from '../../support/prometheus.js'
import { scenarioFolder } from '../../support/sipp.js'
import { CALLER, NUMBER, type Address } from '../load.js'
import { Program } from '../program.js'
import type { RunningSystem, System } from '../system.js'
import { EDGE, ready, startAll, systemFolder, systemOf } from './programs.js'

const root = join(scenarioFolder, '..')
const TOKEN = 'token-of-the-benchmark-0123456789'
/** As often as Prometheus asks by default. */
const SCRAPE_MS = 15_000
/** Of what is left of calls; the edge itself is an application of the engine for as long as it runs. */
const GAUGE = /^# TYPE (signalbox_(?:calls_active|engine_(?!applications)\w+)) gauge$/gm

interface PackageFile {
  readonly version: string
  readonly scripts: { readonly start: string }
}

const packageFile = (): PackageFile => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile

/** This edge, as `npm start` starts it: engine, application and the Redis of its own, logs at info, metrics, records. */
export const signalbox: System = {
  name: 'signalbox',
  missing: () => undefined,
  version: () => `Signalbox ${packageFile().version}, the whole edge`,
  start,
}

async function start(agent: Address): Promise<RunningSystem> {
  const folder = systemFolder()
  return startAll(folder, async (started) => {
    const at = { address: EDGE, port: await freePort(EDGE) }
    const url = `http://${EDGE}:${await freePort(EDGE)}`
    const env = commandEnvironment({
      SIP_CONTACTS: `sip:${at.address}:${at.port};transport=udp,tcp`,
      HTTP_LISTEN: url.slice('http://'.length),
      SIGNALBOX_DATA_DIR: folder,
      SIGNALBOX_ADMIN_TOKEN: TOKEN,
      DRACHTIO_PORT: '0',
      LOG_LEVEL: 'info',
    })
    for (const name of ['DRACHTIO_HOST', 'DRACHTIO_SECRET']) delete env[name]
    // `npm start` is `node <arguments>`: the same, without npm in between.
    const args = packageFile().scripts.start.split(' ').slice(1)
    const log = join(folder, 'edge.log')
    const program = new Program('the edge', process.execPath, args, { cwd: root, env, logFile: log })
    started.push(program)
    await ready(program, () =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    await ask(url, 'PUT', '/v1/agents/bench', {
      name: 'bench',
      sip_uri: `sip:agent@${agent.address}:${agent.port}`,
    })
    await ask(url, 'POST', '/v1/numbers', {
      phone_number: NUMBER,
      sip_domain: 'pbx.example.com',
      allowed_addresses: [`${CALLER}/32`],
      inbound_agent_id: 'bench',
    })
    const metrics = (): Promise<string> => fetch(`${url}/metrics`).then((answer) => answer.text())
    const scraping = setInterval(() => void metrics().catch(() => ''), SCRAPE_MS)
    const system = systemOf([program], at, folder, {
      loopDelayMs: async () => {
        const samples = new Samples(await metrics().catch(() => ''))
        const seconds = samples.sum('signalbox_event_loop_delay_seconds', { quantile: '1' })
        return seconds === undefined ? null : seconds * 1_000
      },
      gauges: async () => {
        const text = await metrics()
        const samples = new Samples(text)
        return Object.fromEntries([...text.matchAll(GAUGE)].map(([, name = '']) => [name, samples.count(name)]))
      },
    })
    return {
      ...system,
      stop: async () => {
        clearInterval(scraping)
        await program.stop('SIGINT', 10_000)
        await system.stop()
      },
    }
  })
}

async function ask(url: string, method: string, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}
