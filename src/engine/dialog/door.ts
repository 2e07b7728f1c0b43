import { createHmac, randomBytes } from 'node:crypto'
import { canonicalName } from '../message/headers.js'
import { createResponse, type SipRequest } from '../message/message.js'
import { joined } from '../message/own-strings.js'
import { serialise } from '../message/serialise.js'
import type { Flow, Protocol } from '../transport/transport.js'
import type { Transports } from '../transport/transports.js'
import type { Transactions } from '../transaction/transactions.js'
import type { Dialogs } from './dialogs.js'

/** An answer that is given without keeping anything of the request. An ACK never gets one. */
export interface DoorAnswer {
  /** 300 to 699. */
  readonly status: number
  readonly reason: string
  /** Header names and values, besides those that every answer has. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
}

/** What becomes of a request: it comes in, gets nothing at all, or an answer. */
export type DoorVerdict = 'admit' | 'drop' | DoorAnswer

/** A request that stands at the door, as far as a decision needs it. Texts are byte strings. */
export interface DoorRequest {
  readonly method: string
  readonly requestUri: string
  readonly callId: string
  /** IP literal without brackets. */
  readonly sourceAddress: string
  readonly protocol: Protocol
  /** It cannot be used, and would be answered with an error of its own if it were admitted. */
  readonly malformed: boolean
  readonly body: string
  /** The value of the header by any spelling of its name; several lines are joined by `, `. */
  header(name: string): string | undefined
}

/**
 * Decides, by the source of what arrives, whether it comes in. Asked before anything is kept of a message, and must be quick: it is
 * asked for every one. It may throw; the message then comes in.
 */
export interface Door {
  /**
   * Whether nothing of this source is read: its datagrams are dropped unread, and its connections closed. Peers with whom a call or a
   * request of ours goes on are let through all the same: a source can be forged, and must not take their answers from us.
   * @param address IP literal without brackets
   */
  bars(address: string): boolean
  /** Whether this source is known. Of one that is, only new calls are asked about (`busy`). */
  knows(address: string): boolean
  /** What new calls get instead of being taken on; undefined: they are taken on. Not asked for requests in dialogs. */
  busy(): Exclude<DoorVerdict, 'admit'> | undefined
  /**
   * What becomes of a request of an unknown source that belongs to no transaction and no dialog, ACK, CANCEL and unknown methods among
   * them. A promise holds the request, without state of its own, until it settles; whoever promises bounds how many there are.
   */
  judge(request: DoorRequest): DoorVerdict | Promise<DoorVerdict>
  /** Bytes that are no SIP came from this source. */
  noise(address: string): void
}

interface DoorwayParts {
  readonly door: Door
  readonly transactions: Transactions
  readonly dialogs: Dialogs
  readonly transports: Pick<Transports, 'flowForResponse'>
  /** Hears of errors that the door throws. */
  readonly report: (error: unknown) => void
  readonly now: () => number
}

/** How long it is believed which peers something goes on with, in milliseconds. */
const PEERS_FRESH_MS = 250

/** Where requests are held up that belong to nothing that is going on, and what the door says of them is done. */
export class Doorway {
  /** Of answers that are kept nowhere: a repeat of the request gets the same tag. */
  private readonly tagKey = randomBytes(16)
  /** The request that has just been admitted after a wait. */
  private admitted: SipRequest | undefined
  private peers: ReadonlySet<string> = new Set()
  private peersReadMs = -Infinity

  constructor(private readonly parts: DoorwayParts) {}

  /** Whether nothing of this source is read. */
  bars(address: string): boolean {
    try {
      return this.parts.door.bars(address) && !this.isPeer(address)
    } catch (error) {
      this.parts.report(error)
      return false
    }
  }

  noise(address: string): void {
    try {
      this.parts.door.noise(address)
    } catch (error) {
      this.parts.report(error)
    }
  }

  /** Whether a request that belongs to no transaction goes no further. */
  holdsUp(request: SipRequest, flow: Flow): boolean {
    if (request === this.admitted) return false
    const stranger = this.isStranger(request, flow)
    const verdict = stranger ? this.judge(request, flow, false) : 'admit'
    if (verdict instanceof Promise) {
      verdict.then(
        (settled) => this.settle(settled, request, flow),
        (error: unknown) => {
          this.parts.report(error)
          this.settle('drop', request, flow)
        },
      )
      return true
    }
    return this.carryOut(this.unlessBusy(verdict, request), request, flow, stranger)
  }

  /** Whether an answer may be given to a request that cannot be used. */
  mayAnswer(request: SipRequest, flow: Flow): boolean {
    if (this.knows(flow.remoteAddress)) return true
    const verdict = this.judge(request, flow, true)
    if (verdict === 'drop') this.carryOut('drop', request, flow, true)
    return verdict !== 'drop'
  }

  private knows(address: string): boolean {
    try {
      return this.parts.door.knows(address)
    } catch (error) {
      this.parts.report(error)
      return true
    }
  }

  private judge(request: SipRequest, flow: Flow, malformed: boolean): DoorVerdict | Promise<DoorVerdict> {
    try {
      return this.parts.door.judge(new Arrival(request, flow, malformed))
    } catch (error) {
      this.parts.report(error)
      return 'admit'
    }
  }

  private settle(verdict: DoorVerdict, request: SipRequest, flow: Flow): void {
    if (this.carryOut(this.unlessBusy(verdict, request), request, flow, true)) return
    // Whoever has gone meanwhile cannot be answered.
    if (flow.reliable && !flow.open) return
    this.admitted = request
    try {
      this.parts.transactions.receive(request, flow)
    } finally {
      this.admitted = undefined
    }
  }

  private unlessBusy(verdict: DoorVerdict, request: SipRequest): DoorVerdict {
    if (verdict !== 'admit' || request.method !== 'INVITE' || request.toTag !== '') return verdict
    try {
      return this.parts.door.busy() ?? 'admit'
    } catch (error) {
      this.parts.report(error)
      return 'admit'
    }
  }

  /** @returns whether the request goes no further */
  private carryOut(verdict: DoorVerdict, request: SipRequest, flow: Flow, stranger: boolean): boolean {
    if (verdict === 'admit') return false
    if (verdict === 'drop') {
      // A stranger's connection serves nobody. Others' calls may depend on it where something goes on with its peer.
      if (stranger && flow.dismiss !== undefined && !this.isPeer(flow.remoteAddress)) flow.dismiss()
      return true
    }
    if (request.method === 'ACK') return true
    const response = createResponse(request, verdict.status, verdict.reason, this.tagFor(request))
    for (const [name, value] of verdict.headers) response.headers.append(name, value)
    this.parts.transports.flowForResponse(request.topVia, flow)?.send(serialise(response))
    return true
  }

  /** It comes from an unknown source and belongs to nothing that is going on. */
  private isStranger(request: SipRequest, flow: Flow): boolean {
    if (this.knows(flow.remoteAddress)) return false
    const { transactions, dialogs } = this.parts
    if (request.method === 'CANCEL') return !transactions.knows(request, flow)
    if (request.toTag === '') return true
    if (dialogs.ofRequest(request) !== undefined) return false
    return request.method !== 'NOTIFY' || dialogs.claimOf(request) === undefined
  }

  /** Something goes on with a peer at this address. Looked at in bulk, and only when a source is barred: it costs the others nothing. */
  private isPeer(address: string): boolean {
    const { now, transactions, dialogs } = this.parts
    const at = now()
    if (at - this.peersReadMs > PEERS_FRESH_MS) {
      const peers = transactions.peers()
      for (const { source } of dialogs.all()) if (source !== undefined) peers.add(source.address)
      this.peers = peers
      this.peersReadMs = at
    }
    return this.peers.has(address)
  }

  private tagFor(request: SipRequest): string {
    const { callId, fromTag, cseq, topVia } = request
    const text = joined('\n', callId, fromTag, String(cseq.number), topVia.params.get('branch') ?? '')
    return createHmac('sha256', this.tagKey).update(text, 'latin1').digest('hex').slice(0, 16)
  }
}

class Arrival implements DoorRequest {
  constructor(
    private readonly request: SipRequest,
    private readonly flow: Flow,
    readonly malformed: boolean,
  ) {}

  get method(): string {
    return this.request.method
  }

  get requestUri(): string {
    return this.request.uri
  }

  get callId(): string {
    return this.request.callId
  }

  get sourceAddress(): string {
    return this.flow.remoteAddress
  }

  get protocol(): Protocol {
    return this.flow.protocol
  }

  get body(): string {
    return this.request.body
  }

  header(name: string): string | undefined {
    const lines = this.request.headers.getAll(canonicalName(name))
    return lines.length === 0 ? undefined : lines.join(', ')
  }
}
