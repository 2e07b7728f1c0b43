import { z } from 'zod'
import { access } from './access.js'
import {
  forwardedHeader,
  host,
  keyText,
  listenAddress,
  nameServer,
  proxies,
  redisUrl,
  secretText,
  sipContact,
  unicastAddress,
} from './values.js'
import { notReserved, plainText, RESERVED_WORDS } from '../model/strict-text.js'
import { identifier, safeText } from '../model/text.js'

/** A whole number between two bounds, both allowed. */
const whole = (least: number, most: number) => z.number().int().min(least).max(most)

const edgeId = notReserved(
  z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, "_", "." or "-"'),
)

const HOUR_MS = 3_600_000
const DAY_S = 86_400
const MEBIBYTE = 1_048_576

const sessionTimers = z.strictObject({
  /** Whether we ask both legs of a call for a session timer (RFC 4028). When not, only those that far ends ask for are kept. */
  enabled: z.boolean().default(true),
  /** Seconds within which a leg has to be refreshed, or the call ends. Never less than `min_se_s`. */
  expires_s: whole(2, DAY_S).default(1_800),
  /** Shortest interval that a far end may ask for, in seconds. RFC 4028 allows no less than 90: less is for tests. */
  min_se_s: whole(2, DAY_S).default(90),
  /** Who refreshes where the far end leaves it open: `edge`, or the far end (`peer`) where it can. */
  refresher: z.enum(['edge', 'peer']).default('edge'),
})

/** A path: it reaches no message, but no path holds control characters. */
const file = safeText(1_024).min(1)

/** OpenSSL's cipher lists. */
const cipherList = z
  .string()
  .max(4_096)
  .refine(
    (text) => /^[A-Za-z0-9_+!@=:,. -]+$/.test(text) && !RESERVED_WORDS.has(text),
    'must be a list of ciphers as OpenSSL takes it',
  )

const namedCertificate = z.strictObject({
  /** PEM: the certificate, then the intermediate ones. */
  certificate_file: file,
  /** PEM, without a passphrase. */
  key_file: file,
  /** Intermediate certificates, when they are not with the certificate. */
  chain_file: file.nullable().default(null),
  /** The account whose trunks may have it shown; null: all. */
  account_id: identifier.nullable().default(null),
})

const tls = z.strictObject({
  /** What we show: PEM, our certificate first, then the intermediate ones. Needed for contacts over TLS, as is its key. */
  certificate_file: file.nullable().default(null),
  /** The private key of the certificate: PEM, without a passphrase. */
  key_file: file.nullable().default(null),
  /** Intermediate certificates, when they are not with the certificate; null: they are, or there are none. */
  chain_file: file.nullable().default(null),
  /** Authorities of our own: for clients, and for servers beside those that Node.js knows. */
  ca_file: file.nullable().default(null),
  /** The oldest version spoken. */
  min_version: z.enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
  /** OpenSSL cipher list; null: that of Node.js. */
  ciphers: cipherList.nullable().default(null),
  /** Whether peers that connect are asked for a certificate of an authority in `ca_file`. */
  client_certificates: z.enum(['none', 'ask', 'require']).default('none'),
  /** Certificates that trunks may want to see in place of ours, by the name that their `tls.client_certificate` gives. */
  named_certificates: z
    .record(identifier, namedCertificate)
    .refine((all) => Object.keys(all).length <= 100, 'must be 100 certificates or less')
    .default({}),
  /** Whether servers must prove the name that was dialled; null: to the edge, not to `signalbox engine`. */
  verify_servers: z.boolean().nullable().default(null),
  /** Milliseconds a handshake may take. */
  handshake_timeout_ms: whole(100, 60_000).default(5_000),
})

const sip = z.strictObject({
  /** Where the engine listens. */
  contacts: z.array(sipContact).min(1).max(32).default(['sip:127.0.0.1:5060;transport=udp,tcp']),
  /** The address peers see in Via and Contact instead of the bound one; null: the bound one. */
  external_ip: unicastAddress.nullable().default(null),
  /** Seconds one address of an agent may ring when the agent does not say itself. */
  ring_timeout_s: whole(1, 600).default(30),
  /** Milliseconds an agent's offer may wait for the destination before it is answered without it; null: 40 times T1. */
  offer_patience_ms: whole(100, 60_000).nullable().default(null),
  /** `User-Agent` of our INVITEs; null: none is sent. */
  user_agent: plainText(128).min(1).nullable().default('signalbox'),
  /** Digest algorithms that callers are asked for, the one we like best first (RFC 8760 2.4). */
  digest_algorithms: z
    .array(z.enum(['MD5', 'SHA-256', 'SHA-512-256']))
    .min(1)
    .max(3)
    .default(['SHA-256', 'MD5']),
  /** RFC 3261 T1: milliseconds, the estimate of the round trip. */
  t1_ms: whole(10, 10_000).default(500),
  /** RFC 3261 T2: milliseconds, the longest interval between repeats. */
  t2_ms: whole(10, 60_000).default(4_000),
  /** RFC 3261 T4: milliseconds a message may stay in the network. */
  t4_ms: whole(10, 60_000).default(5_000),
  /** RFC 3261 timer C: seconds an INVITE may ring after its last provisional response. */
  timer_c_s: whole(1, 3_600).default(185),
  /** Seconds an application has for its first answer to a request. */
  app_answer_timeout_s: whole(1, 600).default(64),
  /** Session timers of both legs. */
  session_timers: sessionTimers.prefault({}),
  /** Bytes of one message, body included. */
  max_message_bytes: whole(2_048, MEBIBYTE).default(65_535),
  /** Header lines of one message. */
  max_headers: whole(16, 4_096).default(256),
  /** Bytes of one header line with its folds. */
  max_header_line_bytes: whole(256, 65_535).default(8_192),
  /** Seconds after which a TCP connection on which nothing passes is closed. */
  tcp_idle_timeout_s: whole(1, DAY_S).default(1_800),
  /** Milliseconds a TCP connection of ours has to come up. */
  tcp_connect_timeout_ms: whole(50, 60_000).default(4_000),
  /** Seconds a peer has for one message on a TCP connection, and for the first after connecting. */
  tcp_read_deadline_s: whole(1, 3_600).default(10),
  /** Seconds of silence after which the system asks whether a TCP peer's machine is still there; 0: never. */
  tcp_keep_alive_s: whole(0, DAY_S).default(120),
  /** Seconds without a word of the peer after which it is pinged; 0: never; null: 120 for the edge, 0 for `signalbox engine`. */
  ping_interval_s: whole(0, 3_600).nullable().default(null),
  /** Milliseconds a peer that answers pings has for each answer. */
  pong_timeout_ms: whole(100, 60_000).default(10_000),
  /** Requests in a row without an answer after which a connection is given up; 0: never; null: 3 for the edge, 0 for `signalbox engine`. */
  max_consecutive_timeouts: whole(0, 1_000).nullable().default(null),
  /** TLS. */
  tls: tls.prefault({}),
  /** TCP connections open at the same time. */
  max_connections: whole(1, 1_000_000).default(2_048),
  /** TCP connections from one address at the same time. */
  max_connections_per_address: whole(1, 1_000_000).default(1_024),
  /** The same, of addresses that no trunk, agent or registration is known to be at. */
  max_connections_per_unknown_address: whole(1, 1_000_000).default(100),
  /** Bytes of send and receive buffer asked of the system for each UDP socket. */
  udp_buffer_bytes: whole(65_536, 256 * MEBIBYTE).default(4 * MEBIBYTE),
  /** Headers of the caller's INVITE that reach the agent besides `X-*` and `User-to-User`. */
  forward_headers: z.array(forwardedHeader).max(32).default([]),
})

const httpTls = z.strictObject({
  /** PEM: our certificate first, then the intermediate ones. */
  certificate_file: file.nullable().default(null),
  /** The private key of the certificate: PEM, without a passphrase. */
  key_file: file.nullable().default(null),
  /** The oldest version spoken. */
  min_version: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
})

const http = z.strictObject({
  /** Where the REST API, the console and the metrics are. */
  listen: listenAddress.default('127.0.0.1:8080'),
  /** TLS of the API. Without it, only a loopback address is served, or one behind a proxy that `trust_proxy` names. */
  tls: httpTls.prefault({}),
  /**
   * Whether a proxy stands in front and sees to TLS: true when only it can connect to us, or the networks proxies connect from. Its
   * X-Forwarded-For then says where a request comes from.
   */
  trust_proxy: proxies.default(false),
  /** Tokens that are not valid, a minute and source address, until further ones are told to wait. Valid ones never are, but for an admin token under 20 characters. */
  token_failures_per_minute: whole(1, 100_000).default(30),
  /** Whether `/readyz` says ready while Redis is away and known numbers are served from memory. */
  ready_without_redis: z.boolean().default(false),
})

const redis = z.strictObject({
  /** The Redis to use; null: `signalbox serve` starts one with its data in the data folder. */
  url: redisUrl.nullable().default(null),
  /** Milliseconds after which a command has failed. */
  command_timeout_ms: whole(1, 60_000).default(100),
  /** Milliseconds a connection has to come up. */
  connect_timeout_ms: whole(10, 60_000).default(1_000),
})

const drachtio = z.strictObject({
  /** The drachtio-server to use; null: the engine is started in this process. */
  host: host.nullable().default(null),
  /** Control port: of that drachtio-server, or of the engine when `secret` is set (without, it takes any free one). */
  port: whole(0, 65_535).default(9_022),
  /** Shared secret of the control connection, needed with `host`; null: a random one that only this process knows. */
  secret: secretText.nullable().default(null),
})

const cache = z.strictObject({
  /** Numbers kept in memory. */
  max_numbers: whole(1, 10_000_000).default(100_000),
  max_trunks: whole(1, 1_000_000).default(20_000),
  max_agents: whole(1, 1_000_000).default(20_000),
  /** Milliseconds what was read is believed where Redis cannot tell us of changes. */
  fresh_ms: whole(0, HOUR_MS).default(1_000),
})

const trunks = z.strictObject({
  /** Milliseconds a server of a trunk may be wholly silent before its next server is tried; the last one has the full RFC 3261 time. */
  silence_ms: whole(100, 32_000).default(4_000),
  /** Seconds a server that failed is tried last. */
  avoid_failed_s: whole(0, 3_600).default(30),
  /** OPTIONS in a row without any answer after which a server counts as down. */
  ping_misses: whole(1, 100).default(3),
  /** OPTIONS in a row with an answer after which it counts as up again. */
  ping_answers: whole(1, 100).default(2),
  /** Seconds a destination may ring before the call is given up. */
  ring_timeout_s: whole(1, 600).default(120),
  /** 3xx responses that one call follows. */
  max_redirects: whole(0, 10).default(3),
})

const registration = z.strictObject({
  /** REGISTERs under way at the same time. */
  max_in_flight: whole(1, 10_000).default(50),
  /** First REGISTERs a second, so that a start does not storm the registrars. */
  start_rate: whole(1, 100_000).default(50),
  /** Milliseconds a registrar has for its answer before its next server is tried. */
  response_timeout_ms: whole(100, 60_000).default(8_000),
  /** Seconds of the first pause after a failure; doubled each time, with jitter (RFC 5626 4.5). */
  retry_base_s: whole(1, 3_600).default(30),
  /** Seconds of the longest pause after failures. */
  retry_max_s: whole(1, DAY_S).default(1_800),
  /** Seconds of the pause after a refusal: a wrong password, 403, 404. */
  refused_retry_s: whole(1, DAY_S).default(3_600),
  /** Longest `Retry-After`, in seconds, that is honoured. */
  retry_after_max_s: whole(1, DAY_S).default(3_600),
  /** Largest `Min-Expires` of a 423, in seconds, that is adopted. */
  min_expires_max_s: whole(60, 7 * DAY_S).default(86_400),
  /** Whether a stopping edge un-registers: `auto` when no other edge is there to go on. */
  unregister_on_stop: z.enum(['auto', 'always', 'never']).default('auto'),
  /** Milliseconds after which an edge that gives no sign of life loses its trunks to the others. */
  lease_ms: whole(500, 60_000).default(8_000),
})

const registrar = z.strictObject({
  /** Shortest expiry, in seconds, that a PBX that registers to us is granted; 423 to those that ask for less. */
  min_expires_s: whole(1, DAY_S).default(60),
  /** Seconds granted to those that do not say. */
  default_expires_s: whole(1, DAY_S).default(300),
  /** Seconds granted at most. */
  max_expires_s: whole(1, DAY_S).default(3_600),
  /** Contacts of one trunk at the same time. */
  max_contacts: whole(1, 50).default(10),
})

const cdr = z.strictObject({
  /** Records kept in the Redis stream; the oldest go first. */
  stream_max_length: whole(1, 1_000_000_000).default(1_000_000),
  /** Seconds a call's record can be read by its id. */
  record_ttl_s: whole(1, 366 * DAY_S).default(DAY_S),
  /** Records waiting in memory while Redis is away; past it the oldest are dropped and counted. */
  queue_max: whole(1, 10_000_000).default(20_000),
})

const events = z.strictObject({
  /** Whether calls are told of on the event stream; registrations always are. */
  calls: z.boolean().default(true),
  /** Events kept in the Redis stream, about: how far a client can go back; the oldest go first. */
  stream_max_length: whole(1, 10_000_000).default(10_000),
  /** Events waiting in memory while Redis is away; past it the oldest are dropped and counted. */
  queue_max: whole(1, 1_000_000).default(10_000),
})

/** What an operator can set. `config/default.yaml` tells the same to people; a test holds both in step. */
export const configSchema = z.strictObject({
  sip: sip.prefault({}),
  http: http.prefault({}),
  redis: redis.prefault({}),
  drachtio: drachtio.prefault({}),
  data: z
    .strictObject({
      /** The folder for what this instance keeps: token, keys, and the data of the Redis it starts. */
      dir: file.default('.signalbox'),
    })
    .prefault({}),
  log: z
    .strictObject({
      /** The least important lines that are written; `debug` adds every SIP message, secrets blanked. */
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    })
    .prefault({}),
  /** Names this edge among those on the same Redis; null: made anew at each start. */
  edge_id: edgeId.nullable().default(null),
  /** Bearer token of the REST API; null: made at the first start and kept in the data folder. */
  admin_token: secretText.nullable().default(null),
  /** Key that encrypts passwords at rest; null: made at the first start and kept in the data folder. */
  secret_key: keyText.nullable().default(null),
  /** Keys that passwords may still be encrypted with, until `signalbox secret rotate` has gone through them. */
  former_secret_keys: z.array(keyText).max(16).default([]),
  cache: cache.prefault({}),
  limits: z
    .strictObject({
      /** Calls at the same time; further ones are refused with 503. */
      max_calls: whole(1, 1_000_000).default(10_000),
      /** Seconds from its answer after which any call is ended; null: no limit but those of trunks and agents. */
      max_call_seconds: whole(1, 604_800).nullable().default(null),
      /** Milliseconds that messages wait for the event loop from which on new calls are refused with 503; 0: never. */
      shed_delay_ms: whole(0, 60_000).default(500),
    })
    .prefault({}),
  access: access.prefault({}),
  cdr: cdr.prefault({}),
  events: events.prefault({}),
  audit: z
    .strictObject({
      /** Changes kept in the Redis stream; the oldest go first. */
      max_entries: whole(100, 10_000_000).default(100_000),
    })
    .prefault({}),
  trunks: trunks.prefault({}),
  registration: registration.prefault({}),
  registrar: registrar.prefault({}),
  dns: z
    .strictObject({
      /** Name servers to ask; none: those of the system. */
      servers: z.array(nameServer).max(8).default([]),
    })
    .prefault({}),
})

/** The configuration, complete and checked. Keys are spelled as in the files. */
export type Config = z.output<typeof configSchema>

/** What a key holds, as far as reading it from an environment variable needs to know. */
export type Kind = 'section' | 'list' | 'map' | 'text' | 'value'

/** What stands at a path of the configuration, or undefined when there is no such key. */
export function kindAt(path: readonly string[]): Kind | undefined {
  const type = typeAt(path)
  if (type === undefined) return undefined
  if (type instanceof z.ZodObject) return 'section'
  if (type instanceof z.ZodArray) return 'list'
  if (type instanceof z.ZodRecord) return 'map'
  return type instanceof z.ZodString || type instanceof z.ZodEnum ? 'text' : 'value'
}

/** The keys of the section at a path; none when there is no such section. */
export function keysAt(path: readonly string[]): string[] {
  const type = typeAt(path)
  return type instanceof z.ZodObject ? Object.keys(type.shape) : []
}

function typeAt(path: readonly string[]): z.core.$ZodType | undefined {
  let type: z.core.$ZodType = configSchema
  for (const key of path) {
    if (!(type instanceof z.ZodObject) || !Object.hasOwn(type.shape, key)) return undefined
    type = unwrap(type.shape[key] as z.core.$ZodType)
  }
  return type
}

function unwrap(type: z.core.$ZodType): z.core.$ZodType {
  if (type instanceof z.ZodDefault || type instanceof z.ZodPrefault || type instanceof z.ZodNullable)
    return unwrap(type.def.innerType)
  return type
}
