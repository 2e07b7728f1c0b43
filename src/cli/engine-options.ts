import type { Config, DrachtioSettings } from '../config/index.js'
import { standInDefaults, tlsOptions, transportOptions } from '../app/transport-options.js'
import type { EngineOptions, NatSettings, ScreeningSettings, TlsSettings } from '../engine/index.js'
import { given } from '../model/given.js'
import { isLoopbackHost } from '../model/network.js'
import { CliError, exitCodes } from './errors.js'

/** Secrets everybody knows: drachtio's examples and its server ship with them. */
const DEFAULT_SECRETS = new Set(['cymru', 'admin'])
const DEFAULT_SECRET = 'cymru'
const DEFAULT_ADDRESS = '127.0.0.1'

/**
 * What an operator has set, over the configuration, makes of the engine.
 *
 * @throws {CliError} when the secret does not protect the address, or applications are to come over TLS without a certificate
 */
export function engineOptions(settings: DrachtioSettings, config: Config): EngineOptions {
  const { sip } = config
  const externalIp = settings.externalIp ?? sip.external_ip ?? undefined
  const t1Ms = settings.t1Ms ?? sip.t1_ms
  const tls = tlsOf(settings, config)
  if (settings.tlsPort && tls === undefined)
    throw new CliError(
      `--tls-port ${settings.tlsPort} needs a certificate and its key: --cert-file and --key-file, or <sip/tls> in the XML file`,
      exitCodes.usage,
    )
  return {
    contacts: settings.contacts ?? sip.contacts,
    ...given({
      externalIp,
      localInside: settings.localInside,
      outboundProxy: settings.outboundProxy,
      localDomain: settings.localDomain,
      preserveHeaderNames: settings.preserveHeaderNames,
      alwaysRing: settings.alwaysSend180,
      bestEffortTls: settings.bestEffortTls,
      nat: natOf(settings),
      screening: screeningOf(settings),
      requestHandlers: settings.requestHandlers,
      cdrs: settings.cdrs,
    }),
    ...(settings.defaultRefresher === undefined
      ? {}
      : { sessionTimers: { defaultRefresher: settings.defaultRefresher } }),
    control: controlOf(settings, config),
    timers: {
      t1Ms,
      t2Ms: settings.t2Ms ?? sip.t2_ms,
      t4Ms: settings.t4Ms ?? sip.t4_ms,
      timerCMs: sip.timer_c_s * 1000,
      ...given({ t1x64Ms: settings.t1x64Ms }),
    },
    limits: {
      maxMessageBytes: sip.max_message_bytes,
      maxHeaders: sip.max_headers,
      maxHeaderLineBytes: sip.max_header_line_bytes,
    },
    transport: {
      ...transportOptions(config, standInDefaults),
      ...given({ maxConsecutiveTimeouts: settings.maxConsecutiveTimeouts }),
      // 0 is drachtio's way of saying: the default.
      udpBufferBytes: settings.udpBufferBytes || sip.udp_buffer_bytes,
    },
    ...given({ tls }),
    dnsServers: config.dns.servers,
    appAnswerTimeoutMs: sip.app_answer_timeout_s * 1000,
  }
}

function controlOf(settings: DrachtioSettings, { drachtio }: Config): EngineOptions['control'] {
  const host = settings.address ?? DEFAULT_ADDRESS
  const secret = settings.secret ?? drachtio.secret ?? DEFAULT_SECRET
  if (DEFAULT_SECRETS.has(secret) && !isLoopbackHost(host))
    throw new CliError(
      `the secret "${secret}" is known to everybody: on ${host} give one of your own with --secret`,
      exitCodes.usage,
    )
  const { keepAliveS, tlsPort } = settings
  return {
    host,
    port: settings.port ?? drachtio.port,
    secret,
    // 0 is drachtio's way of saying: none.
    ...(tlsPort ? { tlsPort } : {}),
    ...(keepAliveS === undefined ? {} : { keepAliveMs: keepAliveS * 1000 }),
  }
}

/** What drachtio's settings say, each over that of the configuration; undefined: no certificate is given. */
function tlsOf(settings: DrachtioSettings, { sip }: Config): TlsSettings | undefined {
  const { certFile, keyFile, chainFile, minTlsVersion, tlsCiphers, verifyClientCert } = settings
  const own = certFile !== undefined
  const tls = {
    ...sip.tls,
    ...given({ certificate_file: certFile, key_file: keyFile, min_version: minTlsVersion, ciphers: tlsCiphers }),
    // The chain belongs to the certificate that it is given with, and to drachtio vouches for clients too.
    ...(own ? { chain_file: chainFile ?? null, ca_file: sip.tls.ca_file ?? chainFile ?? null } : {}),
    ...(verifyClientCert === true ? { client_certificates: 'require' as const } : {}),
  }
  return tlsOptions({ sip: { ...sip, tls } }, standInDefaults)
}

function natOf({ aggressiveNat, disableNat }: DrachtioSettings): NatSettings | undefined {
  if (aggressiveNat !== true && disableNat !== true) return undefined
  return { detection: disableNat !== true, aggressive: aggressiveNat === true }
}

function screeningOf(settings: DrachtioSettings): ScreeningSettings | undefined {
  const { spammers, optionsAutoRespond, rejectRegisterWithNoRealm } = settings
  const screening: ScreeningSettings = given({
    spammers: spammers && { headers: spammers.headers, action: spammers.action, streamAction: spammers.tcpAction },
    optionsAutoRespond,
    rejectRegisterWithoutRealm: rejectRegisterWithNoRealm,
  })
  return Object.keys(screening).length === 0 ? undefined : screening
}
