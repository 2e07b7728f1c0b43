import { Carrier } from './carrier.js'
import type { TestEdge } from './edge.js'
import { FarEnd, type FarProtocol, type Heard } from './far-end.js'
import type { FarAlgorithm } from './far-digest.js'
import type { NameServer } from './name-server.js'

/** One way of writing an outbound proxy. */
interface Column {
  readonly title: string
  readonly port: number
  /** The trunk's fields, given where the proxy listens and what it is called. */
  fields(at: { address: string; host: string; protocol: FarProtocol }): {
    outbound_proxy: string | null
    transport?: FarProtocol
  }
  /** Transport of every request, where the form itself settles it. */
  readonly always?: FarProtocol
  /** SRV records that lead to the proxy, for the cell's transport: of the domain itself, or of the proxy's host. */
  readonly srv?: 'domain' | 'host'
}

const trunkSays = (protocol: FarProtocol): { transport?: FarProtocol } =>
  protocol === 'tcp' ? { transport: 'tcp' } : {}

export const columns: readonly Column[] = [
  {
    title: 'no proxy',
    port: 5080,
    srv: 'domain',
    fields: ({ protocol }) => ({ outbound_proxy: null, transport: protocol }),
  },
  {
    title: '`sip:ip:port`',
    port: 5080,
    fields: ({ address, protocol }) => ({ outbound_proxy: `sip:${address}:5080`, ...trunkSays(protocol) }),
  },
  {
    title: '`sip:host`',
    port: 5060,
    fields: ({ host, protocol }) => ({ outbound_proxy: `sip:${host}`, ...trunkSays(protocol) }),
  },
  {
    title: '`sip:host:port`',
    port: 5080,
    fields: ({ host, protocol }) => ({ outbound_proxy: `sip:${host}:5080`, ...trunkSays(protocol) }),
  },
  {
    title: '`host:port`',
    port: 5080,
    fields: ({ host, protocol }) => ({ outbound_proxy: `${host}:5080`, ...trunkSays(protocol) }),
  },
  {
    title: '`sip:ip;transport=tcp`',
    port: 5060,
    always: 'tcp',
    // The proxy's own word goes over the trunk's.
    fields: ({ address, protocol }) => ({
      outbound_proxy: `sip:${address};transport=tcp`,
      ...(protocol === 'udp' ? { transport: 'udp' } : {}),
    }),
  },
  {
    title: '`sip:host;transport=tcp`',
    port: 5060,
    always: 'tcp',
    fields: ({ host, protocol }) => ({
      outbound_proxy: `sip:${host};transport=tcp`,
      ...(protocol === 'udp' ? { transport: 'udp' } : {}),
    }),
  },
  {
    title: '`;lr`',
    port: 5080,
    fields: ({ address, protocol }) => ({
      outbound_proxy: `sip:${address}:5080${protocol === 'tcp' ? ';transport=tcp' : ''};lr`,
    }),
  },
  { title: 'host with SRV', port: 5080, srv: 'host', fields: ({ host }) => ({ outbound_proxy: `sip:${host}` }) },
]

export const protocols: readonly FarProtocol[] = ['udp', 'tcp']

/** A form of the proxy over one transport: a trunk, a number and a far end of its own, with decoys beside it. */
export interface Cell {
  readonly column: Column
  readonly protocol: FarProtocol
  readonly domain: string
  readonly number: string
  readonly user: string
  readonly carrier: Carrier
  /** Where nothing may come. */
  readonly decoys: readonly FarEnd[]
  /** Transport that every request must come by. */
  readonly expected: FarProtocol
  /** Contact of the far end in calls: a decoy, so that only the route leads to the proxy. */
  readonly contact: string
  trunkId: string
}

const algorithms: readonly FarAlgorithm[] = ['MD5', 'SHA-256', 'SHA-512-256', 'MD5-sess']
export const PASSWORD = 'of "the" proxy, matrix'

/** Opens the far ends of every cell and gives them their names in DNS. */
export async function openCells(names: NameServer): Promise<Cell[]> {
  // A network of this run's own, so that port 5060 is free there whatever else runs on this machine.
  const net = `127.${30 + Math.floor(Math.random() * 220)}`
  const cells: Cell[] = []
  for (const column of columns)
    for (const protocol of protocols) cells.push(await openCell(names, net, column, protocol, cells.length + 1))
  return cells
}

async function openCell(
  names: NameServer,
  net: string,
  column: Column,
  protocol: FarProtocol,
  i: number,
): Promise<Cell> {
  const address = `${net}.1.${i}`
  const domain = `pbx${i}.example.com`
  const host = `proxy${i}.example.net`
  const user = `auth-${i}`
  const expected = column.always ?? protocol
  const carrier = await Carrier.open({
    address,
    port: column.port,
    auth: {
      realm: `realm ${i}`,
      users: { [user]: PASSWORD },
      algorithms: [algorithms[i % algorithms.length] ?? 'MD5'],
      // Good for one request: every row with credentials is the answer to a challenge.
      nonces: 'once',
    },
  })
  const decoyAt = { domain: `${net}.2.${i}`, host: `${net}.3.${i}`, contact: `${net}.4.${i}` }
  const decoys = [
    // Where the domain's own records lead: its address, and its SRV records.
    await FarEnd.open({ address: decoyAt.domain, port: 5060 }),
    await FarEnd.open({ address: decoyAt.domain, port: 5071 }),
    // Where the proxy's host leads to when its port is overlooked, or its SRV records.
    await FarEnd.open({ address: decoyAt.host, port: 5060 }),
    await FarEnd.open({ address: decoyAt.host, port: 5072 }),
    await FarEnd.open({ address: decoyAt.contact, port: 5099 }),
    // The proxy's own default port, when that is not where it listens.
    ...(column.port === 5060 ? [] : [await FarEnd.open({ address, port: 5060 })]),
  ]
  names.a(domain, [decoyAt.domain])
  names.a(`sip.${domain}`, [decoyAt.domain])
  names.a(`sip.${host}`, [decoyAt.host])
  names.a(`gateway.${host}`, [address])
  names.a(host, [column.srv === 'host' ? decoyAt.host : address])
  for (const each of protocols) {
    const here = [{ priority: 1, weight: 1, port: column.port, target: `gateway.${host}` }]
    const away = [{ priority: 1, weight: 1, port: 5071, target: `sip.${domain}` }]
    names.srv(`_sip._${each}.${domain}`, column.srv === 'domain' && each === protocol ? here : away)
    // A port that is written keeps SRV out of it (RFC 3263 4.2).
    if (column.port !== 5060 && column.srv === undefined)
      names.srv(`_sip._${each}.${host}`, [{ priority: 1, weight: 1, port: 5072, target: `sip.${host}` }])
    if (column.srv === 'host' && each === protocol) names.srv(`_sip._${each}.${host}`, here)
  }
  const contact = `sip:callee@${decoyAt.contact}:5099`
  carrier.calls.contact = `<${contact}>`
  carrier.registrar.play.maxExpires = 60
  return {
    column,
    protocol,
    domain,
    number: `+14155552${String(i).padStart(3, '0')}`,
    user,
    carrier,
    decoys,
    expected,
    contact,
    trunkId: '',
  }
}

/** Imports the cell's number, with the trunk it is on; the outbound agent exists. */
export async function importCell(edge: TestEdge, cell: Cell, agent: string): Promise<void> {
  const { carrier, column, domain, number, protocol, user } = cell
  const host = `proxy${domain.slice(3, -'.example.com'.length)}.example.net`
  const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: domain,
    username: `user-${user}`,
    auth_username: user,
    password: PASSWORD,
    register: { enabled: true, expires: 60 },
    ping: { enabled: true, interval_s: 1 },
    outbound_agent_ids: [agent],
    ...column.fields({ address: carrier.address, host, protocol }),
  })
  cell.trunkId = view.trunk.id
}

/** A request of the matrix: how to find it at the far end, and what its Request-URI must be. */
export interface Row {
  readonly title: string
  find(cell: Cell): Heard | undefined
  requestUri(cell: Cell): string
}

const ends = (heard: Heard): boolean =>
  /;expires=0(?!\d)/i.test(heard.message.header('contact') ?? '') || heard.message.header('expires') === '0'

const initial = (heard: Heard): boolean => heard.message.toTag === ''
const atDomain = ({ domain }: Cell): string => `sip:${domain}`
export const CALLED = '+13125550199'
const called = ({ domain }: Cell): string => `sip:${CALLED}@${domain}`

export const rows: readonly Row[] = [
  {
    title: 'REGISTER',
    find: ({ carrier }) => carrier.requests('REGISTER').find((heard) => !ends(heard)),
    requestUri: atDomain,
  },
  {
    title: 'REGISTER with credentials',
    find: ({ carrier }) => carrier.withCredentials('REGISTER').find((heard) => !ends(heard)),
    requestUri: atDomain,
  },
  { title: 'INVITE', find: ({ carrier }) => carrier.requests('INVITE').find(initial), requestUri: called },
  {
    title: 'INVITE with credentials',
    find: ({ carrier }) => carrier.withCredentials('INVITE').find(initial),
    requestUri: called,
  },
  { title: 'OPTIONS', find: ({ carrier }) => carrier.requests('OPTIONS')[0], requestUri: atDomain },
  {
    title: 'OPTIONS with credentials',
    find: ({ carrier }) => carrier.withCredentials('OPTIONS')[0],
    requestUri: atDomain,
  },
  { title: 'BYE of the call', find: ({ carrier }) => carrier.requests('BYE')[0], requestUri: ({ contact }) => contact },
  {
    title: 'un-REGISTER',
    find: ({ carrier }) => carrier.withCredentials('REGISTER').find(ends),
    requestUri: atDomain,
  },
]

/** What is wrong with one request of one cell, in a few words; undefined when nothing is. */
export function faultOf(row: Row, cell: Cell, cells: readonly Cell[]): string | undefined {
  const heard = row.find(cell)
  const method = row.title.replace('un-', '').split(' ')[0] ?? ''
  const stray = strays(cell, cells).find(({ message }) => message.method === method)
  if (stray !== undefined) return `went to ${stray.protocol} ${stray.local.address}:${stray.local.port}`
  if (heard === undefined) return cell.carrier.complaints.find((words) => words.startsWith(method)) ?? 'did not come'
  const wrongWay = cell.carrier.requests(method).find(({ protocol }) => protocol !== cell.expected)
  if (wrongWay !== undefined) return `by ${wrongWay.protocol}`
  const uri = heard.message.requestUri.replace(/;user=phone$/, '')
  return uri === row.requestUri(cell) ? undefined : `for ${uri}`
}

/** Messages of this cell's trunk that came anywhere but to its proxy, and whatever came to its decoys. */
function strays(cell: Cell, cells: readonly Cell[]): Heard[] {
  const own = (heard: Heard): boolean => heard.message.head.includes(cell.domain)
  return [
    ...cell.decoys.flatMap(({ heard }) => heard),
    ...cells
      .filter((other) => other !== cell)
      .flatMap(({ carrier, decoys }) => [...carrier.end.heard, ...decoys.flatMap(({ heard }) => heard)].filter(own)),
  ]
}

/** The matrix as a Markdown table: in each cell UDP and TCP. */
export function table(cells: readonly Cell[]): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`
  const cellText = (row: Row, column: Column): string =>
    cells
      .filter((cell) => cell.column === column)
      .map((cell) => {
        const fault = faultOf(row, cell, cells)
        return fault === undefined ? '✓' : `✗ ${cell.protocol}: ${fault}`
      })
      .join(' ')
  return [
    line(['request', ...columns.map(({ title }) => title)]),
    line(['---', ...columns.map(() => ':-:')]),
    ...rows.map((row) => line([row.title, ...columns.map((column) => cellText(row, column))])),
  ].join('\n')
}

export async function closeCells(cells: readonly Cell[]): Promise<void> {
  for (const { carrier, decoys } of cells) {
    await carrier.close()
    for (const decoy of decoys) await decoy.close()
  }
}
