import type { NaptrRecord, SrvRecord } from 'node:dns'
import { SocketAddress } from 'node:net'
import { encodeName, readName } from './dns-name.js'

/** What each type of record holds. Names have no dot at the end; the root is ''. */
export interface RecordData {
  /** IP literal. */
  A: string
  AAAA: string
  SRV: SrvRecord
  NAPTR: NaptrRecord
}

export type RecordType = keyof RecordData

export interface Question {
  readonly id: number
  /** Lower case. */
  readonly name: string
  readonly type: RecordType
}

/** The start of an answer. */
export interface ReplyHead {
  /** RFC 1035 4.1.1: 0 no error, 1 format error, 2 server failure, 3 no such name, 4 not implemented, 5 refused. */
  readonly code: number
  /** Cut short: to be asked again over TCP. */
  readonly truncated: boolean
}

/** What an answer says of a name. */
export interface ReplyRecords<Type extends RecordType> {
  readonly records: readonly RecordData[Type][]
  /** The least time to live along the way to the records, or how long "there is none" holds (RFC 2308); Infinity: it does not say. */
  readonly ttlS: number
  /** Aliases that were followed in it. */
  readonly aliases: number
  /** The name that the last alias leads to, when the answer ends there and says nothing of it. */
  readonly openAlias: string | undefined
}

/** Records of one answer that are looked at; a name server may send a thousand. */
const maxRecords = 64
/** Records of one answer that are read at all, whatever they are about. */
const maxRead = 1_024
/** Aliases (CNAME) followed for one question. */
export const maxAliases = 8
/** Bytes of an answer we take over UDP (RFC 6891): what passes unfragmented nearly everywhere. */
const udpBytes = 1_232

const typeNumbers: Record<RecordType, number> = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 }
const CNAME = 5
const SOA = 6
const IN = 1
const headBytes = 12

/**
 * A question in bytes, recursion desired.
 * @param extended says how large an answer may be (EDNS); there are servers that do not know that
 * @throws {RangeError} when the name is none
 */
export function encodeQuestion({ id, name, type }: Question, extended: boolean): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(0x0100, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(extended ? 1 : 0, 10)
  const fixed = Buffer.alloc(4)
  fixed.writeUInt16BE(typeNumbers[type], 0)
  fixed.writeUInt16BE(IN, 2)
  const options = Buffer.of(0, 0, 41, udpBytes >> 8, udpBytes & 0xff, 0, 0, 0, 0, 0, 0)
  return Buffer.concat([head, encodeName(name), fixed, ...(extended ? [options] : [])])
}

/** The head of an answer to this very question; undefined: it is none. */
export function replyHead(bytes: Buffer, question: Question): ReplyHead | undefined {
  if (bytes.length < headBytes || bytes.readUInt16BE(0) !== question.id) return undefined
  const flags = bytes.readUInt16BE(2)
  const isStandardReply = (flags & 0xf800) === 0x8000
  if (!isStandardReply) return undefined
  const head = { code: flags & 0x000f, truncated: (flags & 0x0200) !== 0 }
  const questions = bytes.readUInt16BE(4)
  // A server that could not read the question need not repeat it.
  if (questions === 0 && head.code !== 0 && head.code !== 3) return head
  return questions === 1 && asks(bytes, question) ? head : undefined
}

function asks(bytes: Buffer, { name, type }: Question): boolean {
  try {
    const { text, end } = readName(bytes, headBytes)
    return text === name && bytes.readUInt16BE(end) === typeNumbers[type] && bytes.readUInt16BE(end + 2) === IN
  } catch {
    return false
  }
}

/**
 * The records for the question in an answer to it (see `replyHead`), by way of the aliases in it. Data that cannot be used is left
 * out; past 64 records of the name, or 1,024 of any, nothing is read.
 * @throws {RangeError} when the answer makes no sense, or all its data is of no use
 */
export function replyRecords<Type extends RecordType>(bytes: Buffer, name: string, type: Type): ReplyRecords<Type> {
  const reader = new RecordReader(bytes)
  const aliases = new Map<string, RawRecord & { readonly to: string }>()
  const found: RawRecord[] = []
  const answers = bytes.readUInt16BE(6)
  for (let read = 0, own = 0; read < Math.min(answers, maxRead) && own < maxRecords; read++) {
    const record = reader.next()
    if (record.owner === undefined || record.class !== IN) continue
    if (record.type === typeNumbers[type]) {
      found.push(record)
      if (record.owner === name) own++
    } else if (record.type === CNAME) {
      const to = readName(bytes, record.from)
      if (to.text !== undefined && to.end === record.end) aliases.set(record.owner, { ...record, to: to.text })
    }
  }

  let owner = name
  let ttlS = Infinity
  for (let followed = 0; ; followed++) {
    const own = found.filter((record) => record.owner === owner).slice(0, maxRecords)
    if (own.length > 0) {
      for (const record of own) ttlS = Math.min(ttlS, record.ttlS)
      const records = own.flatMap(({ from, end }) => dataOf(bytes, from, end, type) ?? [])
      if (records.length === 0) throw new RangeError('no record of the answer is of use')
      return { records, ttlS, aliases: followed, openAlias: undefined }
    }
    const alias = aliases.get(owner)
    if (alias !== undefined && followed >= maxAliases)
      return { records: [], ttlS, aliases: followed + 1, openAlias: alias.to }
    if (alias === undefined) {
      const negativeTtlS = answers > maxRead ? undefined : reader.negativeTtlS(bytes.readUInt16BE(8))
      const noSuchName = (bytes.readUInt16BE(2) & 0x000f) === 3
      const open = followed > 0 && !noSuchName && negativeTtlS === undefined
      return {
        records: [],
        ttlS: Math.min(ttlS, negativeTtlS ?? Infinity),
        aliases: followed,
        openAlias: open ? owner : undefined,
      }
    }
    owner = alias.to
    ttlS = Math.min(ttlS, alias.ttlS)
  }
}

interface RawRecord {
  readonly owner: string | undefined
  readonly type: number
  readonly class: number
  readonly ttlS: number
  /** Where its data begins and ends. */
  readonly from: number
  readonly end: number
}

/** Goes through the records of an answer, one after the other. */
class RecordReader {
  private at: number

  constructor(private readonly bytes: Buffer) {
    this.at = readName(bytes, headBytes).end + 4
  }

  next(): RawRecord {
    const { bytes } = this
    const { text: owner, end: at } = readName(bytes, this.at)
    const ttl = bytes.readUInt32BE(at + 4)
    const from = at + 10
    const end = from + bytes.readUInt16BE(at + 8)
    if (end > bytes.length) throw new RangeError('a record is cut off')
    this.at = end
    // The highest bit has no meaning: such a time counts as none (RFC 2181 8).
    const ttlS = ttl > 0x7fffffff ? 0 : ttl
    return { owner, type: bytes.readUInt16BE(at), class: bytes.readUInt16BE(at + 2), ttlS, from, end }
  }

  /** What the SOA among the next `count` records says about how long "there is none" holds; undefined: there is no SOA. */
  negativeTtlS(count: number): number | undefined {
    for (let left = Math.min(count, maxRecords); left > 0; left--) {
      const { type, ttlS, end, from } = this.next()
      if (type === SOA && end - from >= 22) return Math.min(ttlS, this.bytes.readUInt32BE(end - 4))
    }
    return undefined
  }
}

/** The data of a record; undefined: nothing can be made of it. */
function dataOf<Type extends RecordType>(
  bytes: Buffer,
  from: number,
  end: number,
  type: Type,
): RecordData[Type] | undefined {
  try {
    return readers[type](bytes.subarray(0, end), from) as RecordData[Type] | undefined
  } catch {
    return undefined
  }
}

const readers: { readonly [Type in RecordType]: (bytes: Buffer, from: number) => RecordData[Type] | undefined } = {
  A: (bytes, from) => (bytes.length - from === 4 ? bytes.subarray(from).join('.') : undefined),

  AAAA: (bytes, from) => {
    if (bytes.length - from !== 16) return undefined
    const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(from + i * 2).toString(16))
    return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
  },

  SRV: (bytes, from) => {
    const { text: name, end } = readName(bytes, from + 6)
    if (name === undefined || end !== bytes.length) return undefined
    const [priority, weight, port] = [0, 2, 4].map((offset) => bytes.readUInt16BE(from + offset)) as [
      number,
      number,
      number,
    ]
    return { priority, weight, port, name }
  },

  NAPTR: (bytes, from) => {
    let at = from + 4
    const texts: string[] = []
    for (let i = 0; i < 3; i++) {
      const start = at + 1
      at = start + bytes.readUInt8(at)
      texts.push(bytes.toString('latin1', start, at))
    }
    const { text: replacement, end } = readName(bytes, at)
    if (replacement === undefined || end !== bytes.length || !texts.every(isPrintable)) return undefined
    const [flags = '', service = '', regexp = ''] = texts
    return {
      order: bytes.readUInt16BE(from),
      preference: bytes.readUInt16BE(from + 2),
      flags,
      service,
      regexp,
      replacement,
    }
  },
}

const isPrintable = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)
