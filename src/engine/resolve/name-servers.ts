import { promises as dns } from 'node:dns'
import type { NaptrRecord, SrvRecord } from 'node:dns'
import type { Clock } from '../clock.js'
import type { Answer } from './answer-cache.js'
import { DnsClient } from './dns-client.js'
import { DnsError } from './dns-error.js'
import { parseServer, type ServerAddress } from './server-address.js'

export type { NaptrRecord, SrvRecord } from 'node:dns'

/** Addresses that the system's resolver may give for one name. */
const maxRecords = 64
/** How long what the system's resolver says is kept: it does not tell a time to live. */
const systemTtlMs = 30_000
/** Look-ups by the system's resolver at the same time; each holds a thread of the pool. */
const maxSystemLookups = 8
/** How long the system's list of name servers is taken as read: networks change under a running machine. */
const systemServersMs = 30_000

/** The questions of RFC 3263, asked of DNS. A name or type that does not exist is an answer without records. */
export class NameServers {
  private readonly client: DnsClient
  private readonly given: readonly ServerAddress[]
  private systemServers: { readonly list: readonly ServerAddress[]; readonly untilMs: number } | undefined
  private systemLookups = 0
  private closed = false

  /**
   * @param servers `address` or `address:port`; none: those of the system.
   * @param tryMs how long one try may take; there are two.
   * @throws {TypeError} naming the server that is none
   */
  constructor(
    servers: readonly string[],
    tryMs: number,
    private readonly clock: Clock,
  ) {
    this.given = servers.map(parseServer)
    this.client = new DnsClient({ clock, tryMs, servers: () => this.servers() })
  }

  addresses(name: string, family: 4 | 6): Promise<Answer<string>> {
    return this.client.ask(name, family === 4 ? 'A' : 'AAAA')
  }

  services(name: string): Promise<Answer<SrvRecord>> {
    return this.client.ask(name, 'SRV')
  }

  pointers(name: string): Promise<Answer<NaptrRecord>> {
    return this.client.ask(name, 'NAPTR')
  }

  /** What the system's resolver makes of a name: search domains, multicast DNS and whatever else this machine is set up for. */
  async systemAddresses(name: string): Promise<Answer<string>> {
    if (this.closed) throw new DnsError('ECANCELLED', 'given up')
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

  /** Gives up every question under way, and asks no more. */
  close(): void {
    this.closed = true
    this.client.close()
  }

  private servers(): readonly ServerAddress[] {
    if (this.given.length > 0) return this.given
    const now = this.clock.now()
    if (this.systemServers === undefined || this.systemServers.untilMs <= now) {
      // A new resolver reads the system's list anew.
      const list = new dns.Resolver().getServers().flatMap((text) => {
        try {
          return [parseServer(text)]
        } catch {
          return []
        }
      })
      this.systemServers = { list, untilMs: now + systemServersMs }
    }
    return this.systemServers.list
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
