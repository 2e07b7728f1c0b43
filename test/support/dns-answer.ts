/** The numbers of the types of records. */
export const dnsTypes = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33, NAPTR: 35 } as const

export interface DnsRecord {
  readonly owner: Buffer
  readonly type: keyof typeof dnsTypes
  readonly ttlS?: number
  readonly data: Buffer
  /** Default IN. */
  readonly class?: number
}

/** A name on the wire, its labels as they are given. */
export const wireName = (...labels: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat([
    ...labels.flatMap((label) => {
      const bytes = typeof label === 'string' ? Buffer.from(label, 'latin1') : label
      return [Buffer.of(bytes.length), bytes]
    }),
    Buffer.of(0),
  ])

/** A compression pointer to the question's name. */
export const toQuestion = Buffer.of(0xc0, 12)

export const u16 = (...values: readonly number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.of((value >> 8) & 0xff, value & 0xff)))

/** An answer written by hand, good or not. */
export function dnsAnswer(
  question: { readonly id: number; readonly name: Buffer; readonly type: keyof typeof dnsTypes },
  records: readonly DnsRecord[],
  options: { readonly flags?: number; readonly count?: number; readonly authority?: readonly DnsRecord[] } = {},
): Buffer {
  const { flags = 0x8180, count = records.length, authority = [] } = options
  return Buffer.concat([
    u16(question.id, flags, 1, count, authority.length, 0),
    question.name,
    u16(dnsTypes[question.type], 1),
    ...[...records, ...authority].map(recordBytes),
  ])
}

function recordBytes({ owner, type, ttlS = 60, data, class: group = 1 }: DnsRecord): Buffer {
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(ttlS)
  return Buffer.concat([owner, u16(dnsTypes[type], group), ttl, u16(data.length), data])
}
