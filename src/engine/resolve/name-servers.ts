import { promises as dns } from 'node:dns'
import type { NaptrRecord, SrvRecord } from 'node:dns'
import type { Answer } from './answer-cache.js'

export type { NaptrRecord, SrvRecord } from 'node:dns'

/** Records of one answer that are looked at; a name server may send a thousand. */
const maxRecords = 64
/** Node.js does not tell the time to live of SRV and NAPTR records: they are asked again after this. */
const untoldTtlMs = 30_000
/** How long what the system's resolver says is kept; it does not tell a time to live either. */
const systemTtlMs = 30_000
/** Look-ups by the system's resolver at the same time; each holds a thread of the pool. */
const maxSystemLookups = 8

/** The questions of RFC 3263, asked of DNS. A name or type that does not exist is an answer without records. */
export class NameServers {
  private readonly resolver: dns.Resolver
  private systemLookups = 0

  /**
   * @param servers `address` or `address:port`; none: those of the system.
   * @param tryMs how long one try may take; there are two.
   */
  constructor(servers: readonly string[], tryMs: number) {
    this.resolver = new dns.Resolver({ timeout: tryMs, tries: 2 })
    if (servers.length > 0) this.resolver.setServers(servers)
  }

  async addresses(name: string, family: 4 | 6): Promise<Answer<string>> {
    const ask = family === 4 ? this.resolver.resolve4(name, { ttl: true }) : this.resolver.resolve6(name, { ttl: true })
    const records = (await noneIsEmpty(ask)).slice(0, maxRecords)
    const ttlS = records.reduce((least, { ttl }) => Math.min(least, ttl), Infinity)
    return { records: records.map(({ address }) => address), ttlMs: ttlS * 1_000 }
  }

  async services(name: string): Promise<Answer<SrvRecord>> {
    const records = await noneIsEmpty(this.resolver.resolveSrv(name))
    return { records: records.slice(0, maxRecords), ttlMs: untoldTtlMs }
  }

  async pointers(name: string): Promise<Answer<NaptrRecord>> {
    const records = await noneIsEmpty(this.resolver.resolveNaptr(name))
    return { records: records.slice(0, maxRecords), ttlMs: untoldTtlMs }
  }

  /** What the system's resolver makes of a name: search domains, multicast DNS and whatever else this machine is set up for. */
  async systemAddresses(name: string): Promise<Answer<string>> {
    if (this.systemLookups >= maxSystemLookups)
      throw new Error(`${maxSystemLookups} look-ups by the system are under way`)
    this.systemLookups++
    try {
      const records = await noneIsEmpty(dns.lookup(name, { all: true }))
      return { records: records.slice(0, maxRecords).map(({ address }) => address), ttlMs: systemTtlMs }
    } finally {
      this.systemLookups--
    }
  }

  /** Gives up every question under way. */
  cancel(): void {
    this.resolver.cancel()
  }
}

async function noneIsEmpty<Record>(question: Promise<Record[]>): Promise<Record[]> {
  try {
    return await question
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND' || code === 'ENODATA') return []
    throw error
  }
}
