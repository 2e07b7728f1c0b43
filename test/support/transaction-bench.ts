import { Headers } from '../../src/engine/message/headers.js'
import { createResponse, SipRequest, type SipResponse } from '../../src/engine/message/message.js'
import {
  defaultTimers,
  Transactions,
  type ClientTransaction,
  type ClientUser,
  type ServerTransaction,
  type ServerUser,
  type TimerSettings,
} from '../../src/engine/transaction/transactions.js'
import type { Via } from '../../src/engine/message/via.js'
import type { Flow, Protocol } from '../../src/engine/transport/transport.js'
import { ManualClock } from './manual-clock.js'
import { RecordingFlow } from './recording-flow.js'

/** What of a request a test wants to be other than usual. */
export interface RequestParts {
  uri?: string
  via?: string
  from?: string
  to?: string
  callId?: string
  cseq?: number
  routes?: string[]
  body?: string
}

/** A request as a peer or our core would make it, with a Via unless `via` is ''. */
export function makeRequest(method: string, parts: RequestParts = {}): SipRequest {
  const headers = new Headers()
  const via = parts.via ?? 'SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKpeer1'
  if (via !== '') headers.append('via', via)
  for (const route of parts.routes ?? []) headers.append('route', route)
  headers.append('max-forwards', '70')
  headers.append('from', parts.from ?? '"Alice" <sip:alice@example.com>;tag=from1')
  headers.append('to', parts.to ?? '<sip:bob@example.net>')
  headers.append('call-id', parts.callId ?? 'call-1@example.com')
  headers.append('cseq', `${parts.cseq ?? 7} ${method}`)
  return new SipRequest(method, parts.uri ?? 'sip:bob@example.net', headers, parts.body ?? '')
}

/** Writes down what a client transaction tells its user. */
export class RecordingClient implements ClientUser {
  /** A status, 'timedOut', 'transportFailed' or 'ended', in the order they came. */
  readonly heard: (number | string)[] = []
  readonly responses: SipResponse[] = []
  /** Called after each of them was written down. */
  then: ((what: number | string, tx: ClientTransaction) => void) | undefined

  response(response: SipResponse, _flow: Flow, tx: ClientTransaction): void {
    this.responses.push(response)
    this.note(response.status, tx)
  }

  timedOut(tx: ClientTransaction): void {
    this.note('timedOut', tx)
  }

  transportFailed(_error: Error, tx: ClientTransaction): void {
    this.note('transportFailed', tx)
  }

  ended(tx: ClientTransaction): void {
    this.note('ended', tx)
  }

  private note(what: number | string, tx: ClientTransaction): void {
    this.heard.push(what)
    this.then?.(what, tx)
  }
}

/** Writes down what a server transaction tells its user. */
export class RecordingServer implements ServerUser {
  readonly heard: string[] = []

  timedOut(): void {
    this.heard.push('timedOut')
  }

  transportFailed(): void {
    this.heard.push('transportFailed')
  }

  retransmission(): void {
    this.heard.push('retransmission')
  }

  ended(): void {
    this.heard.push('ended')
  }
}

/** Whether a transaction keeps the bytes of a message, to send them again. */
export function keepsBytes(tx: ClientTransaction | ServerTransaction): boolean {
  return Object.values(tx).some((value) => typeof value === 'string' && value.includes('\r\n'))
}

/** A transaction layer between one flow and a core that only writes down. */
export class TransactionBench {
  readonly clock = new ManualClock()
  readonly flow: RecordingFlow
  readonly transactions: Transactions
  readonly requests: ServerTransaction[] = []
  readonly cancels: { cancel: ServerTransaction; invite: ServerTransaction | undefined }[] = []
  readonly acks: SipRequest[] = []
  readonly strays: SipResponse[] = []
  readonly errors: unknown[] = []
  /** Where responses go; undefined: there is no way back. */
  way: RecordingFlow | undefined
  /** Called with each new request, after it was written down. */
  onRequest: ((tx: ServerTransaction) => void) | undefined

  /** Called when the way back is asked for. */
  onWay: ((topVia: Via, flow: Flow) => void) | undefined
  /** Called with each ACK and response that is nobody's, after it was written down. */
  onStray: (() => void) | undefined

  constructor(protocol: Protocol = 'udp', timers: Partial<TimerSettings> = {}, reports = true) {
    this.flow = new RecordingFlow(protocol)
    this.way = this.flow
    this.transactions = new Transactions({
      clock: this.clock,
      timers: { ...defaultTimers, ...timers },
      responseFlow: (topVia, flow) => {
        this.onWay?.(topVia, flow)
        return this.way
      },
      sink: {
        request: (tx) => {
          this.requests.push(tx)
          this.onRequest?.(tx)
        },
        cancel: (cancel, invite) => void this.cancels.push({ cancel, invite }),
        ack: (ack) => {
          this.acks.push(ack)
          this.onStray?.()
        },
        response: (response) => {
          this.strays.push(response)
          this.onStray?.()
        },
      },
      ...(reports ? { onError: (error: unknown) => void this.errors.push(error) } : {}),
    })
  }

  /** Sends a request of ours. */
  open(method: string, parts: RequestParts = {}): { tx: ClientTransaction; user: RecordingClient } {
    const user = new RecordingClient()
    const tx = this.transactions.open(makeRequest(method, { via: '', ...parts }), this.flow, user)
    return { tx, user }
  }

  /** The peer answers a request of ours. */
  answer(tx: ClientTransaction, status: number, toTag = 'to1'): void {
    this.transactions.receive(createResponse(tx.request, status, undefined, toTag), this.flow)
  }

  /** The peer answers the CANCEL of an INVITE of ours. */
  answerCancel(invite: ClientTransaction, status: number): void {
    const cancel = makeRequest('CANCEL', {
      via: invite.request.headers.get('via') ?? '',
      cseq: invite.request.cseq.number,
    })
    this.transactions.receive(createResponse(cancel, status, undefined, 'to1'), this.flow)
  }

  /** The peer sends a request. */
  receive(method: string, parts: RequestParts = {}): void {
    this.transactions.receive(makeRequest(method, parts), this.flow)
  }

  /** The peer sends a request that is new; what the core was given for it, with a user set. */
  accept(method: string, parts: RequestParts = {}): { tx: ServerTransaction; user: RecordingServer } {
    const before = this.requests.length
    this.receive(method, parts)
    const tx = this.requests[before]
    if (tx === undefined) throw new Error(`the core was given no ${method}`)
    const user = new RecordingServer()
    tx.user = user
    return { tx, user }
  }

  /** The core answers a request of the peer. */
  respond(tx: ServerTransaction, status: number, toTag = 'to1'): boolean {
    return tx.respond(createResponse(tx.request, status, undefined, toTag))
  }

  /** Times, in ms from now on, at which something is sent while `ms` pass. */
  sendTimes(ms: number, stepMs = 100): number[] {
    const times: number[] = []
    for (let passed = stepMs; passed <= ms; passed += stepMs) {
      const before = this.flow.sent.length
      this.clock.advance(stepMs)
      for (let i = before; i < this.flow.sent.length; i++) times.push(passed)
    }
    return times
  }

  /** Nothing is left: no transaction, no timer. */
  get idle(): boolean {
    return this.transactions.count === 0 && this.clock.pending === 0
  }
}
