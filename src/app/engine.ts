import { randomBytes } from 'node:crypto'
import type { Config } from '../config/index.js'
import { type ConnectionPeer, createEngine, type Destinations, type Door, type Engine } from '../engine/index.js'
import { type Logger, type Metrics, SipTrace } from '../telemetry/index.js'
import { edgeDefaults, tlsOptions, transportOptions } from './transport-options.js'

const secrets = new WeakMap<Config, string>()

/** The secret of the control connection inside this process: nobody else needs to know it. */
export function engineSecret(config: Config): string {
  const known = config.drachtio.secret ?? secrets.get(config) ?? randomBytes(24).toString('base64url')
  secrets.set(config, known)
  return known
}

/** The engine of this process, not started yet. */
export function createSipEngine(
  config: Config,
  metrics: Metrics,
  logger: Logger,
  onConnectionClosed: (peer: ConnectionPeer) => void,
  destinations: Destinations,
  door: Door,
): Engine {
  const { sip } = config
  const tls = tlsOptions(config, edgeDefaults)
  const engine = createEngine({
    contacts: sip.contacts,
    ...(sip.external_ip === null ? {} : { externalIp: sip.external_ip }),
    control: {
      host: '127.0.0.1',
      port: config.drachtio.secret === null ? 0 : config.drachtio.port,
      secret: engineSecret(config),
    },
    timers: { t1Ms: sip.t1_ms, t2Ms: sip.t2_ms, t4Ms: sip.t4_ms, timerCMs: sip.timer_c_s * 1000 },
    limits: {
      maxMessageBytes: sip.max_message_bytes,
      maxHeaders: sip.max_headers,
      maxHeaderLineBytes: sip.max_header_line_bytes,
    },
    transport: transportOptions(config, edgeDefaults),
    ...(tls === undefined ? {} : { tls }),
    dnsServers: config.dns.servers,
    appAnswerTimeoutMs: sip.app_answer_timeout_s * 1000,
    // Our own application listens before it sends: it loses nothing that comes at once.
    echoGapMs: 0,
    sessionTimers: { minSeS: sip.session_timers.min_se_s },
    // Trunks trust our address: a stranger's request must not reach them. Only applications of others proxy.
    relay: config.drachtio.secret !== null,
    // Requests of a registered trunk take the route that its registrar gave (RFC 3608).
    appRoutes: true,
    destinations,
    door,
    onConnectionClosed,
    onHandshakeFailed: failedHandshakes(logger),
    observer: new SipTrace(metrics.sipMessageCounter, logger),
    onError: (error) => logger.error({ err: error }, 'Engine error'),
  })
  metrics.observeEngine(engine)
  return engine
}

/** A line a second at most: whoever scans the port does not fill the log. */
const HANDSHAKE_LINE_MS = 1_000

/** Writes why peers did not get through the TLS handshake. */
export function failedHandshakes(
  logger: Logger,
): (peer: { readonly address: string; readonly port: number }, why: string) => void {
  let quietUntil = 0
  let unsaid = 0
  return ({ address, port }, why) => {
    const now = performance.now()
    if (now < quietUntil) {
      unsaid++
      return
    }
    quietUntil = now + HANDSHAKE_LINE_MS
    logger.warn({ sourceAddress: address, sourcePort: port, unsaid }, `TLS handshake failed: ${why}`)
    unsaid = 0
  }
}

/** Has the engine read its certificates again; what is wrong is written, and what was there stays in use. */
export async function reloadTls(engine: Pick<Engine, 'reloadTls'>, logger: Logger): Promise<void> {
  try {
    const certificate = await engine.reloadTls()
    if (certificate !== undefined) logger.info({ certificate }, 'TLS certificates read anew')
  } catch (error) {
    logger.error({ err: error }, `TLS certificates stay as they were: ${(error as Error).message}`)
  }
}
