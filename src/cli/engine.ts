import { Option, type Command } from 'commander'
import { loadConfig, type Config } from '../config/index.js'
import { createEngine, type EngineOptions } from '../engine/index.js'
import { createLogger, Metrics, SipTrace } from '../telemetry/index.js'
import { command, several } from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'

/** Secrets everybody knows: drachtio's examples and its server ship with them. */
const DEFAULT_SECRETS = new Set(['cymru', 'admin'])
const DEFAULT_SECRET = 'cymru'

/** drachtio's names of log levels, and ours. */
const LEVELS = { notice: 'info', error: 'error', warning: 'warn', info: 'info', debug: 'debug' } as const

interface Options {
  readonly contact?: string[]
  readonly port?: string
  readonly address: string
  readonly secret?: string
  readonly externalIp?: string
  readonly t1?: string
  readonly t1x64?: string
  readonly t2?: string
  readonly t4?: string
  readonly tcpKeepaliveInterval?: string
  readonly loglevel?: keyof typeof LEVELS
  readonly json?: boolean
}

/** `signalbox engine`: the engine alone, in the place of drachtio-server under any drachtio application. */
export function engineCommand(io: Io): Command {
  return command(
    'engine',
    'Run the engine alone, as a stand-in for drachtio-server. What an option leaves open comes from the configuration',
    'signalbox engine --contact "sip:127.0.0.1:5060;transport=udp,tcp" --port 9022 --secret cymru',
  )
    .option(
      '-c, --contact <contact>',
      "where to listen for SIP, in drachtio's form; may be given several times",
      several,
    )
    .option('-p, --port <port>', 'TCP port for applications; 0: any free one (default: 9022)')
    .option('--address <address>', 'address for applications', '127.0.0.1')
    .option('--secret <secret>', `what applications must know (default: DRACHTIO_SECRET, else ${DEFAULT_SECRET})`)
    .option('--external-ip <address>', 'address shown to peers in Via and Contact')
    .option('--t1 <ms>', 'SIP timer T1 (default: 500)')
    .option('--t1x64 <ms>', 'how long an end waits for the other (default: 64 * T1)')
    .option('--t2 <ms>', 'SIP timer T2 (default: 4000)')
    .option('--t4 <ms>', 'SIP timer T4 (default: 5000)')
    .option('--tcp-keepalive-interval <seconds>', 'TCP keep-alive towards applications; 0: none (default: 45)')
    .addOption(new Option('-l, --loglevel <level>', 'debug shows every SIP message').choices(Object.keys(LEVELS)))
    .option('--json', 'print where it listens as one line of JSON')
    .action(async (options: Options) => {
      const config = loadConfig()
      const stop = io.stopSignal()
      const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
      const engine = createEngine(engineOptions(options, config))
      const { control, addresses } = await engine.start()
      io.out(
        options.json === true
          ? JSON.stringify({ control, sip: addresses })
          : `Signalbox engine is up.\n  SIP           ${addresses.join('  ')}\n  applications  ${control.host}:${control.port}`,
      )
      await stopped
      await engine.stop()
    })
}

/** What the flags and the configuration make of the engine. @throws {CliError} */
export function engineOptions(options: Options, config: Config): EngineOptions {
  const { sip, drachtio } = config
  const whole = (name: string, text: string | undefined, least: number, most: number): number | undefined => {
    if (text === undefined) return undefined
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most))
      throw new CliError(`--${name} ${text} is not a whole number from ${least} to ${most}`, exitCodes.usage)
    return value
  }
  const secret = options.secret ?? drachtio.secret ?? DEFAULT_SECRET
  if (secret === '') throw new CliError('--secret must not be empty', exitCodes.usage)
  if (DEFAULT_SECRETS.has(secret) && !isLoopback(options.address))
    throw new CliError(
      `the secret "${secret}" is known to everybody: on ${options.address} give one of your own with --secret`,
      exitCodes.usage,
    )
  const externalIp = options.externalIp ?? sip.external_ip ?? undefined
  const t1Ms = whole('t1', options.t1, 1, 60_000) ?? sip.t1_ms
  const t1x64Ms = whole('t1x64', options.t1x64, 1, 3_600_000)
  const keepAliveS = whole('tcp-keepalive-interval', options.tcpKeepaliveInterval, 0, 86_400)
  const logger = createLogger({ level: options.loglevel === undefined ? config.log.level : LEVELS[options.loglevel] })
  return {
    contacts: options.contact ?? sip.contacts,
    ...(externalIp === undefined ? {} : { externalIp }),
    control: {
      host: options.address,
      port: whole('port', options.port, 0, 65_535) ?? drachtio.port,
      secret,
      ...(keepAliveS === undefined ? {} : { keepAliveMs: keepAliveS * 1000 }),
    },
    timers: {
      t1Ms,
      t2Ms: whole('t2', options.t2, 1, 600_000) ?? sip.t2_ms,
      t4Ms: whole('t4', options.t4, 1, 600_000) ?? sip.t4_ms,
      timerCMs: sip.timer_c_s * 1000,
      ...(t1x64Ms === undefined ? {} : { t1x64Ms }),
    },
    limits: {
      maxMessageBytes: sip.max_message_bytes,
      maxHeaders: sip.max_headers,
      maxHeaderLineBytes: sip.max_header_line_bytes,
    },
    transport: {
      idleTimeoutMs: sip.tcp_idle_timeout_s * 1000,
      connectTimeoutMs: sip.tcp_connect_timeout_ms,
      readDeadlineMs: sip.tcp_read_deadline_s * 1000,
      maxConnections: sip.max_connections,
      maxConnectionsPerAddress: sip.max_connections_per_address,
      udpBufferBytes: sip.udp_buffer_bytes,
    },
    dnsServers: config.dns.servers,
    appAnswerTimeoutMs: sip.app_answer_timeout_s * 1000,
    // Without a trace to write, no message is looked at.
    ...(logger.isLevelEnabled('debug') ? { observer: new SipTrace(new Metrics().sipMessageCounter, logger) } : {}),
    onError: (error) => logger.error({ err: error }, 'Engine error'),
  }
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127\.[0-9]+\.[0-9]+\.[0-9]+$/.test(address)
}
