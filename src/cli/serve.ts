import { join } from 'node:path'
import type { Command } from 'commander'
import type { Running } from '../app.js'
import { loadConfig, readAdminToken, type Config } from '../config/index.js'
import { command } from './edge-command.js'
import type { Io } from './io.js'
import { fields } from './text.js'

/** `signalbox serve`: the edge. */
export function serveCommand(io: Io): Command {
  return command(
    'serve',
    'Run the edge: engine, routing, API. Configured by config/default.yaml, SIGNALBOX_CONFIG and the environment',
    'signalbox serve',
    'SIP_CONTACTS="sip:192.0.2.1:5060;transport=udp,tcp" LOG_LEVEL=debug signalbox serve',
  )
    .option('--json', 'print where it is reached as one line of JSON')
    .action(async (options: { json?: boolean }) => {
      const config = loadConfig()
      const known = readAdminToken(config) !== undefined
      const stop = io.stopSignal()
      const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
      // Loaded here: the other commands need none of it.
      const { createApp } = await import('../app.js')
      const app = createApp(config)
      io.onReload?.(() => void app.reload())
      const starting = app.start()
      const first = await Promise.race([starting, stopped])
      if (first !== undefined) {
        io.out(options.json === true ? JSON.stringify(summary(first, config)) : banner(first, config, known))
        await stopped
      }
      // What is still starting would be missed by a stop; it takes seconds at most, and a second signal does not wait.
      else await starting.catch(() => {})
      await app.stop()
    })
}

/** Where the edge is reached, for programs. */
function summary(running: Running, config: Config): Record<string, unknown> {
  return {
    sip: running.sip,
    origination_uris: running.origination.origination_uris,
    http_url: running.httpUrl,
    redis_url: withoutPassword(running.redisUrl),
    data_dir: config.data.dir,
  }
}

/** Where the edge is reached and what to try next, for people. */
export function banner(running: Running, config: Config, tokenKnown: boolean): string {
  const { sip, httpUrl, redisUrl, ownRedis, ownEngine } = running
  const file = join(config.data.dir, 'admin-token')
  const token =
    config.admin_token !== null
      ? 'as configured (SIGNALBOX_ADMIN_TOKEN)'
      : tokenKnown
        ? `kept in ${file}`
        : `${readAdminToken(config) ?? ''} (new, kept in ${file})`
  return [
    'Signalbox is up.',
    fields({
      '  SIP': `${sip.join('  ')}  (${ownEngine ? 'own engine' : 'drachtio-server'})`,
      '  HTTP': `${httpUrl}  API under /v1, described at ${httpUrl}/docs`,
      '  token': token,
      '  Redis': `${withoutPassword(redisUrl)}  (${ownRedis ? `started here, data in ${config.data.dir}` : 'as configured'})`,
      '  may call': mayCall(running, config),
      '  next': 'npx signalbox demo  (in another terminal: places a call)',
    }),
  ].join('\n')
}

/** Where requests may go besides public addresses, and which key says so. */
function mayCall({ allowedNetworks }: Running, config: Config): string {
  const key = 'access.allowed_networks'
  if (allowedNetworks.length === 0) return `public addresses only; ${key} names private networks that are meant`
  const shown = allowedNetworks.slice(0, 8).join(' ') + (allowedNetworks.length > 8 ? ' ...' : '')
  const why = config.access.allowed_networks === null ? `for a local trial; ${key} changes it` : key
  return `public addresses and ${shown}  (${why})`
}

function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url
  const shown = new URL(url)
  if (shown.password !== '') shown.password = '***'
  return shown.href
}
