import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { octetsOf } from '../../src/engine/transport/address.js'

export interface SrvData {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export interface NaptrData {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly regexp?: string
  readonly replacement: string
}

/** What a name does instead of answering. `garbage` answers with bytes that are no DNS message. */
export type Fault = 'silent' | 'servfail' | 'refused' | 'garbage' | 'formerr'

/** One question as it came. */
export interface Query {
  readonly bytes: Buffer
  /** The port it came from; undefined over TCP. */
  readonly udpPort: number | undefined
}

type RecordType = 'A' | 'AAAA' | 'CNAME' | 'SRV' | 'NAPTR'

interface RecordSet {
  readonly ttlS: number
  readonly data: readonly Buffer[]
}

const typeNumbers: Record<RecordType, number> = { A: 1, CNAME: 5, AAAA: 28, SRV: 33, NAPTR: 35 }
const typeNames = new Map(Object.entries(typeNumbers).map(([name, number]) => [number, name as RecordType]))

/** Bytes a UDP answer may have; a larger one is cut and asked again over TCP. */
const maxUdpBytes = 1_232

/**
 * A DNS server for tests on a free loopback port, UDP and TCP. It knows the names it was given, says NXDOMAIN for all others and
 * "no such records" for other types of a known name, and keeps a list of what it was asked. Records may change while it runs.
 */
export class NameServer {
  /** The questions in their order: `SRV _sip._udp.example.com`. */
  readonly asked: string[] = []
  /** The same in bytes. */
  readonly queries: Query[] = []
  /** Seconds that "there is none" holds, told by an SOA record; undefined: no SOA. */
  negativeTtlS: number | undefined
  /** What leaves over UDP in place of an answer, in this order. */
  instead: ((answer: Buffer, query: Buffer) => readonly Buffer[]) | undefined
  /** Answers with no more than the question over TCP, or closes the connection. */
  tcpFault: 'silent' | 'closes' | 'garbage' | undefined
  private readonly names = new Map<string, Map<RecordType, RecordSet>>()
  private readonly faults = new Map<string, Fault>()
  private readonly streams = new Set<Socket>()

  private constructor(
    private readonly udp: UdpSocket,
    private readonly tcp: Server,
  ) {
    udp.on('message', (query, { address, port }) => {
      this.queries.push({ bytes: query, udpPort: port })
      const answer = this.answer(query, maxUdpBytes)
      if (answer === undefined) return
      for (const bytes of this.instead?.(answer, query) ?? [answer]) udp.send(bytes, port, address)
    })
    tcp.on('connection', (stream) => this.serve(stream))
  }

  static async start(): Promise<NameServer> {
    for (;;) {
      const tcp = createServer()
      await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
      const udp = createSocket('udp4')
      const bound = await new Promise<boolean>((resolve) => {
        udp.once('error', () => resolve(false))
        udp.bind((tcp.address() as AddressInfo).port, '127.0.0.1', () => resolve(true))
      })
      if (bound) return new NameServer(udp, tcp)
      tcp.close()
    }
  }

  /** `127.0.0.1:port`, as resolvers take it. */
  get address(): string {
    return `127.0.0.1:${this.udp.address().port}`
  }

  async stop(): Promise<void> {
    for (const stream of this.streams) stream.destroy()
    await new Promise<void>((resolve) => this.udp.close(resolve))
    await new Promise<void>((resolve) => this.tcp.close(() => resolve()))
  }

  a(name: string, addresses: readonly string[], ttlS = 60): void {
    const data = addresses.map((address) => Buffer.from(octetsOf(address) ?? []))
    this.set(name, 'A', { ttlS, data })
  }

  aaaa(name: string, addresses: readonly string[], ttlS = 60): void {
    const data = addresses.map((address) => Buffer.from(octetsOf(address) ?? []))
    this.set(name, 'AAAA', { ttlS, data })
  }

  cname(name: string, target: string, ttlS = 60): void {
    this.set(name, 'CNAME', { ttlS, data: [encodeName(target)] })
  }

  srv(name: string, records: readonly SrvData[], ttlS = 60): void {
    const data = records.map(({ priority, weight, port, target }) => {
      return Buffer.concat([numbers(priority, weight, port), encodeName(target)])
    })
    this.set(name, 'SRV', { ttlS, data })
  }

  naptr(name: string, records: readonly NaptrData[], ttlS = 60): void {
    const data = records.map(({ order, preference, flags, service, regexp = '', replacement }) => {
      const texts = [flags, service, regexp].map(encodeText)
      return Buffer.concat([numbers(order, preference), ...texts, encodeName(replacement)])
    })
    this.set(name, 'NAPTR', { ttlS, data })
  }

  /** Forgets a name and its fault. */
  remove(name: string): void {
    this.names.delete(name.toLowerCase())
    this.faults.delete(name.toLowerCase())
  }

  /** Makes questions about a name, or with `*` about any, go wrong; undefined puts it right again. */
  fail(name: string, fault: Fault | undefined): void {
    if (fault === undefined) this.faults.delete(name.toLowerCase())
    else this.faults.set(name.toLowerCase(), fault)
  }

  /** How often it was asked exactly this, `A example.com`. */
  times(question: string): number {
    return this.asked.filter((asked) => asked === question).length
  }

  private set(name: string, type: RecordType, records: RecordSet): void {
    const key = name.toLowerCase()
    const sets = this.names.get(key) ?? new Map<RecordType, RecordSet>()
    this.names.set(key, sets.set(type, records))
  }

  private serve(stream: Socket): void {
    this.streams.add(stream)
    stream.on('close', () => this.streams.delete(stream))
    stream.on('error', () => undefined)
    let held = Buffer.alloc(0)
    stream.on('data', (chunk) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0)
        this.queries.push({ bytes: held.subarray(2, end), udpPort: undefined })
        const answer = this.answer(held.subarray(2, end), 65_535)
        held = held.subarray(end)
        if (this.tcpFault === 'closes') stream.end()
        else if (this.tcpFault === 'garbage') stream.write(Buffer.concat([numbers(40), Buffer.alloc(40, 0xff)]))
        else if (answer !== undefined && this.tcpFault === undefined)
          stream.write(Buffer.concat([numbers(answer.length), answer]))
      }
    })
  }

  private answer(query: Buffer, maxBytes: number): Buffer | undefined {
    const { name, end } = decodeName(query, 12)
    const type = typeNames.get(query.readUInt16BE(end))
    const question = query.subarray(12, end + 4)
    this.asked.push(`${type ?? query.readUInt16BE(end)} ${name}`)

    const fault = this.faults.get(name) ?? this.faults.get('*')
    if (fault === 'silent') return undefined
    if (fault === 'garbage') return Buffer.concat([query.subarray(0, 2), Buffer.alloc(40, 0xff)])
    // As servers do that are older than EDNS: whatever follows the question is an error to them.
    if (fault === 'formerr' && query.readUInt16BE(10) > 0) return head(query, 1, 0, Buffer.alloc(0), 0)
    if (fault !== undefined && fault !== 'formerr') return head(query, fault === 'servfail' ? 2 : 5, 0, question)

    const sets = this.names.get(name)
    const kind =
      type !== undefined && sets?.has(type) === true ? type : sets?.has('CNAME') === true ? 'CNAME' : undefined
    const set = kind === undefined ? undefined : sets?.get(kind)
    const records = set?.data.map((data) => {
      const fixed = Buffer.alloc(12)
      fixed.writeUInt16BE(0xc00c, 0)
      fixed.writeUInt16BE(typeNumbers[kind ?? 'A'], 2)
      fixed.writeUInt16BE(1, 4)
      fixed.writeUInt32BE(set.ttlS, 6)
      fixed.writeUInt16BE(data.length, 10)
      return Buffer.concat([fixed, data])
    })
    const answer = Buffer.concat([
      head(query, sets === undefined ? 3 : 0, records?.length ?? 0, question),
      ...(records ?? []),
    ])
    if (records === undefined && this.negativeTtlS !== undefined) {
      answer.writeUInt16BE(1, 8)
      return Buffer.concat([answer, soa(this.negativeTtlS)])
    }
    if (answer.length <= maxBytes) return answer
    const cut = head(query, 0, 0, question)
    cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2)
    return cut
  }
}

/** Header and question of an answer: authoritative, recursion as asked. */
function head(query: Buffer, code: number, answers: number, question: Buffer, questions = 1): Buffer {
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8480 | (query.readUInt16BE(2) & 0x0100) | code, 2)
  header.writeUInt16BE(questions, 4)
  header.writeUInt16BE(answers, 6)
  return Buffer.concat([header, question])
}

/** The SOA of the root, for a day: only the last of its numbers says how long "there is none" holds. */
function soa(minimumS: number): Buffer {
  const data = Buffer.alloc(22)
  data.writeUInt32BE(minimumS, 18)
  return Buffer.concat([Buffer.of(0), numbers(6, 1, 1, 20_864, data.length), data])
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([...labels.map(encodeText), Buffer.of(0)])
}

function encodeText(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')])
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2))
  return bytes
}

function decodeName(bytes: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = []
  let at = from
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}
