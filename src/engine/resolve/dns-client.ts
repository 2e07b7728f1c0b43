import type { Clock } from '../clock.js'
import type { Answer } from './answer-cache.js'
import { Asking } from './asking.js'
import { DnsError } from './dns-error.js'
import { maxAliases, type RecordData, type RecordType, type ReplyRecords } from './dns-message.js'
import { isName } from './dns-name.js'
import { nameOfServer, type ServerAddress } from './server-address.js'

export interface DnsClientOptions {
  readonly clock: Clock
  /** Whom to ask, in this order; looked at anew for each question. */
  readonly servers: () => readonly ServerAddress[]
  /** How long one try of one server may take. */
  readonly tryMs: number
}

/** How long a server that was silent is asked after the others. */
const silentMs = 30_000
/** Servers remembered as silent. */
const maxSilent = 64

/** Asks name servers (RFC 1035), and tells how long their answers hold. */
export class DnsClient {
  private readonly underWay = new Set<{ fail(error: DnsError): void }>()
  /** Until when each counts as silent. */
  private readonly silent = new Map<string, number>()
  private closed = false

  constructor(private readonly options: DnsClientOptions) {}

  /**
   * The records of a name, by way of its aliases; none when the name or the type does not exist. `ttlMs` is the least on the way to
   * them; without records how long that holds (RFC 2308), Infinity when the server does not say.
   *
   * @throws {DnsError} when no server answered, or none with sense
   */
  async ask<Type extends RecordType>(name: string, type: Type): Promise<Answer<RecordData[Type]>> {
    let ttlS = Infinity
    let aliases = 0
    let current = name.toLowerCase()
    for (;;) {
      if (!isName(current)) throw new DnsError('EBADNAME', `${JSON.stringify(name.slice(0, 300))} is no name`)
      const reply = await this.askServers(current, type)
      ttlS = Math.min(ttlS, reply.ttlS)
      aliases += reply.aliases
      if (reply.openAlias === undefined) return { records: reply.records, ttlMs: ttlS * 1_000 }
      if (aliases > maxAliases) throw new DnsError('ECNAME', `${type} ${name}: more than ${maxAliases} aliases`)
      current = reply.openAlias
    }
  }

  /** Gives up every question under way, and asks no more. */
  close(): void {
    this.closed = true
    for (const asking of [...this.underWay]) asking.fail(new DnsError('ECANCELLED', 'given up'))
  }

  private askServers<Type extends RecordType>(name: string, type: Type): Promise<ReplyRecords<Type>> {
    const { clock, tryMs } = this.options
    if (this.closed) return Promise.reject(new DnsError('ECANCELLED', 'given up'))
    return new Promise((resolve, reject) => {
      const over = (): void => void this.underWay.delete(asking)
      const asking = new Asking<Type>(
        {
          clock,
          tryMs,
          answered: (reply) => {
            over()
            resolve(reply)
          },
          failed: (error) => {
            over()
            reject(error)
          },
          silent: (server) => this.noteSilent(server),
        },
        this.inOrder(),
        name,
        type,
      )
      this.underWay.add(asking)
      asking.next()
    })
  }

  /** The servers, those last that were silent a moment ago. */
  private inOrder(): readonly ServerAddress[] {
    const servers = this.options.servers()
    if (this.silent.size === 0) return servers
    const now = this.options.clock.now()
    const isSilent = (server: ServerAddress): boolean => (this.silent.get(nameOfServer(server)) ?? -Infinity) > now
    return [...servers.filter((server) => !isSilent(server)), ...servers.filter(isSilent)]
  }

  private noteSilent(server: ServerAddress): void {
    if (this.silent.size >= maxSilent) this.silent.clear()
    this.silent.set(nameOfServer(server), this.options.clock.now() + silentMs)
  }
}
