import type { Config } from '../config/index.js'
import type { EngineOptions, OwnPem, TlsSettings } from '../engine/index.js'

/** What the configuration leaves open (null) and who runs the engine decides. */
export interface TransportDefaults {
  readonly pingIntervalS: number
  readonly maxConsecutiveTimeouts: number
  readonly verifyServers: boolean
}

/** Of the edge: dead connections are noticed, and servers held to their names. */
export const edgeDefaults: TransportDefaults = { pingIntervalS: 120, maxConsecutiveTimeouts: 3, verifyServers: true }

/** Of the engine alone: as drachtio-server does. */
export const standInDefaults: TransportDefaults = { pingIntervalS: 0, maxConsecutiveTimeouts: 0, verifyServers: false }

/** Times and bounds of the engine's transports. */
export function transportOptions(
  { sip }: Pick<Config, 'sip'>,
  defaults: TransportDefaults,
): NonNullable<EngineOptions['transport']> {
  return {
    idleTimeoutMs: sip.tcp_idle_timeout_s * 1000,
    connectTimeoutMs: sip.tcp_connect_timeout_ms,
    readDeadlineMs: sip.tcp_read_deadline_s * 1000,
    keepAliveMs: sip.tcp_keep_alive_s * 1000,
    pingIntervalMs: (sip.ping_interval_s ?? defaults.pingIntervalS) * 1000,
    pongTimeoutMs: sip.pong_timeout_ms,
    maxConsecutiveTimeouts: sip.max_consecutive_timeouts ?? defaults.maxConsecutiveTimeouts,
    maxConnections: sip.max_connections,
    maxConnectionsPerAddress: sip.max_connections_per_address,
    maxConnectionsPerStranger: sip.max_connections_per_unknown_address,
    handshakeTimeoutMs: sip.tls.handshake_timeout_ms,
    udpBufferBytes: sip.udp_buffer_bytes,
  }
}

/** TLS of the engine; undefined: no certificate is configured. */
export function tlsOptions(
  { sip: { tls } }: Pick<Config, 'sip'>,
  defaults: TransportDefaults,
): TlsSettings | undefined {
  const { certificate_file, key_file, chain_file, ca_file, ciphers } = tls
  if (certificate_file === null || key_file === null) return undefined
  const named = Object.entries(tls.named_certificates)
  return {
    certificate: { file: certificate_file },
    key: { file: key_file },
    ...(chain_file === null ? {} : { chain: { file: chain_file } }),
    ...(ca_file === null ? {} : { ca: { file: ca_file } }),
    ...(named.length === 0 ? {} : { named: Object.fromEntries(named.map(([name, files]) => [name, ownPem(files)])) }),
    ...(ciphers === null ? {} : { ciphers }),
    minVersion: tls.min_version,
    clientCertificates: tls.client_certificates,
    verifyServers: tls.verify_servers ?? defaults.verifyServers,
  }
}

function ownPem(files: Config['sip']['tls']['named_certificates'][string]): OwnPem {
  const { certificate_file, key_file, chain_file } = files
  return {
    certificate: { file: certificate_file },
    key: { file: key_file },
    ...(chain_file === null ? {} : { chain: { file: chain_file } }),
  }
}
