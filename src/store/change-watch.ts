import type { Redis } from 'ioredis'
import type { Connection } from './connection.js'
import { MAX_RECORD_KEY, parseKey, recordPrefixes, type RecordKind } from './keys.js'
import type { Log } from './observe.js'

/** The channel on which Redis tells a RESP2 subscriber which keys changed. */
const CHANNEL = '__redis__:invalidate'

const HEARTBEAT_MS = 2_000
const RETRY_MS = 1_000
const SETUP_DEADLINE_MS = 2_000

export interface ChangeListener {
  /** Records of ours were written, removed, or have expired, by whomever. */
  changed(records: readonly { kind: RecordKind; id: string }[]): void
  /** Anything may have changed: the database was emptied, or changes went by unseen until now. */
  anythingChanged(): void
  /** Whether changes are announced from now on. */
  watching(watching: boolean): void
}

/**
 * Hears of every change to the records routing reads, through Redis's client-side caching (CLIENT TRACKING in broadcast mode, redirected
 * to a subscriber). Where the server has no such thing, `unsupported` says so and nothing is ever announced.
 */
export class ChangeWatch {
  private subscriber: Redis | undefined
  private subscriberId: number | undefined
  private isWatching = false
  private isUnsupported = false
  /** Settings up are counted, so that one which was overtaken by a lost connection does not count. */
  private attempt = 0
  private timers: NodeJS.Timeout[] = []
  private retry: NodeJS.Timeout | undefined
  private stopListening: (() => void) | undefined

  constructor(
    private readonly connection: Connection,
    private readonly logger: Log,
    private readonly listener: ChangeListener,
  ) {}

  get watching(): boolean {
    return this.isWatching
  }

  /** Redis is up and has no client-side caching. */
  get unsupported(): boolean {
    return this.isUnsupported
  }

  start(): void {
    const subscriber = this.connection.createSubscriber()
    this.subscriber = subscriber
    subscriber.on('ready', () => void this.subscribe(subscriber))
    subscriber.on('close', () => {
      this.subscriberId = undefined
      this.lose()
    })
    subscriber.on('messageBuffer', (_channel: Buffer, keys: unknown) => this.receive(keys))
    this.stopListening = this.connection.onChange((up) => {
      if (up) void this.track()
      else this.lose()
    })
    const heartbeat = setInterval(() => void this.beat(subscriber), HEARTBEAT_MS)
    heartbeat.unref()
    this.timers.push(heartbeat)
    subscriber.connect().catch(() => undefined)
  }

  stop(): void {
    this.stopListening?.()
    this.lose()
    clearTimeout(this.retry)
    this.timers.forEach(clearInterval)
    this.timers = []
    this.subscriber?.removeAllListeners('ready')
    this.subscriber?.removeAllListeners('messageBuffer')
    this.subscriber?.disconnect()
  }

  private async subscribe(subscriber: Redis): Promise<void> {
    try {
      const id = await within(SETUP_DEADLINE_MS, subscriber.client('ID'))
      await within(SETUP_DEADLINE_MS, subscriber.subscribe(CHANNEL))
      this.subscriberId = id
    } catch {
      subscriber.disconnect(true)
      return
    }
    await this.track()
  }

  /** Has Redis send invalidations of our prefixes to the subscriber. The command connection carries the setting. */
  private async track(): Promise<void> {
    const { subscriberId } = this
    clearTimeout(this.retry)
    if (subscriberId === undefined || !this.connection.up) return
    const attempt = ++this.attempt
    const prefixes = recordPrefixes.flatMap((prefix) => ['PREFIX', prefix])
    try {
      await this.connection.ask(
        'tracking',
        (client) =>
          Promise.all([
            client.call('CLIENT', 'TRACKING', 'OFF'),
            client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(subscriberId), 'BCAST', ...prefixes),
          ]),
        { patient: true },
      )
    } catch (error) {
      if (attempt !== this.attempt) return
      this.lose()
      const reason = error instanceof Error ? error.message : 'unknown error'
      if (isUnknownCommand(reason)) {
        if (!this.isUnsupported)
          this.logger.warn({ reason }, 'Redis cannot announce changes: records are asked for again when they age')
        this.isUnsupported = true
        // Nothing was heard until now.
        this.listener.anythingChanged()
      } else {
        this.retry = setTimeout(() => void this.track(), RETRY_MS)
        this.retry.unref()
      }
      return
    }
    if (attempt !== this.attempt || subscriberId !== this.subscriberId) return
    this.isUnsupported = false
    this.isWatching = true
    this.listener.watching(true)
    this.listener.anythingChanged()
  }

  private lose(): void {
    this.attempt += 1
    if (!this.isWatching) return
    this.isWatching = false
    this.listener.watching(false)
  }

  private receive(keys: unknown): void {
    if (!Array.isArray(keys)) {
      // FLUSHALL, FLUSHDB
      this.listener.anythingChanged()
      return
    }
    const records = (keys as unknown[]).flatMap((key) =>
      Buffer.isBuffer(key) && key.length <= MAX_RECORD_KEY ? (parseKey(key.toString()) ?? []) : [],
    )
    if (records.length > 0) this.listener.changed(records)
  }

  /** A subscriber whose other end has vanished hears nothing: it must be asked to notice. */
  private async beat(subscriber: Redis): Promise<void> {
    if (this.subscriberId === undefined) return
    try {
      await within(HEARTBEAT_MS / 2, subscriber.ping())
    } catch {
      if (this.subscriberId === undefined) return
      this.subscriberId = undefined
      this.lose()
      subscriber.disconnect(true)
    }
  }
}

/** Answers of servers and proxies that do not know CLIENT TRACKING. */
function isUnknownCommand(reason: string): boolean {
  const text = reason.toLowerCase()
  return (
    text.includes('unknown') ||
    text.startsWith('redis: noperm') ||
    text.includes('syntax error') ||
    text.includes('wrong number of arguments')
  )
}

function within<T>(deadlineMs: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new Error('no answer'))), deadlineMs)
    answer.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error instanceof Error ? error : new Error('failed'))
      },
    )
  })
}
