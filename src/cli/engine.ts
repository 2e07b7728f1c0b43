import type { Command } from 'commander'
import { failedHandshakes, reloadTls } from '../app/engine.js'
import { type DrachtioFlags, type DrachtioSettings, loadConfig, loadDrachtio } from '../config/index.js'
import { createEngine } from '../engine/index.js'
import { Blacklist } from '../store/blacklist.js'
import { createLogger, EngineMetrics, type Logger, ScrapeServer, SipTrace } from '../telemetry/index.js'
import { command } from './edge-command.js'
import { addDrachtioFlags } from './engine-flags.js'
import { engineOptions } from './engine-options.js'
import type { Io } from './io.js'
import { logLevel, reloadLogLevel } from './log-level.js'

/** `signalbox engine`: the engine alone, in the place of drachtio-server under any drachtio application. */
export function engineCommand(io: Io): Command {
  const engine = command(
    'engine',
    "Run the engine alone, as a stand-in for drachtio-server. Takes drachtio's flags, variables and XML file",
    'signalbox engine --contact "sip:127.0.0.1:5060;transport=udp,tcp" --port 9022 --secret cymru',
    'signalbox engine -c "sip:10.0.0.5" --external-ip 203.0.113.10 -c "sip:10.1.0.5;transport=tcp"',
    'signalbox engine --file /etc/drachtio.conf.xml',
  )
  const readFlags = addDrachtioFlags(engine)
  return engine
    .option('--json', 'print where it listens as one line of JSON')
    .version('v0.9.10', '-v, --version', 'print the version of drachtio-server it stands in for')
    .action(async (options: { json?: boolean }) => {
      await runEngine(io, readFlags(), options.json === true)
    })
}

async function runEngine(io: Io, flags: DrachtioFlags, json: boolean): Promise<void> {
  const { settings, ignored } = loadDrachtio(flags)
  for (const line of ignored) io.err(`signalbox: ${line}`)
  const config = loadConfig()
  const options = engineOptions(settings, config)
  const logger = createLogger({ level: logLevel(settings, config) })
  const stop = io.stopSignal()
  const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
  const blacklist = blacklistOf(settings, logger)
  const metrics = new EngineMetrics()
  const scrapes = new ScrapeServer(metrics)
  const { prometheus } = settings
  const trace = new SipTrace(metrics.sipMessageCounter, logger)
  // With no trace to write and nobody to read counters, no message is looked at.
  const observer = () => (prometheus !== undefined || logger.isLevelEnabled('debug') ? trace : undefined)
  const observed = observer()
  try {
    const engine = createEngine({
      ...options,
      ...(blacklist === undefined ? {} : { screening: { ...options.screening, blacklist } }),
      ...(observed === undefined ? {} : { observer: observed }),
      onHandshakeFailed: failedHandshakes(logger),
      onRoutingFailed: (failure) => logger.warn(failure, 'A request handler could not be followed'),
      onError: (error) => logger.error({ err: error }, 'Engine error'),
    })
    if (prometheus !== undefined) metrics.observe(engine)
    const scraped = prometheus && (await scrapes.listen(prometheus.host, prometheus.port))
    io.onReload?.(() => {
      reloadLogLevel(flags, config, logger)
      engine.observe(observer())
      void reloadTls(engine, logger)
    })
    // Before the first call: its source may be on the list.
    await blacklist?.start()
    const { control, addresses } = await engine.start()
    const at = scraped && { host: scraped.address, port: scraped.port }
    const lines = [
      'Signalbox engine is up.',
      `  SIP           ${addresses.join('  ')}`,
      `  applications  ${control.host}:${control.port}${control.tlsPort === undefined ? '' : `  over TLS: port ${control.tlsPort}`}`,
      ...(at === undefined
        ? []
        : [`  metrics       http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}/metrics`]),
    ]
    io.out(
      json
        ? JSON.stringify({ control, sip: addresses, ...(at === undefined ? {} : { metrics: at }) })
        : lines.join('\n'),
    )
    await stopped
    await engine.stop()
  } finally {
    blacklist?.stop()
    await scrapes.close()
  }
}

function blacklistOf(settings: DrachtioSettings, logger: Logger): Blacklist | undefined {
  const {
    blacklistAddress: host,
    blacklistPort: port = 6379,
    blacklistSentinels: sentinels,
    blacklistKey: key,
  } = settings
  const { blacklistMaster: master, blacklistPassword: password, blacklistRefreshS: refreshS = 300 } = settings
  if (key === undefined) return undefined
  const redis =
    sentinels !== undefined && master !== undefined
      ? { sentinels, master }
      : host !== undefined
        ? { host, port }
        : undefined
  return redis && new Blacklist({ redis, password, key, refreshMs: refreshS * 1000, logger })
}
