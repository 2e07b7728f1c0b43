import { isIP } from 'node:net'
import { z } from 'zod'
import { maskAddress, parseAddress, parseNetwork, parseNetworkBits } from './network.js'

/** Where a message came from: sending back there is no new destination. */
export interface Peer {
  readonly address: string
  readonly port: number
}

/** Where requests may go whose destination came from input: a record, a Contact, DNS. */
export interface Destinations {
  /**
   * Why nothing is sent to an address and port, and what to add to the configuration if it is meant; undefined: it may be.
   * @param address IP literal without brackets
   * @param peer where messages of whoever is sent to came from: at that address only ports of known services are refused
   */
  refusal(address: string, port: number, peer?: Peer): string | undefined
  /**
   * The same for a host as it is written in a record: an address, also in spellings that only some programs read as one, or a name
   * that is known to mean this machine or its platform. Other names are judged by what they resolve to.
   * @param host IPv6 with or without brackets
   * @param port undefined: the one of SIP
   */
  hostRefusal(host: string, port?: number): string | undefined
}

/** Where the platform tells a machine its secrets: a network that is named does not name it, an entry of its own does. */
const METADATA = 'a metadata address'

/** Networks nobody is called in unless the configuration names them: what each is, in the order they are looked at. */
const CLOSED: ReadonlyArray<readonly [network: string, what: string]> = [
  ['169.254.169.254/32', METADATA],
  ['169.254.170.2/32', METADATA],
  ['fd00:ec2::254/128', METADATA],
  ['fd20:ce::254/128', METADATA],
  ['100.100.100.200/32', METADATA],
  ['168.63.129.16/32', METADATA],
  ['192.0.0.192/32', METADATA],
  ['127.0.0.0/8', 'a loopback address'],
  ['::1/128', 'a loopback address'],
  ['10.0.0.0/8', 'a private address'],
  ['172.16.0.0/12', 'a private address'],
  ['192.168.0.0/16', 'a private address'],
  ['100.64.0.0/10', 'an address of a carrier-grade NAT'],
  ['169.254.0.0/16', 'a link-local address'],
  ['fe80::/10', 'a link-local address'],
  ['fc00::/7', 'a private address'],
  ['fec0::/10', 'a private address'],
  ['198.18.0.0/15', 'an address for measurements'],
  ['192.0.0.0/24', 'an address of a protocol'],
  ['2001::/23', 'an address of a protocol'],
  ['64:ff9b:1::/48', 'an address of a local translator'],
]

/** Networks in which there is no server at all: naming them changes nothing. */
const NOWHERE: ReadonlyArray<readonly [network: string, what: string]> = [
  ['0.0.0.0/8', 'no address of a server'],
  ['224.0.0.0/4', 'a multicast address'],
  ['255.255.255.255/32', 'the broadcast address'],
  ['240.0.0.0/4', 'a reserved address'],
  ['::/128', 'no address of a server'],
  ['ff00::/8', 'a multicast address'],
]

/** IPv6 networks that carry an IPv4 address, and how many bits stand behind it: what is carried is judged. */
const CARRIERS: ReadonlyArray<readonly [network: string, bitsBehind: bigint]> = [
  ['64:ff9b::/96', 0n],
  ['2002::/16', 80n],
  ['::/96', 0n],
  ['::ffff:0:0:0/96', 0n],
]

/** Ports on which something else than SIP answers, whatever the address. */
const SERVICES: ReadonlyMap<number, string> = new Map([
  [7, 'echo'],
  [11, 'systat'],
  [19, 'chargen'],
  [20, 'FTP'],
  [21, 'FTP'],
  [22, 'SSH'],
  [23, 'Telnet'],
  [25, 'SMTP'],
  [53, 'DNS'],
  [69, 'TFTP'],
  [79, 'finger'],
  [80, 'HTTP'],
  [110, 'POP3'],
  [111, 'RPC'],
  [119, 'NNTP'],
  [123, 'NTP'],
  [135, 'RPC'],
  [137, 'NetBIOS'],
  [138, 'NetBIOS'],
  [139, 'NetBIOS'],
  [143, 'IMAP'],
  [161, 'SNMP'],
  [389, 'LDAP'],
  [443, 'HTTPS'],
  [445, 'SMB'],
  [465, 'SMTP'],
  [514, 'syslog'],
  [587, 'SMTP'],
  [636, 'LDAP'],
  [873, 'rsync'],
  [993, 'IMAP'],
  [995, 'POP3'],
  [1433, 'SQL Server'],
  [1521, 'Oracle'],
  [1900, 'SSDP'],
  [2049, 'NFS'],
  [2181, 'ZooKeeper'],
  [2375, 'Docker'],
  [2376, 'Docker'],
  [2379, 'etcd'],
  [2380, 'etcd'],
  [3306, 'MySQL'],
  [3389, 'RDP'],
  [4369, 'Erlang'],
  [5353, 'mDNS'],
  [5432, 'PostgreSQL'],
  [5672, 'AMQP'],
  [5900, 'VNC'],
  [5984, 'CouchDB'],
  [6379, 'Redis'],
  [6443, 'Kubernetes'],
  [8500, 'Consul'],
  [9022, 'drachtio control'],
  [9092, 'Kafka'],
  [9200, 'Elasticsearch'],
  [9300, 'Elasticsearch'],
  [10250, 'Kubernetes'],
  [11211, 'memcached'],
  [15672, 'RabbitMQ'],
  [26379, 'Redis Sentinel'],
  [27017, 'MongoDB'],
  [27018, 'MongoDB'],
])

/** Names that mean the machine itself or its platform wherever they are resolved, and the addresses they stand for. */
const NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['localhost', ['127.0.0.1', '::1']],
  ['localhost.localdomain', ['127.0.0.1', '::1']],
  ['ip6-localhost', ['::1']],
  ['ip6-loopback', ['::1']],
  ['metadata', ['169.254.169.254']],
  ['metadata.google.internal', ['169.254.169.254']],
  ['metadata.goog', ['169.254.169.254']],
  ['instance-data', ['169.254.169.254']],
  ['instance-data.ec2.internal', ['169.254.169.254']],
])

type Bits = Readonly<{ bits: bigint; family: 4 | 6 }>
type Network = NonNullable<ReturnType<typeof parseNetworkBits>>
interface Allowed extends Network {
  /** Undefined: every port but those of known services. */
  readonly port?: number
}

/** An entry of `access.allowed_networks`: `10.0.0.0/8`, `192.0.2.7`, and with a port `192.0.2.7:443`, `[2001:db8::/32]:443`. */
function parseAllowed(text: string): Allowed | undefined {
  const match = /^(?:\[([^\]]{2,50})\]|([^:[\]]{7,20})):(\d{1,5})$/.exec(text)
  if (match === null) return parseNetwork(text) === undefined ? undefined : parseNetworkBits(text)
  const port = Number(match[3])
  const network = parseNetworkBits(match[1] ?? match[2] ?? '')
  return network === undefined || port < 1 || port > 65_535 ? undefined : { ...network, port }
}

/** A network that may be sent to although it is not public: an address or CIDR block, with a port for that one only. */
export const allowedNetwork = z
  .string()
  .max(64)
  .refine(
    (text) => parseAllowed(text) !== undefined,
    'must be a network such as 10.1.0.0/16 or, with a port, 10.1.0.5:5062 or [fd00::/8]:5060',
  )

/** What holds for one address. */
interface AddressVerdict {
  /** Why nothing is sent there; undefined: it may be, on ports that are no known service's. */
  readonly closed: string | undefined
  /** Ports that are named for it. */
  readonly ports: readonly number[]
  /** It is none of a server: not even answers go there. */
  readonly nowhere: boolean
}

/** Addresses whose verdict is kept; past it all are looked at anew. */
const MAX_KNOWN = 4_096

const ADD = 'add it to access.allowed_networks if it is meant'

export interface DestinationPolicyOptions {
  /** Entries of `access.allowed_networks`. */
  readonly allowed: readonly string[]
  /** As `close` takes them. */
  readonly ownServices?: readonly string[]
}

/** The policy that `access.allowed_networks` makes. */
export class DestinationPolicy implements Destinations {
  private readonly allowed: readonly Allowed[]
  private readonly own = new Set<string>()
  private readonly ownPorts = new Set<number>()
  private readonly known = new Map<string, AddressVerdict>()

  /** @throws {TypeError} when an entry is none */
  constructor({ allowed, ownServices = [] }: DestinationPolicyOptions) {
    this.allowed = allowed.map((text) => {
      const parsed = parseAllowed(text)
      if (parsed === undefined) throw new TypeError(`${JSON.stringify(text)} is no network`)
      return parsed
    })
    this.close(ownServices)
  }

  /** Closes services of this edge itself, `127.0.0.1:6379`: no requests go there unless an entry names their port. */
  close(services: readonly string[]): void {
    for (const text of services) {
      this.own.add(text)
      this.ownPorts.add(Number(text.slice(text.lastIndexOf(':') + 1)))
    }
  }

  refusal(address: string, port: number, peer?: Peer): string | undefined {
    const { closed, ports, nowhere } = this.verdictOf(address)
    if (ports.includes(port)) return undefined
    if (nowhere) return closed
    if (peer !== undefined && peer.address === address) {
      if (peer.port === port) return undefined
    } else if (closed !== undefined) return closed
    const service = SERVICES.get(port)
    const own = service === undefined && this.ownPorts.has(port) && this.own.has(`${address}:${port}`)
    if (service === undefined && !own) return undefined
    const at = `${address.includes(':') ? `[${address}]` : address}:${port}`
    return `${at} is a port of ${own ? 'this edge itself' : service}, not of SIP: add "${at}" to access.allowed_networks if it is meant`
  }

  hostRefusal(host: string, port?: number): string | undefined {
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
    if (bare.includes('%')) return `${bare} has a zone: only addresses without one can be called`
    if (isIP(bare) !== 0) return this.refusal(bare, port ?? SIP_PORT)
    const odd = oddAddress(bare)
    if (odd !== undefined)
      return `${bare} is an unusual spelling of an address: write ${odd === '' ? 'four numbers with dots' : odd}`
    const name = bare.toLowerCase().replace(/\.+$/, '')
    const stands = name.endsWith('.localhost') ? NAMES.get('localhost') : NAMES.get(name)
    if (stands !== undefined) {
      const refusals = stands.map((address) => this.refusal(address, port ?? SIP_PORT))
      if (refusals.includes(undefined)) return undefined
      return `${bare} stands for ${stands[0]}: ${refusals[0]}`
    }
    // Whatever it resolves to, nobody expects SIP there; a network with that port may still be named.
    const service = port === undefined ? undefined : SERVICES.get(port)
    if (service === undefined || this.allowed.some((network) => network.port === port)) return undefined
    return `port ${port} is one of ${service}, not of SIP: add its address with the port to access.allowed_networks if it is meant`
  }

  private verdictOf(address: string): AddressVerdict {
    const known = this.known.get(address)
    if (known !== undefined) return known
    if (this.known.size >= MAX_KNOWN) this.known.clear()
    const verdict = this.look(address)
    this.known.set(address, verdict)
    return verdict
  }

  private look(address: string): AddressVerdict {
    const parsed = parseAddress(address)
    if (parsed === undefined) return { closed: `${address.slice(0, 64)} is no address`, ports: [], nowhere: true }
    const what = whatIsClosed(parsed)
    const width = parsed.family === 4 ? 32 : 128
    const named = this.allowed.filter(
      (network) => contains(network, parsed) && (network.prefix === width || what?.endsWith(METADATA) !== true),
    )
    const ports = named.flatMap(({ port }) => (port === undefined ? [] : [port]))
    const nowhere = findIn(NOWHERE_BITS, parsed)
    // What is nowhere stays so; 240.0.0.0/4 alone is in use here and there.
    if (nowhere !== undefined && nowhere !== RESERVED)
      return { closed: `${address} is ${nowhere}`, ports: [], nowhere: true }
    if (named.some(({ port }) => port === undefined)) return { closed: undefined, ports, nowhere: false }
    const why = nowhere ?? what
    return { closed: why && `${address} is ${why}: ${ADD}`, ports, nowhere: false }
  }
}

const SIP_PORT = 5060
const RESERVED = 'a reserved address'

type Table = ReadonlyArray<readonly [Network, string]>
const bitsOf = (table: ReadonlyArray<readonly [string, string]>): Table =>
  table.map(([network, what]) => [parseNetworkBits(network)!, what] as const)
const CLOSED_BITS = bitsOf(CLOSED)
const NOWHERE_BITS = bitsOf(NOWHERE)
const CARRIER_BITS = CARRIERS.map(([network, behind]) => [parseNetworkBits(network)!, behind] as const)

function contains(network: Network, address: Bits): boolean {
  return network.family === address.family && maskAddress(address.bits, network.prefix, network.family) === network.bits
}

function findIn(table: Table, address: Bits): string | undefined {
  return table.find(([network]) => contains(network, address))?.[1]
}

/** What kind of closed address it is; undefined: a public one. */
function whatIsClosed(address: Bits): string | undefined {
  const closed = findIn(CLOSED_BITS, address)
  if (closed !== undefined) return closed
  if (address.family === 4) return undefined
  const carrier = CARRIER_BITS.find(([network]) => contains(network, address))
  if (carrier === undefined) return undefined
  const inner: Bits = { bits: (address.bits >> carrier[1]) & 0xffff_ffffn, family: 4 }
  const what = findIn(NOWHERE_BITS, inner) ?? findIn(CLOSED_BITS, inner)
  return what === undefined ? undefined : `an IPv6 form of ${what}`
}

/**
 * The address that `inet_aton` reads in a text such as `127.1`, `2130706433`, `0x7f000001` and `0177.0.0.1`; '' when it is one in form
 * only; undefined when it is a name.
 */
function oddAddress(text: string): string | undefined {
  const parts = text.replace(/\.$/, '').split('.')
  if (parts.length > 4 || !parts.every((part) => /^(?:0x[0-9a-f]{0,16}|\d{1,20})$/i.test(part))) return undefined
  const numbers = parts.map((part) => (/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part || NaN)))
  const last = numbers.pop() ?? NaN
  if (!(last < 2 ** (8 * (4 - numbers.length))) || !numbers.every((number) => number < 256)) return ''
  const value = numbers.reduce((sum, number, at) => sum + number * 256 ** (3 - at), 0) + last
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}
