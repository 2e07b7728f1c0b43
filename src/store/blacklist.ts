import { isIPv6, SocketAddress } from 'node:net'
import { Redis, type RedisOptions } from 'ioredis'
import type { Log } from './observe.js'

/** Where a set of addresses is kept. */
export interface BlacklistOptions {
  /** The Redis that has it: its own address, or sentinels that know its address. */
  readonly redis:
    | { readonly host: string; readonly port: number }
    | { readonly sentinels: ReadonlyArray<{ readonly host: string; readonly port: number }>; readonly master: string }
  readonly password?: string | undefined
  /** Key of the set. Each member is an IP literal. */
  readonly key: string
  readonly refreshMs: number
  readonly logger: Log
}

/** Members read; what a set has beyond them is left out. */
const MOST_ADDRESSES = 1_000_000
/** How soon a set that could not be read is read again. */
const RETRY_MS = 10_000
const COMMAND_TIMEOUT_MS = 5_000

/** The addresses of one Redis set, read now and then. While Redis is away those that were read last hold. */
export class Blacklist {
  private addresses: ReadonlySet<string> = new Set()
  private readonly client: Redis
  private timer: NodeJS.Timeout | undefined
  private failed = false
  private stopped = false

  constructor(private readonly options: BlacklistOptions) {
    const { redis, password } = options
    const common = {
      lazyConnect: true,
      maxRetriesPerRequest: 1,
      connectTimeout: COMMAND_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectionName: 'signalbox',
      ...(password === undefined ? {} : { password }),
    } satisfies RedisOptions
    this.client =
      'sentinels' in redis
        ? new Redis({ ...common, sentinels: redis.sentinels.map((one) => ({ ...one })), name: redis.master })
        : new Redis({ ...common, ...redis })
    // What is wrong is said when the set is read.
    this.client.on('error', () => undefined)
  }

  has(address: string): boolean {
    return this.addresses.has(address)
  }

  get size(): number {
    return this.addresses.size
  }

  /** Reads the set, and from then on again and again. Resolves after the first time, also when that failed. */
  async start(): Promise<void> {
    const { refreshMs, logger, key } = this.options
    try {
      const addresses = await this.read()
      if (this.failed) logger.info({ key, addresses: addresses.size }, 'Blacklist is read again')
      this.addresses = addresses
      this.failed = false
    } catch (error) {
      if (this.stopped) return
      if (!this.failed) logger.warn({ key, reason: (error as Error).message }, 'Blacklist cannot be read')
      this.failed = true
    }
    if (this.stopped) return
    this.timer = setTimeout(() => void this.start(), this.failed ? Math.min(RETRY_MS, refreshMs) : refreshMs)
    this.timer.unref()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.client.disconnect()
  }

  private async read(): Promise<Set<string>> {
    const addresses = new Set<string>()
    let cursor = '0'
    do {
      const [next, members] = await this.client.sscan(this.options.key, cursor, 'COUNT', 1_000)
      for (const member of members) if (addresses.size < MOST_ADDRESSES) addresses.add(normalised(member))
      cursor = next
    } while (cursor !== '0' && addresses.size < MOST_ADDRESSES)
    return addresses
  }
}

/** IPv6 as sockets spell it. */
function normalised(member: string): string {
  const text = member.trim()
  return isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }).address : text
}
