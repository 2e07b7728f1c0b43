import type { Context } from '../dialog/context.js'
import type { InDialog } from '../dialog/in-dialog.js'
import type { UasRequest } from '../dialog/uas-request.js'
import { ChallengedTargets } from './challenged-targets.js'
import { proxyRequires } from './forwarded.js'
import { ProxiedRequest, type ProxiedRequestHost } from './proxied-request.js'
import { type ProxyOptions, type ProxyReport, unreported } from './proxy-options.js'

/** The requests that are proxied at this moment. */
export class Proxies {
  private readonly requests = new Set<ProxiedRequest>()
  private readonly challenged: ChallengedTargets
  private readonly host: ProxiedRequestHost

  constructor(context: Context, inDialog: InDialog) {
    this.challenged = new ChallengedTargets(context.clock)
    this.host = {
      context,
      inDialog,
      challenged: (challenge, destination) => this.challenged.add(challenge, destination),
      over: (request) => void this.requests.delete(request),
    }
  }

  get count(): number {
    return this.requests.size
  }

  /**
   * Takes a request that has no answer yet to where the options say.
   * @param report hears of it once it is under way
   * @returns why it is not proxied, its caller having been answered; undefined: it is
   */
  async start(known: UasRequest, options: ProxyOptions, report: ProxyReport = unreported): Promise<string | undefined> {
    known.timer?.cancel()
    if (known.tx.request.maxForwards === 0) {
      known.settle(known.reply(483))
      return 'Rejected with 483 Too Many Hops due to Max-Forwards value of 0'
    }
    const required = proxyRequires(known.tx.request)
    if (required !== undefined) {
      const refusal = known.reply(420)
      refusal.headers.append('unsupported', required)
      known.settle(refusal)
      return 'Rejected with 420 Bad Extension due to Proxy-Require'
    }
    const again = this.challenged.find(known.tx.request)
    const proxied = new ProxiedRequest(
      this.host,
      known,
      again === undefined ? options : { ...options, destinations: [again] },
      report,
    )
    known.proxied = proxied
    this.requests.add(proxied)
    try {
      return (await proxied.start()) ? undefined : 'error proxying request to '
    } catch (error) {
      proxied.stop()
      this.requests.delete(proxied)
      if (known.open) known.settle(known.reply(500))
      throw error
    }
  }

  stop(): void {
    for (const request of this.requests) request.stop()
    this.requests.clear()
  }
}
