import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, type DrachtioFlags, loadDrachtio } from '../../src/config/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const Suite = suite('What an operator of drachtio-server has set')

const SAMPLE = resolve('test/config/drachtio.conf.xml')
const folder = temporaryFolder()

const load = (flags: DrachtioFlags = {}, env: Record<string, string> = {}) =>
  loadDrachtio(flags, { env, usualFile: '/nowhere/drachtio.conf.xml' })

function problemsOf(read: () => unknown): string[] {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  throw new Error('it was taken')
}

let files = 0
function xml(text: string): string {
  const file = join(folder, `${++files}.xml`)
  writeFileSync(file, text)
  return file
}

Suite('everything that its file can say is read', () => {
  const { settings } = load({ file: SAMPLE })
  const { spammers, requestHandlers, contacts, prometheus, ...rest } = settings
  assert.equal(contacts, [
    {
      uri: 'sip:10.0.0.5;transport=udp,tcp',
      externalIp: '203.0.113.10',
      localNet: '10.0.0.0/8',
      dnsNames: ['sip.example.com', 'edge.example.com'],
    },
    { uri: 'sips:10.0.0.5:443;transport=tls' },
  ])
  assert.equal(spammers, {
    action: 'reject',
    tcpAction: 'discard',
    headers: [
      { name: 'User-Agent', values: ['sip-cli', 'friendly-scanner'] },
      { name: 'To', values: ['sipvicious'] },
    ],
  })
  assert.equal(requestHandlers, [
    { method: 'INVITE', httpMethod: 'POST', url: 'https://router.example.com/calls', verifyPeer: true },
    { method: '*', httpMethod: 'GET', url: 'http://192.0.2.10:3000', verifyPeer: false },
  ])
  assert.equal(prometheus, { host: '127.0.0.1', port: 9099 })
  assert.equal(rest, {
    address: '127.0.0.1',
    port: 9031,
    secret: 'from-the-file',
    keepAliveS: 20,
    t1Ms: 250,
    t2Ms: 2000,
    t4Ms: 2500,
    t1x64Ms: 16_000,
    defaultRefresher: 'uac',
    outboundProxy: 'sip:192.0.2.70:5070;transport=tcp',
    blacklistAddress: '192.0.2.80',
    blacklistKey: 'blacklist',
    blacklistRefreshS: 3_600,
    keyFile: '/etc/tls/key.pem',
    certFile: '/etc/tls/cert.pem',
    chainFile: '/etc/tls/chain.pem',
    minTlsVersion: 'TLSv1.2',
    optionsAutoRespond: 'JsSIP 3.8.2',
    rejectRegisterWithNoRealm: true,
    aggressiveNat: true,
    udpBufferBytes: 1_048_576,
    cdrs: true,
    logLevel: 'warning',
  })
})

Suite('what in it has no effect is named once, with its line and why', () => {
  const lines = load({ file: SAMPLE }).ignored.map((line) => line.replaceAll(SAMPLE, 'FILE'))
  assert.is(lines.length, new Set(lines).size)
  const ends = [
    'sips:10.0.0.5:443;transport=tls,wss has no effect: transport wss is not supported',
    'sip:10.0.0.5:8080;transport=ws has no effect: transport ws is not supported',
    'sip/capture-server (FILE:22) has no effect: copies of SIP messages are not sent to Homer',
    'sip/spammers/header (FILE:32) has no effect: it has no name',
    'sip/tls/dh-param (FILE:44) has no effect: key exchange needs no such file',
    'sip/udp-mtu (FILE:50) has no effect: a large request leaves UDP for TCP by itself',
    'sip/telepathy (FILE:52) has no effect: it is not known',
    'logging/console (FILE:59) has no effect: logs go to standard output in any case',
    'logging/syslog (FILE:60) has no effect: logs go to standard output only',
    'logging/file (FILE:65) has no effect: logs go to standard output only',
    'logging/sofia-loglevel (FILE:68) has no effect: there is no sofia; --loglevel debug shows every SIP message',
  ]
  for (const end of ends)
    assert.ok(
      lines.some((line) => line.endsWith(end)),
      `${end}\nin\n${lines.join('\n')}`,
    )
  assert.is(lines.length, ends.length)
})

Suite('[10.1/0] the secret from the environment stands over the XML file, and the command line over both', () => {
  const env = { DRACHTIO_SECRET: 'from-the-environment', DRACHTIO_ADMIN_TCP_PORT: '9032' }
  assert.is(load({ file: SAMPLE }).settings.secret, 'from-the-file')
  assert.is(load({ file: SAMPLE }, env).settings.secret, 'from-the-environment')
  const { settings } = load({ file: SAMPLE, values: { secret: 'from-the-command-line' } }, env)
  assert.equal([settings.secret, settings.port, settings.keepAliveS], ['from-the-command-line', 9032, 20])
})

Suite('every variable is read', () => {
  const { settings, ignored } = load(
    {},
    {
      DRACHTIO_ADMIN_ADDRESS: '192.0.2.1',
      DRACHTIO_ADMIN_TCP_PORT: '9030',
      DRACHTIO_ADMIN_TLS_PORT: '9040',
      DRACHTIO_SECRET: 's',
      DRACHTIO_TCP_KEEPALIVE_INTERVAL: '0',
      DRACHTIO_AGRESSIVE_NAT_DETECTION: '1',
      DRACHTIO_TLS_CERT_FILE: 'cert.pem',
      DRACHTIO_TLS_CHAIN_FILE: 'chain.pem',
      DRACHTIO_TLS_KEY_FILE: 'key.pem',
      DRACHTIO_TLS_VERIFY_CLIENT_CERT: '1',
      DRACHTIO_MIN_TLS_VERSION: '1.3',
      DRACHTIO_TLS_CIPHER_LIST: 'HIGH',
      DRACHTIO_HTTP_HANDLER_URI: 'tcp://127.0.0.1:3050',
      DRACHTIO_LOGLEVEL: 'DEBUG',
      DRACHTIO_TPORT_QUEUESIZE: '500',
      DRACHTIO_TPORT_MAX_CONSECUTIVE_TIMEOUTS: '3',
      DRACHTIO_PROMETHEUS_SCRAPE_PORT: '9099',
      DRACHTIO_BLACKLIST_REDIS_SENTINELS: '192.0.2.2:26380, 192.0.2.3',
      DRACHTIO_BLACKLIST_REDIS_MASTER: 'main',
      DRACHTIO_BLACKLIST_REDIS_PASSWORD: 'p',
      DRACHTIO_BLACKLIST_REDIS_PORT: '6380',
      DRACHTIO_BLACKLIST_REDIS_KEY: 'bad',
      DRACHTIO_BLACKLIST_REDIS_REFRESH_SECS: '60',
      DRACHTIO_USER_AGENT_OPTIONS_AUTO_RESPOND: 'ping',
      DRACHTIO_REJECT_REGISTER_WITH_NO_REALM: '0',
      DRACHTIO_LOCAL_DOMAIN: 'example.com',
      DRACHTIO_PRESERVE_HEADER_NAMES: 'P-Foo, TenantID',
      DRACHTIO_SUPPORT_BEST_EFFORT_TLS: '1',
      DRACHTIO_HOMER_ADDRESS: '192.0.2.60',
      DRACHTIO_UDP_MTU: '',
    },
  )
  assert.equal(settings, {
    address: '192.0.2.1',
    port: 9030,
    tlsPort: 9040,
    secret: 's',
    keepAliveS: 0,
    optionsAutoRespond: 'ping',
    rejectRegisterWithNoRealm: false,
    aggressiveNat: true,
    bestEffortTls: true,
    localDomain: 'example.com',
    preserveHeaderNames: ['P-Foo', 'TenantID'],
    keyFile: 'key.pem',
    certFile: 'cert.pem',
    chainFile: 'chain.pem',
    minTlsVersion: 'TLSv1.3',
    tlsCiphers: 'HIGH',
    verifyClientCert: true,
    maxConsecutiveTimeouts: 3,
    httpHandler: 'tcp://127.0.0.1:3050',
    prometheus: { host: '0.0.0.0', port: 9099 },
    logLevel: 'debug',
    blacklistPort: 6380,
    blacklistSentinels: [
      { host: '192.0.2.2', port: 26_380 },
      { host: '192.0.2.3', port: 26_379 },
    ],
    blacklistMaster: 'main',
    blacklistPassword: 'p',
    blacklistKey: 'bad',
    blacklistRefreshS: 60,
    requestHandlers: [{ method: '*', httpMethod: 'GET', url: 'tcp://127.0.0.1:3050', verifyPeer: false }],
  })
  assert.equal(ignored, [
    'DRACHTIO_HOMER_ADDRESS has no effect: copies of SIP messages are not sent to Homer',
    'DRACHTIO_TPORT_QUEUESIZE has no effect: 1024 connections may wait to be accepted in any case',
  ])
})

Suite('the file is the one named by the flag, else by the environment, else the usual one; or none', () => {
  const named = (port: number): string => xml(`<drachtio><admin port="${port}"/></drachtio>`)
  const [flag, variable, usual] = [named(1), named(2), named(3)]
  const portOf = (flags: DrachtioFlags, env: Record<string, string> = {}, usualFile = usual) =>
    loadDrachtio(flags, { env, usualFile }).settings.port
  const env = { DRACHTIO_CONFIG_FILE_PATH: variable }
  assert.equal([portOf({ file: flag }, env), portOf({}, env), portOf({})], [1, 2, 3])
  assert.is(portOf({}, {}, '/nowhere/drachtio.conf.xml'), undefined)
  assert.is(portOf({ file: flag, noConfig: true }, env), undefined)
  assert.match(problemsOf(() => load({ file: '/nowhere/x.xml' }))[0] ?? '', 'x.xml: cannot be read (ENOENT)')
})

Suite('all that is wrong is said at once, with path and line, never with the value', () => {
  const file = xml(
    [
      '<drachtio>',
      ' <admin port="99999" secret="hidden">not an address</admin>',
      ' <sip>',
      '  <contacts><contact external-ip="edge" local-net="10.0.0.0/40">sip:127.0.0.1;transport=sctp</contact></contacts>',
      '  <timers><t1>soon</t1></timers>',
      '  <spammers action="shout"><header name="To"><value>x</value></header></spammers>',
      '  <blacklist><redis-address>192.0.2.1</redis-address></blacklist>',
      ' </sip>',
      ' <request-handlers><request-handler http-method="PUT">router</request-handler></request-handlers>',
      ' <monitoring><prometheus>127.0.0.1</prometheus></monitoring>',
      '</drachtio>',
    ].join('\n'),
  )
  const problems = problemsOf(() => load({ file, values: { port: 'hidden' } }, { DRACHTIO_LOGLEVEL: 'hidden' }))
  assert.equal(
    problems.map((line) => line.replaceAll(file, 'FILE')),
    [
      'admin (FILE:2): must be an IP address or a host name',
      'admin@port (FILE:2): must be a whole number from 0 to 65535',
      'sip/contacts/contact (FILE:4): contact "sip:127.0.0.1;transport=sctp": transport "sctp" is not known',
      'sip/contacts/contact@external-ip (FILE:4): must be an IP address',
      'sip/contacts/contact@local-net (FILE:4): must be a CIDR block such as 10.132.0.0/20',
      'sip/timers/t1 (FILE:5): must be a whole number from 1 to 60000',
      'sip/spammers@action (FILE:6): must be one of reject, discard',
      'request-handlers/request-handler (FILE:9): must be a URL: http://, https://, tcp:// or tls://',
      'request-handlers/request-handler@http-method (FILE:9): must be one of get, post',
      'monitoring/prometheus@port (FILE:10): must be not empty',
      'DRACHTIO_LOGLEVEL: must be one of notice, error, warning, info, debug',
      '--port: must be a whole number from 0 to 65535',
      'blacklist: needs the key of the set: --blacklist-redis-key, redis-key',
    ],
  )
})

Suite(
  'a file that is not well-formed, has a DOCTYPE or is too large is refused; no entity of a DTD is replaced',
  () => {
    const refusalOf = (text: string): string => problemsOf(() => load({ file: xml(text) })).join('\n')
    assert.match(refusalOf('<drachtio><sip></drachtio>'), /line 1: not well-formed/)
    assert.match(refusalOf('<drachtio>&secret;</drachtio>'), /line 1: not well-formed \(undefined entity\)/)
    assert.match(
      refusalOf('\n<!DOCTYPE d [<!ENTITY a "b">]>\n<drachtio>&a;</drachtio>'),
      /line 2: a DOCTYPE is not allowed/,
    )
    assert.match(refusalOf(''), 'not well-formed')
    assert.match(refusalOf('<config/>'), 'the outermost element must be <drachtio>')
    assert.match(refusalOf(`<drachtio>${' '.repeat(262_144)}</drachtio>`), 'is 262165 bytes long, more than 262144')
    assert.match(refusalOf('<drachtio><sip><contact>sip:*;transport=ws</contact></sip></drachtio>'), 'none is left')
  },
)

Suite('the old form with one contact is read, and of what is given twice the first counts', () => {
  const file = xml(
    '<drachtio>\n<sip>\n<contact>sip:127.0.0.1</contact>\n<timers><t1>100</t1>\n<t1>200</t1></timers></sip></drachtio>',
  )
  const { settings, ignored } = load({ file })
  assert.equal([settings.contacts, settings.t1Ms], [[{ uri: 'sip:127.0.0.1' }], 100])
  assert.equal(ignored, [`sip/timers/t1 (${file}:5) has no effect: it is given twice and the first counts`])
})

Suite('names that every object has are no settings', () => {
  const file = xml(
    '<drachtio toString="1"><constructor/><sip><contact __proto__="1" toString="2">sip:127.0.0.1</contact>' +
      '<spammers constructor="reject"/><__proto__/></sip></drachtio>',
  )
  const { settings, ignored } = load({ file })
  assert.equal(settings, { contacts: [{ uri: 'sip:127.0.0.1' }] })
  const named = ['constructor', 'sip/contact@toString', 'sip/spammers@constructor', 'sip/__proto__']
  for (const name of named)
    assert.ok(
      ignored.some((line) => line.startsWith(`${name} (`)),
      name,
    )
})

Suite('a handler of the command line takes the place of all in the file, with its method', () => {
  const values = { httpHandler: 'https://router.example.com', httpMethod: 'POST' }
  assert.equal(load({ file: SAMPLE, values }).settings.requestHandlers, [
    { method: '*', httpMethod: 'POST', url: 'https://router.example.com', verifyPeer: true },
  ])
})

Suite.run()
