import type { Proxies } from '../proxy/proxies.js'
import type { Answers } from './answers.js'
import type { RequestRouter, Verdict } from './app.js'
import { type Context, fromNetwork } from './context.js'
import { onOneLine } from './fill.js'
import type { UasRequest } from './uas-request.js'

/** Characters of a reason phrase that a request handler gives. */
const MAX_REASON = 120

/** Hands a request that belongs to no dialog to its application. */
export function deliverNew({ app, tx, id }: UasRequest): void {
  const { request, flow } = tx
  app.deliver(request, fromNetwork(flow), id, '', { address: flow.localAddress, port: flow.localPort })
}

/** New requests that have no application until a request handler has decided on them. */
export class RoutedRequests {
  constructor(
    private readonly context: Context,
    private readonly answers: Answers,
    private readonly proxies: Proxies,
  ) {}

  /** Asks. Whoever withdraws the request meanwhile withdraws the question too. */
  ask(router: RequestRouter, known: UasRequest): void {
    known.inquiry = router.ask(known.tx.request, known.tx.flow, (verdict) => {
      known.inquiry = undefined
      if (!known.open) return
      try {
        this.decided(known, verdict)
      } catch (error) {
        this.context.report(error)
        if (known.open) this.answers.finish(known, known.reply(500))
      }
    })
  }

  private decided(known: UasRequest, verdict: Verdict): void {
    if (verdict.kind === 'app') {
      // Nobody would be there to answer for it when it goes.
      if (!verdict.app.open) return this.answers.finish(known, known.reply(480))
      known.app = verdict.app
      return deliverNew(known)
    }
    if (verdict.kind === 'proxy') {
      // It answers the caller itself when it cannot.
      void this.proxies.start(known, verdict.options).catch(this.context.report)
      return
    }
    const reason = verdict.reason === undefined ? undefined : onOneLine(verdict.reason).slice(0, MAX_REASON)
    const response = known.reply(verdict.status, reason)
    for (const contact of verdict.contacts ?? []) response.headers.append('contact', contact)
    this.answers.finish(known, response)
  }
}
