import { isHostName } from './host-name.js'
import { familyOf, unbracketed } from './address.js'
import { defaultPort, TransportError } from './transport.js'
import type { Protocol } from './transport.js'

/** What a contact says beside where it listens. */
export type ContactExtras = Pick<ContactOption, 'externalIp' | 'localNet' | 'dnsNames'>

/** One thing to listen on: one protocol at one address and port. */
export interface ContactOption {
  /** The text it came from, for messages to the operator. */
  readonly text: string
  readonly protocol: Protocol
  /** It was written `sips:`: our Contact is a `sips:` URI. */
  readonly sips?: boolean
  /** IP literal without brackets, a host name, or `*` for every address of this machine. */
  readonly host: string
  /** 0..65535; 0 lets the system choose. */
  readonly port: number
  /** IP literal shown to peers in Via and Contact in place of the bound address. */
  readonly externalIp?: string
  /** CIDR block whose peers are sent to from here before any other contact. */
  readonly localNet?: string
  /** Host names that mean this contact too. */
  readonly dnsNames?: readonly string[]
}

/**
 * What one contact in drachtio's form listens on, one option a transport: `sip:127.0.0.1:5060;transport=udp,tcp`, `sip:*`,
 * `sip:[::1]:5060;transport=udp`. Without `transport`: UDP and TCP for `sip:`, TLS for `sips:`. `*` is every IPv4 and IPv6
 * address of this machine, `0.0.0.0` and `[::]` those of one family.
 *
 * @throws {TransportError} BAD_CONTACT, naming the contact and what is wrong with it.
 */
export function parseContact(text: string, extra: ContactExtras = {}): ContactOption[] {
  const contact = text.trim()
  const refuse: (why: string) => never = (why) => {
    throw new TransportError('BAD_CONTACT', `contact ${JSON.stringify(text)}: ${why}`)
  }
  const colon = contact.indexOf(':')
  const scheme = contact.slice(0, Math.max(colon, 0)).toLowerCase()
  if (scheme !== 'sip' && scheme !== 'sips') refuse('it must begin with sip: or sips:')
  const secure = scheme === 'sips'
  const [hostPort = '', ...params] = contact.slice(colon + 1).split(';')
  if (hostPort.includes('@')) refuse('a contact has no user part')

  const bracket = hostPort.startsWith('[') ? hostPort.indexOf(']') : -1
  const hostEnd = bracket >= 0 ? bracket + 1 : hostPort.includes(':') ? hostPort.indexOf(':') : hostPort.length
  const host = unbracketed(hostPort.slice(0, hostEnd)).toLowerCase()
  const hostIsGood =
    bracket >= 0
      ? familyOf(host) === 6 && !host.includes('%')
      : host === '*' || familyOf(host) === 4 || (familyOf(host) === undefined && isHostName(host))
  if (!hostIsGood) refuse(`${JSON.stringify(hostPort.slice(0, hostEnd))} is neither an address, a host name nor *`)

  const protocols = protocolsOf(params, secure, refuse)
  const portText = hostPort.slice(hostEnd)
  if (portText !== '' && !/^:\d{1,5}$/.test(portText)) refuse(`${JSON.stringify(portText)} is no port`)
  if (Number(portText.slice(1)) > 65_535) refuse(`port ${portText.slice(1)} is above 65535`)

  if (Number(portText.slice(1)) > 0 && protocols.includes('tcp') && protocols.includes('tls'))
    refuse('tcp and tls cannot share a port: give each a contact of its own')

  return protocols.map((protocol) => ({
    text: contact,
    protocol,
    ...(secure ? { sips: true } : {}),
    host,
    port: portText === '' ? defaultPort(protocol) : Number(portText.slice(1)),
    ...extra,
  }))
}

/**
 * What a list of contacts listens on. They are separated by commas, which also separate the transports of one contact: a new
 * contact begins where `sip:` or `sips:` follows a comma.
 *
 * @throws {TransportError} BAD_CONTACT, naming the contact and what is wrong with it.
 */
export function parseContacts(text: string): ContactOption[] {
  const contacts: string[] = []
  for (const piece of text.split(',')) {
    const begins = /^sips?:/i.test(piece.trimStart())
    if (begins || contacts.length === 0) contacts.push(piece)
    else contacts[contacts.length - 1] += `,${piece}`
  }
  return contacts.flatMap((contact) => parseContact(contact))
}

function protocolsOf(params: string[], secure: boolean, refuse: (why: string) => never): Protocol[] {
  let names: string[] | undefined
  for (const param of params) {
    const equals = param.indexOf('=')
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase()
    if (name !== 'transport') refuse(`parameter ${JSON.stringify(name)} is not known; only transport is`)
    if (names !== undefined) refuse('transport is given twice')
    names = param.slice(equals + 1).split(',')
  }
  if (names === undefined) return secure ? ['tls'] : ['udp', 'tcp']
  const protocols = new Set<Protocol>()
  for (const spelled of names) {
    const name = spelled.trim().toLowerCase()
    if (name === 'ws' || name === 'wss') refuse(`transport ${name} (WebSocket) is not supported`)
    if (name !== 'udp' && name !== 'tcp' && name !== 'tls') refuse(`transport ${JSON.stringify(name)} is not known`)
    if (secure && name === 'udp') refuse('sips cannot run over udp')
    protocols.add(secure ? 'tls' : (name as Protocol))
  }
  return [...protocols]
}
