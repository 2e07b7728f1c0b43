import { randomInt } from 'node:crypto'
import type { Clock, Timer } from '../clock.js'
import { DnsError, type DnsErrorCode } from './dns-error.js'
import { type Close, overTcp, overUdp } from './dns-exchange.js'
import { encodeQuestion, type Question, replyHead, type ReplyRecords, replyRecords } from './dns-message.js'
import type { RecordType } from './dns-message.js'
import { nameOfServer, type ServerAddress } from './server-address.js'

/** Tries of each server. */
const tries = 2

const FORMAT_ERROR = 1
const NO_SUCH_NAME = 3
const NOT_IMPLEMENTED = 4
const codeNames = new Map<number, DnsErrorCode>([
  [2, 'ESERVFAIL'],
  [5, 'EREFUSED'],
])

/** What an asking needs of who starts it. */
export interface AskingHost<Type extends RecordType> {
  readonly clock: Clock
  /** How long one try may take; over TCP twice as long. */
  readonly tryMs: number
  answered(reply: ReplyRecords<Type>): void
  failed(error: DnsError): void
  /** The server said nothing within the time of a try. */
  silent(server: ServerAddress): void
}

/**
 * One question on its way round the name servers, two tries each: over UDP, and over TCP when an answer was cut short. A server
 * that has failed for good is not asked again. Exactly one of `answered` and `failed` is called, once.
 */
export class Asking<Type extends RecordType> {
  private readonly left: ServerAddress[]
  private readonly givenUp = new Set<ServerAddress>()
  private close: Close | undefined
  private timer: Timer | undefined
  private over = false
  private failure: DnsError | undefined

  constructor(
    private readonly host: AskingHost<Type>,
    servers: readonly ServerAddress[],
    private readonly name: string,
    private readonly type: Type,
  ) {
    this.left = Array.from({ length: tries }, () => servers).flat()
  }

  /** Asks the next server; fails when all have been. */
  next(): void {
    this.leave()
    const server = this.left.shift()
    if (server === undefined)
      this.fail(this.failure ?? new DnsError('ENOSERVER', `${this.type} ${this.name}: there is no name server to ask`))
    else if (this.givenUp.has(server)) this.next()
    else this.ask(server, true, false)
  }

  /** Ends it without an answer. Idempotent. */
  fail(error: DnsError): void {
    if (this.over) return
    this.over = true
    this.leave()
    this.host.failed(error)
  }

  /** @param extended with EDNS */
  private ask(server: ServerAddress, extended: boolean, byTcp: boolean): void {
    const { name, type } = this
    const question: Question = { id: randomInt(0x10000), name, type }
    this.leave()
    this.timer = this.host.clock.after(this.host.tryMs * (byTcp ? 2 : 1), () => {
      this.host.silent(server)
      this.failed(server, 'ETIMEOUT', 'no answer')
    })
    try {
      this.close = (byTcp ? overTcp : overUdp)(server, encodeQuestion(question, extended), {
        message: (bytes) => this.heard(server, question, bytes, extended, byTcp),
        failed: (error) => this.failed(server, 'ECONNREFUSED', error.message),
      })
    } catch (error) {
      // No socket to be had; but not before this call has returned.
      this.timer.cancel()
      this.timer = this.host.clock.after(0, () => this.failed(server, 'ECONNREFUSED', (error as Error).message))
    }
  }

  private heard(server: ServerAddress, question: Question, bytes: Buffer, extended: boolean, byTcp: boolean): void {
    const head = replyHead(bytes, question)
    // Over UDP anybody may have sent it: the answer may still come.
    if (head === undefined)
      return byTcp ? this.failedForGood(server, 'EBADRESP', 'no answer to the question') : undefined
    if (head.truncated && !byTcp) return this.ask(server, extended, true)
    const { code } = head
    if ((code === FORMAT_ERROR || code === NOT_IMPLEMENTED) && extended) return this.ask(server, false, byTcp)
    if (code !== 0 && code !== NO_SUCH_NAME)
      return this.failedForGood(server, codeNames.get(code) ?? 'ENOTIMP', `error ${code}`)
    let reply: ReplyRecords<Type>
    try {
      reply = replyRecords(bytes, this.name, this.type)
    } catch (error) {
      return this.failedForGood(server, 'EBADRESP', (error as Error).message)
    }
    if (this.over) return
    this.over = true
    this.leave()
    this.host.answered(reply)
  }

  private failedForGood(server: ServerAddress, code: DnsErrorCode, why: string): void {
    this.givenUp.add(server)
    this.failed(server, code, why)
  }

  private failed(server: ServerAddress, code: DnsErrorCode, why: string): void {
    if (this.over) return
    // What a server said tells more than the silence of another.
    if (this.failure === undefined || code !== 'ETIMEOUT')
      this.failure = new DnsError(code, `${this.type} ${this.name}: ${nameOfServer(server)}: ${why}`)
    this.next()
  }

  private leave(): void {
    this.timer?.cancel()
    this.close?.()
    this.timer = this.close = undefined
  }
}
