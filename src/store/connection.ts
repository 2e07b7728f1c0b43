import { Redis, type RedisOptions } from 'ioredis'
import { StoreError } from './errors.js'
import type { ConnectionMetrics, Log } from './observe.js'

export interface ConnectionOptions {
  /** `redis://[user:password@]host:port[/db]`, `rediss://...` or `unix:///path`. */
  readonly url: string
  /** A command that takes longer fails with UNAVAILABLE. */
  readonly commandTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly metrics: ConnectionMetrics
  readonly logger: Log
}

/** How often Redis is asked for a sign of life. */
const HEARTBEAT_MS = 1_000
/** A connection that says nothing for this long is given up for a new one: the other end may be gone without a word. */
const SILENCE_MS = 5_000
/** A connection is given up at most this often because its server turned into a replica. */
const DEMOTED_PAUSE_MS = 1_000
/** How long `stop` waits for a socket to close. */
const MAX_CLOSING_MS = 1_000
/** Work that no call waits for may take this many times the command deadline, and a second at least. */
const PATIENCE = 10

/**
 * One connection to Redis that reconnects for ever and never makes a caller wait longer than the command deadline.
 * While Redis is away, or hangs, questions fail at once: nothing is queued for its return.
 */
export class Connection {
  private readonly client: Redis
  private readonly listeners = new Set<(up: boolean) => void>()
  private readonly subscribers = new Set<Redis>()
  private readonly heartbeat: NodeJS.Timeout
  private isUp = false
  private stopped = false
  /** Since when a command has been overdue with no sign of life after it; undefined when none is. */
  private hungSinceMs: number | undefined
  private heardMs = 0
  private handshakeSinceMs: number | undefined
  private demotedMs = -DEMOTED_PAUSE_MS
  private lastError = 'not connected yet'

  constructor(private readonly options: ConnectionOptions) {
    this.client = this.createClient()
    this.client.on('ready', this.update)
    this.client.on('close', () => {
      this.hungSinceMs = undefined
      this.update()
    })
    this.client.on('connect', () => {
      this.handshakeSinceMs = performance.now()
    })
    this.client.on('error', (error: Error) => {
      this.lastError = describe(error)
    })
    options.metrics.redisUp.set(0)
    this.heartbeat = setInterval(this.beat, HEARTBEAT_MS)
    this.heartbeat.unref()
    this.client.connect().catch(() => undefined)
  }

  /** Whether Redis answers now. */
  get up(): boolean {
    return this.isUp
  }

  /** Why it is not up, in words; undefined while it is. */
  get problem(): string | undefined {
    if (this.isUp) return undefined
    return this.hungSinceMs === undefined ? this.lastError : 'does not answer'
  }

  /** Resolves when Redis answers, at the latest after `withinMs`; true when it does. */
  ready(withinMs: number): Promise<boolean> {
    if (this.isUp) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (up: boolean): void => {
        clearTimeout(timer)
        stopListening()
        resolve(up)
      }
      const timer = setTimeout(() => end(false), withinMs)
      const stopListening = this.onChange((up) => {
        if (up) end(true)
      })
    })
  }

  /** Calls `listener` at each change of `up`; the returned function ends that. */
  onChange(listener: (up: boolean) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /**
   * Asks Redis, measured as `operation`. Commands that `question` issues without waiting between them are one round trip.
   * @param patient for work that no call waits for: ten times the command deadline
   * @throws {StoreError} UNAVAILABLE at once while Redis is away, else after the deadline; then the command may still take effect.
   */
  ask<T>(operation: string, question: (client: Redis) => Promise<T>, { patient = false } = {}): Promise<T> {
    const { metrics, commandTimeoutMs } = this.options
    if (!this.isUp) {
      metrics.redisErrors.inc({ operation })
      return Promise.reject(new StoreError('UNAVAILABLE', `Redis is away: ${this.problem ?? 'not connected'}`))
    }
    const deadlineMs = patient ? Math.max(1_000, commandTimeoutMs * PATIENCE) : commandTimeoutMs
    const askedMs = performance.now()
    return new Promise<T>((resolve, reject) => {
      let waiting = true
      const settle = (): boolean => {
        clearTimeout(timer)
        metrics.redisSeconds.observe({ operation }, (performance.now() - askedMs) / 1_000)
        const first = waiting
        waiting = false
        return first
      }
      const expire = (): void => {
        if (!waiting) return
        waiting = false
        metrics.redisErrors.inc({ operation })
        if (this.heardMs < askedMs) this.hang()
        reject(new StoreError('UNAVAILABLE', `Redis did not answer within ${deadlineMs} ms`))
      }
      // The answer may lie in the socket while our own event loop was held up: it gets one turn to be read.
      const timer = setTimeout(() => setImmediate(expire), deadlineMs)
      attempt(() => question(this.client)).then(
        (answer) => {
          this.hear()
          if (settle()) resolve(answer)
        },
        (error: unknown) => {
          if (isReply(error)) this.hear()
          if (!settle()) return
          if (error instanceof StoreError) return reject(error)
          metrics.redisErrors.inc({ operation })
          reject(asStoreError(error))
        },
      )
    })
  }

  /**
   * Another connection with the same address, for a subscription or reads that block; `stop` closes it too. It is not connected yet.
   * One that has been disconnected for good is forgotten.
   */
  createSubscriber(): Redis {
    const subscriber = this.createClient()
    this.subscribers.add(subscriber)
    subscriber.on('error', () => undefined)
    subscriber.on('end', () => this.subscribers.delete(subscriber))
    return subscriber
  }

  /** Closes every connection; commands under way fail. */
  async stop(): Promise<void> {
    this.stopped = true
    clearInterval(this.heartbeat)
    this.listeners.clear()
    await Promise.all([this.client, ...this.subscribers].map(closeClient))
    this.isUp = false
    this.options.metrics.redisUp.set(0)
  }

  private createClient(): Redis {
    const options = {
      lazyConnect: true,
      // A call must never wait for Redis to come back.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      connectTimeout: this.options.connectTimeoutMs,
      disconnectTimeout: 200,
      keepAlive: 5_000,
      // Invalidation messages come as pub/sub messages to a RESP2 subscriber (CLIENT TRACKING ... REDIRECT).
      protocol: 2,
      connectionName: 'signalbox',
      retryStrategy: (attempt: number) =>
        Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1_000) * (0.75 + Math.random() / 2),
      reconnectOnError: (error: Error) => this.leavesDemoted(error),
    } satisfies RedisOptions
    const { url } = this.options
    return url.startsWith('unix://')
      ? new Redis({ ...options, path: url.slice('unix://'.length) })
      : new Redis(url, options)
  }

  /** After a fail-over the name in the URL leads to another server: a fresh connection finds it. */
  private leavesDemoted(error: Error): boolean {
    // A script says it inside of an error of its own, before Redis 7.
    if (!error.message.startsWith('READONLY') && !error.message.includes('-READONLY ')) return false
    const now = performance.now()
    if (now - this.demotedMs < DEMOTED_PAUSE_MS) return false
    this.demotedMs = now
    this.lastError = 'the server has become a replica'
    return true
  }

  private hang(): void {
    this.hungSinceMs ??= performance.now()
    this.update()
  }

  private hear(): void {
    this.heardMs = performance.now()
    if (this.hungSinceMs === undefined) return
    this.hungSinceMs = undefined
    this.update()
  }

  private readonly update = (): void => {
    const up = this.client.status === 'ready' && this.hungSinceMs === undefined
    if (up === this.isUp || this.stopped) return
    this.isUp = up
    this.options.metrics.redisUp.set(up ? 1 : 0)
    if (up) this.options.logger.info({}, 'Redis answers')
    else this.options.logger.warn({ problem: this.problem }, 'Redis is away')
    for (const listener of [...this.listeners]) listener(up)
  }

  private readonly beat = (): void => {
    const now = performance.now()
    if (this.isUp) this.ask('ping', (client) => client.ping()).catch(() => undefined)
    else if (this.hungSinceMs !== undefined && now - this.hungSinceMs > SILENCE_MS) {
      this.hungSinceMs = now
      this.client.disconnect(true)
    } else if (this.client.status === 'connect' && now - (this.handshakeSinceMs ?? now) > SILENCE_MS) {
      // The kernel accepts connections for a server that hangs; nobody answers on them.
      this.lastError = 'does not answer'
      this.client.disconnect(true)
    }
  }
}

/** Opens a connection to Redis; it is up a moment later, or whenever Redis is there. */
export function connect(options: ConnectionOptions): Connection {
  return new Connection(options)
}

function attempt<T>(question: () => Promise<T>): Promise<T> {
  try {
    return question()
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)))
  }
}

/** Whether Redis itself said so: then it is alive. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

function asStoreError(error: unknown): StoreError {
  const message = error instanceof Error ? describe(error) : 'unknown error'
  return new StoreError(
    message.startsWith('WRONGTYPE') ? 'INVALID' : 'UNAVAILABLE',
    `Redis: ${message}`,
    {},
    { cause: error },
  )
}

/** An error's message, one line of at most 200 characters; connection errors of several addresses carry theirs inside. */
function describe(error: Error): string {
  const inner = error instanceof AggregateError ? (error.errors as unknown[])[0] : undefined
  const text = error.message || (inner instanceof Error ? inner.message : '') || error.name
  return text.slice(0, 200)
}

async function closeClient(client: Redis): Promise<void> {
  const hasSocket = client.status === 'connecting' || client.status === 'connect' || client.status === 'ready'
  if (client.status === 'end') return
  // Between two attempts there is no socket whose end could be awaited.
  if (!hasSocket) return client.disconnect()
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, MAX_CLOSING_MS)
    client.once('end', () => {
      clearTimeout(timer)
      resolve()
    })
    client.disconnect()
  })
}
