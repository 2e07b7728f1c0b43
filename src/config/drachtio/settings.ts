import {
  address,
  handlerUrl,
  names,
  oneOf,
  port,
  scrapeAddress,
  sentinels,
  text,
  tlsVersion,
  whole,
  yesOrNo,
} from './values.js'

/** One setting of drachtio-server: where it is given, and what it means here. */
export interface Setting<T> {
  /** On the command line, as commander wants it. */
  readonly flag?: string
  /** Environment variable. */
  readonly env?: string
  /** Below `<drachtio>`: elements separated by slashes, an attribute after `@`. */
  readonly xml?: string
  readonly help: string
  readonly read: (text: string) => T
}

const setting = <T>(definition: Setting<T>): Setting<T> => definition

const DAY_S = 86_400

/** Every setting that is one value. Contacts, spammers and request handlers are not. */
export const settings = {
  address: setting({
    flag: '-E, --address <address>',
    env: 'DRACHTIO_ADMIN_ADDRESS',
    xml: 'admin',
    help: 'address for applications (default: 127.0.0.1)',
    read: address,
  }),
  port: setting({
    flag: '-p, --port <port>',
    env: 'DRACHTIO_ADMIN_TCP_PORT',
    xml: 'admin@port',
    help: 'TCP port for applications; 0: any free one (default: 9022)',
    read: port,
  }),
  tlsPort: setting({
    flag: '--tls-port <port>',
    env: 'DRACHTIO_ADMIN_TLS_PORT',
    xml: 'admin@tls-port',
    help: 'TLS port for applications; 0: none (default: 0)',
    read: port,
  }),
  secret: setting({
    flag: '-F, --secret <secret>',
    env: 'DRACHTIO_SECRET',
    xml: 'admin@secret',
    help: 'what applications must know (default: cymru, on loopback only)',
    read: text,
  }),
  keepAliveS: setting({
    flag: '--tcp-keepalive-interval <seconds>',
    env: 'DRACHTIO_TCP_KEEPALIVE_INTERVAL',
    xml: 'admin@tcp-keepalive',
    help: 'TCP keep-alive towards applications; 0: none (default: 45)',
    read: whole(0, DAY_S),
  }),
  outboundProxy: setting({
    xml: 'sip/outbound-proxy',
    help: 'next hop of requests outside dialogs for which the application names none',
    read: text,
  }),
  t1Ms: setting({
    flag: '--t1 <ms>',
    xml: 'sip/timers/t1',
    help: 'SIP timer T1 (default: 500)',
    read: whole(1, 60_000),
  }),
  t2Ms: setting({
    flag: '--t2 <ms>',
    xml: 'sip/timers/t2',
    help: 'SIP timer T2 (default: 4000)',
    read: whole(1, 600_000),
  }),
  t4Ms: setting({
    flag: '--t4 <ms>',
    xml: 'sip/timers/t4',
    help: 'SIP timer T4 (default: 5000)',
    read: whole(1, 600_000),
  }),
  t1x64Ms: setting({
    flag: '--t1x64 <ms>',
    xml: 'sip/timers/t1x64',
    help: 'how long an end waits for the other (default: 64 * T1)',
    read: whole(1, 3_600_000),
  }),
  defaultRefresher: setting({
    xml: 'sip/session-timers@default-refresher',
    help: 'who refreshes a session whose caller leaves that open: none, uac or uas (default: none)',
    read: oneOf('none', 'uac', 'uas'),
  }),
  optionsAutoRespond: setting({
    flag: '-T, --user-agent-options-auto-respond <agent>',
    env: 'DRACHTIO_USER_AGENT_OPTIONS_AUTO_RESPOND',
    xml: 'sip/user-agent-options-auto-respond',
    help: 'OPTIONS with exactly this User-Agent are answered 200 without an application',
    read: text,
  }),
  rejectRegisterWithNoRealm: setting({
    flag: '--reject-register-with-no-realm',
    env: 'DRACHTIO_REJECT_REGISTER_WITH_NO_REALM',
    xml: 'sip/reject-register-with-no-realm',
    help: '403 to a REGISTER whose Request-URI has an IP address for a domain',
    read: yesOrNo,
  }),
  aggressiveNat: setting({
    flag: '-I, --aggressive-nat-detection',
    env: 'DRACHTIO_AGRESSIVE_NAT_DETECTION',
    xml: 'sip/aggressive-nat-detection',
    help: 'nat=yes in Record-Route or Contact says that a peer is behind a NAT',
    read: yesOrNo,
  }),
  disableNat: setting({
    flag: '--disable-nat-detection',
    help: 'dialogs follow Contact and Record-Route alone',
    read: yesOrNo,
  }),
  alwaysSend180: setting({
    flag: '--always-send-180',
    help: 'an INVITE that an application gets is answered 180 at once',
    read: yesOrNo,
  }),
  localInside: setting({
    flag: '--local-address-inside',
    help: "peers of a contact's local net are shown its own address and not the external one (not in drachtio)",
    read: yesOrNo,
  }),
  bestEffortTls: setting({
    env: 'DRACHTIO_SUPPORT_BEST_EFFORT_TLS',
    help: 'on TLS a peer whose Contact is sip: gets a sip: Contact',
    read: yesOrNo,
  }),
  localDomain: setting({
    env: 'DRACHTIO_LOCAL_DOMAIN',
    help: 'requests to this domain and those below it are refused',
    read: text,
  }),
  preserveHeaderNames: setting({
    env: 'DRACHTIO_PRESERVE_HEADER_NAMES',
    help: 'header names, separated by commas, that reach peers as applications spell them',
    read: names,
  }),
  keyFile: setting({
    flag: '-A, --key-file <file>',
    env: 'DRACHTIO_TLS_KEY_FILE',
    xml: 'sip/tls/key-file',
    help: 'private key for TLS (PEM)',
    read: text,
  }),
  certFile: setting({
    flag: '-B, --cert-file <file>',
    env: 'DRACHTIO_TLS_CERT_FILE',
    xml: 'sip/tls/cert-file',
    help: 'certificate for TLS (PEM)',
    read: text,
  }),
  chainFile: setting({
    flag: '-C, --chain-file <file>',
    env: 'DRACHTIO_TLS_CHAIN_FILE',
    xml: 'sip/tls/chain-file',
    help: 'certificates between ours and its root (PEM)',
    read: text,
  }),
  minTlsVersion: setting({
    flag: '--min-tls-version <version>',
    env: 'DRACHTIO_MIN_TLS_VERSION',
    xml: 'sip/tls/min-tls-version',
    help: 'oldest TLS to accept: 1.0, 1.1, 1.2 or 1.3',
    read: tlsVersion,
  }),
  tlsCiphers: setting({
    flag: '--tls-cipherlist <list>',
    env: 'DRACHTIO_TLS_CIPHER_LIST',
    help: "ciphers for TLS, in OpenSSL's form",
    read: text,
  }),
  verifyClientCert: setting({
    env: 'DRACHTIO_TLS_VERIFY_CLIENT_CERT',
    help: 'SIP peers that connect by TLS must show a certificate',
    read: yesOrNo,
  }),
  udpBufferBytes: setting({
    xml: 'sip/udp-buffer-size',
    help: 'bytes of send and receive buffer of each UDP socket (default: 4 MiB)',
    read: whole(0, 256 * 1_048_576),
  }),
  maxConsecutiveTimeouts: setting({
    env: 'DRACHTIO_TPORT_MAX_CONSECUTIVE_TIMEOUTS',
    help: 'a connection on which this many requests in a row time out is replaced; 0: never',
    read: whole(0, 1_000),
  }),
  httpHandler: setting({
    flag: '-a, --http-handler <url>',
    env: 'DRACHTIO_HTTP_HANDLER_URI',
    help: 'who is asked what becomes of a new request: http://, https://, tcp:// or tls://',
    read: handlerUrl,
  }),
  httpMethod: setting({
    flag: '-m, --http-method <method>',
    help: 'GET or POST (default: GET)',
    read: oneOf('get', 'post'),
  }),
  cdrs: setting({
    xml: 'cdrs',
    help: 'applications that ask get call records (default: false)',
    read: yesOrNo,
  }),
  prometheus: setting({
    flag: '--prometheus-scrape-port <[address:]port>',
    env: 'DRACHTIO_PROMETHEUS_SCRAPE_PORT',
    xml: 'monitoring/prometheus',
    help: 'where metrics are read, at /metrics (default: nowhere)',
    read: scrapeAddress,
  }),
  logLevel: setting({
    flag: '-l, --loglevel <level>',
    env: 'DRACHTIO_LOGLEVEL',
    xml: 'logging/loglevel',
    help: 'notice, error, warning, info or debug, which shows every SIP message; SIGHUP reads it anew from the XML file',
    read: oneOf('notice', 'error', 'warning', 'info', 'debug'),
  }),
  blacklistAddress: setting({
    flag: '--blacklist-redis-address <host>',
    env: 'DRACHTIO_BLACKLIST_REDIS_ADDRESS',
    xml: 'sip/blacklist/redis-address',
    help: 'Redis that holds a set of addresses to ignore',
    read: address,
  }),
  blacklistPort: setting({
    flag: '--blacklist-redis-port <port>',
    env: 'DRACHTIO_BLACKLIST_REDIS_PORT',
    xml: 'sip/blacklist/redis-port',
    help: 'its port (default: 6379)',
    read: port,
  }),
  blacklistSentinels: setting({
    flag: '--blacklist-redis-sentinels <list>',
    env: 'DRACHTIO_BLACKLIST_REDIS_SENTINELS',
    xml: 'sip/blacklist/redis-sentinels',
    help: 'in its place, sentinels as host:port separated by commas',
    read: sentinels,
  }),
  blacklistMaster: setting({
    flag: '--blacklist-redis-master <name>',
    env: 'DRACHTIO_BLACKLIST_REDIS_MASTER',
    xml: 'sip/blacklist/redis-master',
    help: 'the master that the sentinels watch',
    read: text,
  }),
  blacklistPassword: setting({
    flag: '--blacklist-redis-password <password>',
    env: 'DRACHTIO_BLACKLIST_REDIS_PASSWORD',
    xml: 'sip/blacklist/redis-password',
    help: 'its password',
    read: text,
  }),
  blacklistKey: setting({
    flag: '--blacklist-redis-key <key>',
    env: 'DRACHTIO_BLACKLIST_REDIS_KEY',
    xml: 'sip/blacklist/redis-key',
    help: 'key of the set',
    read: text,
  }),
  blacklistRefreshS: setting({
    flag: '--blacklist-refresh-secs <seconds>',
    env: 'DRACHTIO_BLACKLIST_REDIS_REFRESH_SECS',
    xml: 'sip/blacklist/refresh-secs',
    help: 'how often it is read (default: 300; from the XML file 3600)',
    read: whole(1, DAY_S),
  }),
} as const

export type SettingName = keyof typeof settings

/** The settings that are one value; those that are not given are absent. */
export type SimpleSettings = { [name in SettingName]?: ReturnType<(typeof settings)[name]['read']> }

/** What drachtio-server has and the engine has not, or needs not. */
export interface NoEffect {
  readonly flag?: string
  readonly env?: readonly string[]
  readonly xml?: readonly string[]
  /** Why, as the end of a sentence. */
  readonly why: string
}

/** Named once at the start when it is given. */
export const noEffects: readonly NoEffect[] = [
  { flag: '--daemon', why: 'the engine stays in the foreground: run it under a service manager' },
  { flag: '-u, --user <user>', why: 'start the engine as that user' },
  {
    flag: '-D, --mtu <bytes>',
    env: ['DRACHTIO_UDP_MTU'],
    xml: ['sip/udp-mtu', 'sip/mtu-size'],
    why: 'a large request leaves UDP for TCP by itself',
  },
  {
    flag: '-G, --dh-param <file>',
    env: ['DRACHTIO_TLS_DH_PARAM_FILE'],
    xml: ['sip/tls/dh-param'],
    why: 'key exchange needs no such file',
  },
  {
    flag: '-y, --homer <address>',
    env: ['DRACHTIO_HOMER_ADDRESS', 'DRACHTIO_HOMER_PORT'],
    xml: ['sip/capture-server'],
    why: 'copies of SIP messages are not sent to Homer',
  },
  { flag: '-z, --homer-id <id>', env: ['DRACHTIO_HOMER_ID'], why: 'copies of SIP messages are not sent to Homer' },
  { flag: '--memory-debug', env: ['DRACHTIO_MEMORY_DEBUG'], why: 'there is no memory to debug' },
  {
    flag: '-s, --sofia-loglevel <level>',
    env: ['DRACHTIO_SOFIA_LOGLEVEL'],
    xml: ['logging/sofia-loglevel'],
    why: 'there is no sofia; --loglevel debug shows every SIP message',
  },
  {
    flag: '-b, --stdout',
    env: ['DRACHTIO_CONSOLE_LOGGING'],
    xml: ['logging/console'],
    why: 'logs go to standard output in any case',
  },
  { flag: '--globally-readable-logs', xml: ['logging/file'], why: 'logs go to standard output only' },
  { xml: ['logging/syslog'], why: 'logs go to standard output only' },
  { env: ['DRACHTIO_TPORT_QUEUESIZE'], why: '1024 connections may wait to be accepted in any case' },
  { xml: ['admin@tls'], why: 'tls-port says it' },
]
