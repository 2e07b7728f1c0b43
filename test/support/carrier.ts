import { eventually } from './eventually.js'
import { FarCall, sdp, type PlaceOptions } from './far-call.js'
import { FarDigest, type FarDigestOptions } from './far-digest.js'
import { FarEnd, hostText, type FarEndOptions, type Heard, type Way } from './far-end.js'
import { FarRegistrar, reasonOf, type FarBinding } from './far-registrar.js'

/** How a carrier treats an INVITE that has shown its credentials. */
export interface CallPlay {
  /** Provisional responses in their order. Default 100 and 180. */
  provisional: readonly (100 | 180 | 183)[]
  /** `answer` with 200, silence, or this final status. */
  outcome: 'answer' | 'silent' | number
  /** Header lines of a final response that is none of 200: Contact of a 302, Retry-After. */
  headers: readonly string[]
  /** Milliseconds between the last provisional response and the final one. */
  answerAfterMs: number
  /** Record-Route of the dialog; default: this far end itself, on the transport the INVITE came by. null: none. */
  recordRoute: string | null | undefined
  /** Contact of the 200; default: this far end itself. */
  contact: string | undefined
  /** Requests in the dialog that are challenged too. */
  challengeInDialog: readonly string[]
}

export interface CarrierOptions extends FarEndOptions {
  /** Who must show credentials for REGISTER, INVITE and OPTIONS; none: nobody. */
  readonly auth?: FarDigestOptions
  /** Methods that are challenged; default all three. */
  readonly challenged?: readonly string[]
  /** Status of the challenge, by method. Default 401 for REGISTER, 407 for the others. */
  readonly challengeWith?: Readonly<Record<string, 401 | 407>>
}

/**
 * A customer's carrier: registrar, proxy, gateway and the phone behind it, all of them on one address and port. It keeps every
 * message with the way it came, and plays what a test sets: `registrar.play`, `calls`, `options`.
 */
export class Carrier {
  readonly registrar: FarRegistrar
  readonly digest: FarDigest | undefined
  readonly calls: CallPlay = {
    provisional: [100, 180],
    outcome: 'answer',
    headers: [],
    answerAfterMs: 0,
    recordRoute: undefined,
    contact: undefined,
    challengeInDialog: [],
  }
  /** Answer to OPTIONS whose credentials are in order. */
  options: number | 'silent' = 200
  /** Dialogs there are or were, both directions, by Call-ID. */
  readonly dialogs = new Map<string, FarCall>()
  /** What was wrong with credentials that were shown. */
  readonly complaints: string[] = []
  readonly #accepted = new Set<Heard['message']>()
  readonly #timers = new Set<NodeJS.Timeout>()

  private constructor(
    readonly end: FarEnd,
    private readonly settings: CarrierOptions,
  ) {
    this.registrar = new FarRegistrar(end)
    this.digest = settings.auth === undefined ? undefined : new FarDigest(settings.auth)
    end.onRequest = (heard) => this.#request(heard)
    end.onResponse = (heard) => this.dialogs.get(heard.message.callId)?.response(heard)
  }

  /** @throws {Error} when the address is taken */
  static async open(options: CarrierOptions): Promise<Carrier> {
    return new Carrier(await FarEnd.open(options), options)
  }

  get address(): string {
    return this.end.local.address
  }

  get port(): number {
    return this.end.local.port
  }

  requests(method?: string): Heard[] {
    return this.end.requests(method)
  }

  /** Requests of a method with credentials that were right. */
  withCredentials(method: string): Heard[] {
    return this.requests(method).filter(({ message }) => this.#accepted.has(message))
  }

  /** What is registered for an address-of-record, waited for. */
  registered(aor: string, timeoutMs = 10_000): Promise<FarBinding> {
    return eventually(`${aor} is registered`, () => this.registrar.bindings(aor).at(-1), timeoutMs)
  }

  /** Places a call to what is registered: over the registration's own connection, or its datagram flow. */
  call(binding: FarBinding, options: PlaceOptions): FarCall {
    return this.place(binding.uri, binding.way, options)
  }

  /** Places a call to any URI on any way. */
  place(uri: string, way: Way, options: PlaceOptions): FarCall {
    const call = FarCall.place(this.end, uri, way, options)
    this.dialogs.set(call.callId, call)
    return call
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.registrar.close()
    for (const call of this.dialogs.values()) call.forget()
    await this.end.close()
  }

  #request(heard: Heard): void {
    const { message } = heard
    const dialog = this.dialogs.get(message.callId)
    if (message.method === 'REGISTER') return this.registrar.take(() => this.#register(heard))
    if (dialog !== undefined && (message.toTag !== '' || ['CANCEL', 'ACK'].includes(message.method))) {
      if (this.calls.challengeInDialog.includes(message.method) && !this.#letIn(heard)) return
      return dialog.request(heard)
    }
    if (message.method === 'ACK') return
    if (message.toTag !== '') return this.end.answer(heard, 481, 'Call/Transaction Does Not Exist')
    if (message.method === 'OPTIONS') return this.#options(heard)
    if (message.method === 'INVITE') return this.#invite(heard)
    this.end.answer(heard, 501, 'Not Implemented')
  }

  #register(heard: Heard): void {
    if (this.registrar.turnedAway(heard, this.registrar.play.first)) return
    if (this.#isChallenged('REGISTER') && !this.#letIn(heard)) return
    this.registrar.accept(heard)
  }

  #options(heard: Heard): void {
    if (this.options === 'silent') return
    if (this.#isChallenged('OPTIONS') && !this.#letIn(heard)) return
    this.end.answer(heard, this.options, this.options === 200 ? 'OK' : reasonOf(this.options))
  }

  #invite(heard: Heard): void {
    const { calls } = this
    if (calls.outcome === 'silent') return
    if (this.#isChallenged('INVITE') && !this.#letIn(heard)) return
    const { address, port } = this.end.local
    const host = hostText(address)
    const here = `sip:${host}:${port};transport=${heard.protocol}`
    const call = FarCall.answering(this.end, heard, {
      recordRoute: calls.recordRoute === null ? undefined : (calls.recordRoute ?? `<${here};lr>`),
      contact: calls.contact ?? `<sip:callee@${host}:${port};transport=${heard.protocol}>`,
    })
    this.dialogs.set(call.callId, call)
    for (const status of calls.provisional) call.provisional(status)
    const { outcome, headers, answerAfterMs } = calls
    const finish = (): void => {
      if (outcome === 'answer') call.accept(sdp(address))
      else call.refuse(outcome, reasonOf(outcome), headers)
    }
    if (answerAfterMs === 0) return finish()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      finish()
    }, answerAfterMs)
    this.#timers.add(timer)
  }

  #isChallenged(method: string): boolean {
    return this.digest !== undefined && (this.settings.challenged?.includes(method) ?? true)
  }

  /** Whether a request has shown who it is; if not it has been challenged. */
  #letIn(heard: Heard): boolean {
    const { digest } = this
    if (digest === undefined) return true
    const { method } = heard.message
    const status = this.settings.challengeWith?.[method] ?? (method === 'REGISTER' ? 401 : 407)
    const verdict = digest.judge(heard.message, status)
    if (verdict.kind === 'ok') {
      this.#accepted.add(heard.message)
      return true
    }
    if (verdict.kind === 'wrong') this.complaints.push(`${method}: ${verdict.why}`)
    const reason = status === 401 ? 'Unauthorized' : 'Proxy Authentication Required'
    this.end.answer(heard, status, reason, { headers: digest.challenge(status, verdict.kind === 'stale') })
    return false
  }
}
