import type { Clock } from '../clock.js'
import { isContact } from '../dialog/addresses.js'
import type { Inquiry, RequestRouter, Verdict } from '../dialog/app.js'
import { serialise, type SipRequest } from '../message/message.js'
import type { Flow } from '../transport/transport.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import { HttpQuestions } from './http-question.js'
import { type Instruction, readInstruction } from './instruction.js'
import { type Adopt, OutboundCall } from './outbound.js'
import type { DialTarget, Handler } from './request-handlers.js'
import { routingUrl } from './routing-query.js'

/** Questions and calls to applications that may be under way at the same time; requests beyond them get 503. */
const MAX_UNDER_WAY = 1_000
/** Connections to applications that were dialled. */
const MAX_OUTBOUND = 10_000
/** As much of a request is shown to an HTTP server. */
const MAX_SHOWN_BYTES = 16_384

/** A request handler that could not be asked, answered nonsense, or named an application that does not answer. */
export interface RoutingFailure {
  /** Of the SIP request. */
  readonly method: string
  /** What was asked or dialled, without credentials. */
  readonly peer: string
  /** What went wrong, as text for people. */
  readonly reason: string
  /** Status the request was answered with. */
  readonly status: number
}

/** What the router is made of. */
export interface RouterParts {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly clock: Clock
  readonly apps: Connections
  /** Makes the control connection of an application that was dialled. */
  readonly adopt: Adopt
  readonly failed: (failure: RoutingFailure) => void
}

/** Asks the request handlers which application a new request goes to, and dials it. */
export class HandlerRouter implements RequestRouter {
  private readonly questions: HttpQuestions
  private underWay = 0
  private outbound = 0

  constructor(private readonly parts: RouterParts) {
    this.questions = new HttpQuestions(parts.clock)
  }

  takes(method: string): boolean {
    return this.handlerOf(method) !== undefined
  }

  ask(request: SipRequest, flow: Flow, decided: (verdict: Verdict) => void): Inquiry {
    const handler = this.handlerOf(request.method)
    if (handler === undefined || this.underWay >= MAX_UNDER_WAY) {
      decided({ kind: 'answer', status: 503 })
      return { abort() {} }
    }
    this.underWay += 1
    return new Asking(this, request, flow, handler, (verdict) => {
      this.underWay -= 1
      if (verdict !== undefined) decided(verdict)
    })
  }

  /** Ends what is kept open for questions; the connections of applications are not its own. */
  close(): void {
    this.questions.close()
  }

  /** Steps of one inquiry; each gives what ends it. */
  question(
    handler: Extract<Handler, { kind: 'http' }>,
    request: SipRequest,
    flow: Flow,
    answered: (answer: string | Error) => void,
  ): () => void {
    const url = routingUrl(handler.url, request, flow)
    const body = handler.post ? serialise(request).slice(0, MAX_SHOWN_BYTES) : undefined
    return this.questions.ask({ url, body, verifyPeer: handler.verifyPeer }, answered)
  }

  dial(target: DialTarget, verifyPeer: boolean, done: (outcome: Connection | string) => void): () => void {
    if (this.outbound >= MAX_OUTBOUND) {
      done(`there are ${MAX_OUTBOUND} connections to applications`)
      return () => {}
    }
    const adopt: Adopt = (socket) => {
      this.outbound += 1
      socket.once('close', () => (this.outbound -= 1))
      return this.parts.adopt(socket)
    }
    return new OutboundCall(target, verifyPeer, this.parts.clock, adopt, done).abort
  }

  tagged(method: string, tag: string): Connection | undefined {
    return this.parts.apps.chooseTagged(method, tag)
  }

  report(failure: RoutingFailure): void {
    this.parts.failed(failure)
  }

  private handlerOf(method: string): Handler | undefined {
    return this.parts.handlers.get(method) ?? this.parts.handlers.get('*')
  }
}

/** One request on its way to a verdict. */
class Asking implements Inquiry {
  private over = false
  private stop: () => void = () => {}

  /** @param decided gets the verdict, or undefined when the question was withdrawn; called once */
  constructor(
    private readonly router: HandlerRouter,
    private readonly request: SipRequest,
    flow: Flow,
    private readonly handler: Handler,
    private readonly decided: (verdict: Verdict | undefined) => void,
  ) {
    if (handler.kind === 'dial') {
      this.dial(handler.target, handler.verifyPeer)
      return
    }
    this.stop = router.question(handler, request, flow, (answer) => this.answered(answer, handler.url))
  }

  abort(): void {
    if (this.over) return
    this.over = true
    this.stop()
    this.decided(undefined)
  }

  private answered(answer: string | Error, url: URL): void {
    const peer = `${url.origin}${url.pathname}`
    let instruction: Instruction
    try {
      if (typeof answer !== 'string') throw answer
      instruction = readInstruction(answer)
    } catch (error) {
      return this.failed(peer, (error as Error).message, 500)
    }
    this.follow(instruction, peer)
  }

  private follow(instruction: Instruction, peer: string): void {
    const { method } = this.request
    switch (instruction.action) {
      case 'answer': {
        const { status, reason, contacts } = instruction
        if (status < 300 && (method === 'INVITE' || method === 'SUBSCRIBE'))
          return this.failed(peer, `"status" ${status} would make a dialog without an application`, 500)
        const values = contacts.map((contact) => (contact.includes('<') ? contact : `<${contact}>`))
        if (!values.every(isContact)) return this.failed(peer, '"contact" holds what is no URI', 500)
        return this.decide({ kind: 'answer', status, ...(reason && { reason }), contacts: values })
      }
      case 'proxy':
        return this.decide({ kind: 'proxy', options: instruction.options })
      case 'dial':
        return this.dial(instruction.target, this.handler.verifyApplications)
      case 'tag': {
        const app = this.router.tagged(method, instruction.tag)
        if (app === undefined) return this.failed(peer, `no application has the tag "${instruction.tag}"`, 480)
        return this.decide({ kind: 'app', app })
      }
    }
  }

  private dial(target: DialTarget, verify: boolean): void {
    const { host, port, tls } = target
    this.stop = this.router.dial(target, verify, (outcome) => {
      if (typeof outcome !== 'string') return this.decide({ kind: 'app', app: outcome })
      this.failed(`${tls ? 'tls' : 'tcp'}://${host.includes(':') ? `[${host}]` : host}:${port}`, outcome, 480)
    })
  }

  private failed(peer: string, reason: string, status: 480 | 500): void {
    if (this.over) return
    this.router.report({ method: this.request.method, peer, reason, status })
    this.decide({ kind: 'answer', status })
  }

  private decide(verdict: Verdict): void {
    if (this.over) return
    this.over = true
    this.decided(verdict)
  }
}
