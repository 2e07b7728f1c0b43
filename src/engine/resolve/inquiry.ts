import { familyOf } from '../transport/address.js'
import { isHostName } from '../transport/host-name.js'
import type { AnswerCache, Answer } from './answer-cache.js'
import type { HostsFile } from './hosts-file.js'
import type { NameServers, NaptrRecord, SrvRecord } from './name-servers.js'
import { ResolveError } from './resolve-error.js'

/** Whom an inquiry asks. */
export interface Sources {
  readonly servers: NameServers
  /** Undefined: this machine's own names are left out. */
  readonly hosts: HostsFile | undefined
  readonly cache: AnswerCache
}

/** RFC 6761 6.3: never asked of DNS. IPv4 first, because what runs on this machine mostly listens there. */
const localhost = ['127.0.0.1', '::1']

/** The questions asked for one next hop, and what came of each. A question that fails counts as one without records. */
export class Inquiry {
  /** The name says itself that it does not offer the service. */
  declined = false
  private readonly outcomes: string[] = []
  private readonly open = new Set<string>()
  private failed: string | undefined
  /** Milliseconds for which all the records that were found hold; Infinity: none was asked for. */
  freshMs = Infinity

  constructor(private readonly sources: Sources) {}

  pointers(name: string): Promise<readonly NaptrRecord[]> {
    return this.ask(`NAPTR ${name}`, () => this.sources.servers.pointers(name))
  }

  services(name: string): Promise<readonly SrvRecord[]> {
    return isHostName(name) ? this.ask(`SRV ${name}`, () => this.sources.servers.services(name)) : Promise.resolve([])
  }

  /** Addresses of a name, those of the first family first. */
  async addresses(name: string, families: readonly (4 | 6)[]): Promise<readonly string[]> {
    const literal = familyOf(name)
    if (literal !== undefined) return families.includes(literal) ? [name] : []
    if (!isHostName(name)) return []
    const fits = (address: string): boolean => families.some((family) => family === familyOf(address))
    const own = await this.localAddresses(name)
    if (own.length > 0) return own.filter(fits)

    const { servers, hosts } = this.sources
    const found = await Promise.all(
      families.map((family) =>
        this.ask(`${family === 4 ? 'A' : 'AAAA'} ${name}`, () => servers.addresses(name, family)),
      ),
    )
    const addresses = found.flat()
    if (addresses.length > 0 || hosts === undefined) return addresses
    const system = await this.ask(`the system for ${name}`, () => servers.systemAddresses(name))
    return system.filter(fits)
  }

  /** This machine itself gives the name an address: no name server is asked about it. */
  async knowsLocally(name: string): Promise<boolean> {
    return (await this.localAddresses(name)).length > 0
  }

  /** What to say when no target was found. */
  failure(hop: string): ResolveError {
    const code = this.failed === undefined ? 'NOT_FOUND' : isTimeout(this.failed) ? 'TIMEOUT' : 'FAILED'
    const why = this.declined ? 'the domain does not offer SIP this way' : 'no address found'
    return new ResolveError(code, `${hop}: ${why} (asked ${this.outcomes.join(', ') || 'nobody'})`, [...this.outcomes])
  }

  /** What to say when the time for all questions together is over. */
  timeout(hop: string, afterMs: number): ResolveError {
    const asked = [...this.outcomes, ...[...this.open].map((question) => `${question}: no answer yet`)]
    return new ResolveError('TIMEOUT', `${hop}: not resolved within ${afterMs} ms (asked ${asked.join(', ')})`, asked)
  }

  private async localAddresses(name: string): Promise<readonly string[]> {
    const fromFile = (await this.sources.hosts?.find(name)) ?? []
    if (name === 'localhost' || name.endsWith('.localhost')) return localhost
    return fromFile
  }

  private async ask<Record>(question: string, load: () => Promise<Answer<Record>>): Promise<readonly Record[]> {
    this.open.add(question)
    try {
      const { cache } = this.sources
      const records = await cache.ask(question, load)
      if (records.length > 0) this.freshMs = Math.min(this.freshMs, cache.leftMs(question))
      this.outcomes.push(`${question}: ${records.length === 0 ? 'not found' : `${records.length} found`}`)
      return records
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      this.failed = code ?? message
      this.outcomes.push(`${question}: ${isTimeout(this.failed) ? 'no answer' : this.failed}`)
      return []
    } finally {
      this.open.delete(question)
    }
  }
}

function isTimeout(code: string): boolean {
  return code === 'ETIMEOUT' || code === 'ETIMEDOUT'
}
