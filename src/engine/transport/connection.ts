import type { Socket } from 'node:net'
import { verdicts } from '../message/fault.js'
import type { Fault } from '../message/fault.js'
import { StreamFramer } from '../message/framing.js'
import type { SipRequest } from '../message/message.js'
import type { Limits, Parsed } from '../message/parse.js'
import { describeAddress } from './binding.js'
import type { LocalBinding } from './binding.js'
import type { CertificateNames } from './certificate-names.js'
import type { Flow } from './flow.js'
import { Liveness } from './liveness.js'
import { namesOf, tlsErrorOf } from './tls.js'
import { isFinalResponse } from './traffic.js'
import type { Traffic } from './traffic.js'
import { TransportError } from './transport.js'
import type { Target } from './transport.js'

/** Times and bounds of one stream. */
export interface ConnectionSettings {
  readonly idleTimeoutMs: number
  /** Milliseconds without a word of the peer after which it is pinged, on streams of ours and those asked to be kept alive; 0: never. */
  readonly pingIntervalMs: number
  /** Milliseconds that a peer which answers pings has for each answer (RFC 5626 4.4.1). */
  readonly pongTimeoutMs: number
  /** Requests in a row without any answer after which the stream is given up; 0: never. */
  readonly maxConsecutiveTimeouts: number
  readonly readDeadlineMs: number
  readonly maxQueuedBytes: number
}

/** How long a peer that ended its side may wait for the answers it is owed: 64*T1, as long as any transaction would try. */
const owedMs = 32_000
/** How long a stream that we ended may linger for the peer to take the last bytes and end too. */
const lingerMs = 2_000

/** Who keeps the connections. */
export interface ConnectionKeeper {
  readonly traffic: Traffic
  readonly limits: Limits
  readonly settings: ConnectionSettings
  now(): number
  /** No new requests may be sent on it any more. */
  retired(connection: Connection): void
  /** The socket is gone. */
  gone(connection: Connection): void
}

interface Waiting {
  readonly text: string
  readonly failed: ((error: Error) => void) | undefined
}

/**
 * - `connecting`: ours, not up yet; what is sent waits
 * - `open`
 * - `owing`: the peer ended its side; only the answers to its requests are still sent
 * - `ending`: we ended our side; what still arrives is thrown away
 * - `closed`
 */
type State = 'connecting' | 'open' | 'owing' | 'ending' | 'closed'

/** One stream to one peer, accepted or made by us. */
export class Connection implements Flow {
  readonly reliable = true
  readonly remoteAddress: string
  readonly remotePort: number
  /** The name that was dialled; undefined: an address, or the peer came to us. */
  readonly serverName: string | undefined
  /** The name that its peer has to prove, when that is verified: it is found by it. */
  readonly provenName: string | undefined
  /** The TLS profile it was dialled under; of an accepted one: none. */
  readonly tlsProfile: string | undefined
  /** Accepted from the peer; else made by us. */
  readonly accepted: boolean
  /** Whom the peer's certificate speaks for; undefined: it proved to be nobody, or has not yet. */
  names: CertificateNames | undefined
  private state: State
  private up: boolean
  private readonly framer: StreamFramer
  private waiting: Waiting[] = []
  private waitingBytes = 0
  private failure: Error | undefined
  /** Requests of the peer without a final response. */
  private owed = 0
  private lastActiveMs: number
  private readonly liveness: Liveness
  /** Since when the peer has a message to finish (from the start: its first one); undefined: between messages. */
  private unfinishedSinceMs: number | undefined
  private endedAtMs = 0

  /** @param remote of a socket that is still connecting; an accepted one has its own. */
  constructor(
    private readonly socket: Socket,
    readonly binding: LocalBinding,
    private readonly keeper: ConnectionKeeper,
    remote?: Pick<Target, 'address' | 'port' | 'serverName' | 'tlsProfile'> & {
      readonly provenName?: string | undefined
    },
  ) {
    this.serverName = remote?.serverName
    this.provenName = remote?.provenName
    this.tlsProfile = remote?.tlsProfile
    this.accepted = this.up = remote === undefined
    this.state = this.accepted ? 'open' : 'connecting'
    this.remoteAddress = remote?.address ?? socket.remoteAddress ?? ''
    this.remotePort = remote?.port ?? socket.remotePort ?? 0
    if (this.accepted && binding.secure) this.names = namesOf(socket)
    this.lastActiveMs = keeper.now()
    this.liveness = new Liveness(keeper.settings, this.lastActiveMs)
    if (!this.accepted) this.liveness.keepAlive()
    this.unfinishedSinceMs = this.accepted ? this.lastActiveMs : undefined
    this.framer = new StreamFramer(keeper.limits, this)
    socket.on('data', this.onData)
    socket.on('end', this.onEnd)
    socket.on('error', this.onError)
    socket.on('close', this.onClose)
  }

  get protocol(): LocalBinding['protocol'] {
    return this.binding.protocol
  }

  get localAddress(): string {
    return this.socket.localAddress ?? this.binding.address
  }

  get localPort(): number {
    return this.socket.localPort ?? this.binding.port
  }

  /**
   * A request for that name may be sent on it (RFC 5923, RFC 5922 7.1): over TLS it was made under the same profile, and its
   * certificate speaks for the name. One that a peer opened is nobody's who has not proved it.
   *
   * @param name undefined: a request of a dialog, to an address that nobody named
   * @param verified whether servers are verified under that profile
   */
  serves(name: string | undefined, profile: string | undefined, verified: boolean): boolean {
    if (!this.binding.secure) return true
    if (profile !== this.tlsProfile) return false
    if (name === undefined) return true
    if (!verified) return profile === undefined || this.provenName === name
    return this.state === 'connecting' ? this.provenName === name : this.names?.covers(name) === true
  }

  get open(): boolean {
    return this.state === 'open' || this.state === 'connecting'
  }

  /** Responses to requests that came on it may be sent on it. */
  get answerable(): boolean {
    return this.open || this.state === 'owing'
  }

  send(text: string, failed?: (error: Error) => void): void {
    if (!this.answerable) {
      const why = this.failure?.message ?? 'the connection is closed'
      return this.refuse(new TransportError('CLOSED', `${this.describe()}: ${why}`), failed)
    }
    const queued = this.state === 'connecting' ? this.waitingBytes : this.socket.writableLength
    if (queued + text.length > this.keeper.settings.maxQueuedBytes) {
      const error = new TransportError('QUEUE_FULL', `${this.describe()}: the peer does not read; ${queued} bytes wait`)
      this.refuse(error, failed)
      if (this.state !== 'connecting') this.abort(error)
      return
    }
    this.keeper.traffic.leaving(text, this)
    if (this.state === 'connecting') {
      this.waiting.push({ text, failed })
      this.waitingBytes += text.length
    } else this.write(text, failed)
  }

  /** The connection is up: what waited goes out in order. */
  connected(): void {
    if (this.state !== 'connecting') return
    this.state = 'open'
    if (this.binding.secure) this.names = namesOf(this.socket)
    this.up = true
    this.lastActiveMs = this.keeper.now()
    const { waiting } = this
    this.waiting = []
    this.waitingBytes = 0
    for (const { text, failed } of waiting) this.write(text, failed)
  }

  /** Closes without waiting for the peer; what has not left fails with `error`. Idempotent. */
  abort(error: Error): void {
    this.failure ??= error
    if (this.state !== 'closed') this.retire('ending')
    this.socket.destroy()
  }

  /** Sends what waits, then closes. Idempotent. */
  end(): void {
    if (this.state === 'connecting')
      return this.abort(new TransportError('CLOSED', `${this.describe()}: closed before it was up`))
    if (this.state === 'ending' || this.state === 'closed') return
    this.retire('ending')
    this.socket.end()
  }

  /** Sends what waits and closes without waiting for the peer to end too: the engine stops. */
  endWithoutPeer(): void {
    if (this.state === 'connecting') return this.end()
    if (this.state !== 'closed') this.retire('ending')
    this.socket.destroySoon()
  }

  /** Pings the peer from now on, though it was the one to connect: it asked for it. */
  keepAlive(): void {
    this.liveness.keepAlive()
  }

  dismiss(): void {
    if (this.accepted) this.abort(new TransportError('CLOSED', `${this.describe()}: closed, its peer is not wanted`))
  }

  /** A request that was sent on it had no answer at all. */
  requestTimedOut(): void {
    const { maxConsecutiveTimeouts } = this.keeper.settings
    if (this.state !== 'open' || !this.liveness.timedOut()) return
    this.dead(`${maxConsecutiveTimeouts} requests in a row had no answer`)
  }

  private ask(nowMs: number): void {
    const verdict = this.liveness.check(nowMs)
    if (verdict === 'ping') this.socket.write('\r\n\r\n')
    else if (verdict === 'dead') this.dead('it answers pings no more')
  }

  private dead(why: string): void {
    this.keeper.traffic.counters.deadPeers++
    this.abort(new TransportError('PEER_SILENT', `${this.describe()}: ${why}`))
  }

  /** Closes the connection when one of its times has run out; asks the peer whether it is there. */
  sweep(nowMs: number): void {
    const { idleTimeoutMs, readDeadlineMs } = this.keeper.settings
    const { counters } = this.keeper.traffic
    if (this.state === 'open') {
      if (this.unfinishedSinceMs !== undefined && nowMs - this.unfinishedSinceMs >= readDeadlineMs) {
        counters.readDeadlines++
        this.framer.timeOut()
        this.end()
      } else if (nowMs - this.lastActiveMs >= idleTimeoutMs) {
        counters.idleCloses++
        this.end()
      } else this.ask(nowMs)
    } else if (this.state === 'owing' && nowMs - this.endedAtMs >= owedMs) this.end()
    else if (this.state === 'ending' && nowMs - this.endedAtMs >= lingerMs) {
      this.abort(new TransportError('CLOSED', `${this.describe()}: the peer did not take the last bytes`))
    }
  }

  // What the framer finds:

  message(parsed: Parsed, bytes: number): void {
    if (this.state !== 'open') return
    this.unfinishedSinceMs = undefined
    this.lastActiveMs = this.liveness.heardAtMs
    this.liveness.answered()
    const request = parsed.ok ? parsed.message : parsed.request
    if (request?.kind === 'request' && request.method !== 'ACK') this.owed++
    this.keeper.traffic.arrived(parsed, this, bytes)
  }

  ping(): void {
    if (this.state !== 'open') return
    this.unfinishedSinceMs = undefined
    this.lastActiveMs = this.liveness.heardAtMs
    // A peer that pings and does not read its pongs gets no more of them.
    if (this.socket.writableLength === 0) this.socket.write('\r\n')
  }

  pong(): boolean {
    return this.liveness.pong()
  }

  broken(reason: string, request?: SipRequest, status = 400): void {
    if (this.state !== 'open') return
    if (request !== undefined) {
      this.owed++
      this.keeper.traffic.arrived({ ok: false, status, reason, fault: faultOf(reason), request }, this, 0)
    }
    // Nothing more is read; what came before it is still answered.
    if (this.owed === 0) this.end()
    else this.retire('owing')
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.state !== 'open') return
    const now = this.keeper.now()
    this.liveness.heardAtMs = now
    try {
      this.framer.push(chunk)
    } catch (error) {
      // Where the next message begins is not known any more.
      this.keeper.traffic.report(error)
      return this.end()
    }
    if (this.framer.partial) {
      this.lastActiveMs = now
      this.unfinishedSinceMs ??= now
    }
  }

  private readonly onEnd = (): void => {
    if (this.state !== 'open') return
    if (this.owed === 0) return this.end()
    this.retire('owing')
  }

  private readonly onError = (error: Error): void => {
    this.failure ??= this.binding.secure ? tlsErrorOf(error) : error
  }

  private readonly onClose = (): void => {
    if (this.state === 'closed') return
    this.retire('closed')
    const { waiting } = this
    this.waiting = []
    for (const { failed } of waiting) {
      const cause = this.failure
      const why = cause?.message ?? 'the connection was closed'
      const code = cause instanceof TransportError ? cause.code : 'CONNECT_FAILED'
      this.refuse(new TransportError(code, `${this.describe()}: ${why}`, { cause }), failed)
    }
    this.keeper.gone(this)
  }

  private retire(state: 'owing' | 'ending' | 'closed'): void {
    const wasOpen = this.open
    this.state = state
    this.framer.stop()
    this.endedAtMs = this.keeper.now()
    if (!wasOpen) return
    this.keeper.retired(this)
    if (this.up) this.keeper.traffic.closed(this)
  }

  private write(text: string, failed: ((error: Error) => void) | undefined): void {
    this.lastActiveMs = this.keeper.now()
    this.socket.write(text, 'latin1', failed === undefined ? this.written : (error) => this.written(error, failed))
    if (this.owed > 0 && isFinalResponse(text)) {
      this.owed--
      if (this.owed === 0 && this.state === 'owing') this.end()
    }
  }

  private readonly written = (error: Error | null | undefined, failed?: (error: Error) => void): void => {
    if (!error) return
    this.keeper.traffic.counters.sendFailures++
    const cause = this.failure ?? error
    failed?.(new TransportError('SEND_FAILED', `${this.describe()}: ${cause.message}`, { cause }))
  }

  private refuse(error: TransportError, failed: ((error: Error) => void) | undefined): void {
    this.keeper.traffic.failLater(error, failed)
  }

  private describe(): string {
    return describeAddress(this.protocol, this.remoteAddress, this.remotePort)
  }
}

/** The fault behind a reason phrase of the framer's; each has its own phrase. */
function faultOf(reason: string): Fault {
  for (const [fault, verdict] of Object.entries(verdicts)) if (verdict.reason === reason) return fault as Fault
  return 'incomplete'
}
