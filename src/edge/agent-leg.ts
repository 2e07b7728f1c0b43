import type { Clock, Timer } from '../engine/index.js'
import { ReInvite, type ReInvited } from './reinvite.js'
import { inactiveAnswer, isSdp, sameMedia } from './sdp.js'
import type { DialogEvents, HeaderMap, PendingOffer, SipDialog, SipMessage, SipResponse } from './sip-server.js'

export interface AgentLegOptions {
  readonly clock: Clock
  /** Milliseconds the agent's offer may wait for its answer: well below 64*T1, when the agent gives up (RFC 3261 13.3.1.4). */
  readonly offerPatienceMs: number
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

export interface AgentLegEvents extends DialogEvents {
  /** The agent has made an offer for the far end; its headers say what it is. */
  offered(offer: SipMessage): void
  /** There is a dialog now. Before it is listened to. */
  dialog(dialog: SipDialog): void
  /** Nothing is under way with the agent any more: it has taken what it was last given. */
  settled(): void
  /**
   * The session cannot be set up with this agent as it was last wanted.
   * @param gone whether the agent has no such dialog any more
   */
  failed(detail: string, gone: boolean): void
}

/** An offer of the agent that has no answer yet. */
interface OpenOffer {
  readonly sdp: string
  /** Acknowledges it; `done` when there is a dialog, or never will be. */
  acknowledge(answer: string, done: (error?: Error) => void): void
  abandon(): void
}

/**
 * Leg A of a call that we place on behalf of an agent, from the agent's answer on: its offer, the answers it gets from the far end
 * (RFC 3725), and the re-INVITEs that bring it later ones.
 */
export class AgentLeg {
  #dialog: SipDialog | undefined
  #open: OpenOffer | undefined
  #patience: Timer | undefined
  #reinvite: ReInvite | undefined
  /** What the agent says of itself. */
  #own = ''
  /** What the agent has been told of the far end; '' before anything. */
  #given = ''
  /** What it is to be told when its turn comes. */
  #wanted = ''
  #over = false

  constructor(
    private readonly options: AgentLegOptions,
    private readonly events: AgentLegEvents,
  ) {}

  /** What the agent last said of itself. */
  get sdp(): string {
    return this.#own
  }

  /** What the agent was last told of the far end. */
  get given(): string {
    return this.#given
  }

  /** Whether an offer is open, either side's. */
  get negotiating(): boolean {
    return this.#open !== undefined || this.#reinvite !== undefined
  }

  /** The agent has answered an INVITE without offer, with one of its own. */
  takeOffer(pending: PendingOffer, response: SipResponse): void {
    pending.onEnd((bye) => {
      this.#open = undefined
      this.finish()
      this.events.ended({ bye, byServer: false, reason: '' })
    })
    this.open(response, {
      sdp: response.body,
      abandon: () => pending.abandon(),
      acknowledge: (answer, done) =>
        pending.acknowledge(answer, (error, dialog) =>
          this.options.run(() => {
            if (error !== undefined || dialog === undefined) return done(error ?? new Error('no dialog'))
            this.takeDialog(dialog)
            done()
          }),
        ),
    })
  }

  /** The agent has answered an INVITE with an offer of ours, and is asked for its own. */
  askForOffer(dialog: SipDialog): void {
    this.takeDialog(dialog)
    this.reinvite('', (result) => {
      const { events } = this
      if (!result.answered) return this.failed(result)
      const { response, acknowledge } = result
      if (acknowledge === undefined) return events.failed('the agent was asked for an offer and gave none', false)
      this.open(response, {
        sdp: response.body,
        abandon: () => acknowledge('', {}),
        acknowledge: (answer, done) => {
          acknowledge(answer, { 'Content-Type': 'application/sdp' })
          done()
        },
      })
    })
  }

  /** Tells the agent what the far end says of itself: as answer to its offer, or by a re-INVITE when it has had another. */
  give(sdp: string): void {
    this.#wanted = sdp
    if (this.#over) return
    if (this.#open !== undefined) this.answer(sdp)
    else this.goOn()
  }

  /** Ends the leg: what is open is closed, then BYE. */
  end(farewell: HeaderMap): void {
    if (this.#over) return
    const open = this.#open
    this.#open = undefined
    this.finish()
    const bye = (): void => this.#dialog?.bye(farewell)
    if (open === undefined) return bye()
    // A 200 must have its ACK before the BYE, and an offer its answer.
    const answer = inactiveAnswer(open.sdp, sessionId(this.options.clock))
    if (answer === undefined) {
      open.abandon()
      bye()
    } else open.acknowledge(answer, bye)
  }

  private open(message: SipMessage, open: OpenOffer): void {
    this.#own = open.sdp
    this.#open = open
    if (!isSdp(open.sdp)) return this.events.failed('the agent’s offer cannot be read', false)
    const { clock, offerPatienceMs, run } = this.options
    this.#patience = clock.after(offerPatienceMs, () => run(() => this.placate()))
    this.events.offered(message)
  }

  /** The far end has said nothing for long: the agent gets an answer all the same, on which nothing flows. */
  private placate(): void {
    const open = this.#open
    if (open === undefined) return
    const answer = inactiveAnswer(open.sdp, sessionId(this.options.clock))
    if (answer === undefined) this.events.failed('the agent’s offer cannot be read', false)
    else this.answer(answer)
  }

  private answer(sdp: string): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#patience?.cancel()
    this.#given = sdp
    open.acknowledge(sdp, (error) => {
      if (this.#over) return
      if (error === undefined) this.goOn()
      else this.events.failed(`the agent’s 200 made no dialog: ${error.message}`, true)
    })
  }

  /** Brings the agent what it has not been told yet; when there is nothing more, it is settled. */
  private goOn(): void {
    if (this.#reinvite !== undefined || this.#over || this.#dialog === undefined) return
    const sdp = this.#wanted
    if (sdp === '' || sameMedia(sdp, this.#given)) return this.events.settled()
    this.reinvite(sdp, (result) => {
      if (!result.answered) return this.failed(result)
      this.#given = sdp
      if (isSdp(result.response.body)) this.#own = result.response.body
      this.goOn()
    })
  }

  private reinvite(body: string, done: (result: ReInvited) => void): void {
    const { clock, run } = this.options
    if (this.#dialog === undefined) return
    this.#reinvite = new ReInvite({ dialog: this.#dialog, clock, body, run }, (result) => {
      this.#reinvite = undefined
      if (!this.#over) done(result)
    })
    this.#reinvite.start()
  }

  private failed(result: ReInvited & { answered: false }): void {
    this.events.failed(`the agent ${result.detail}`, result.gone)
  }

  private takeDialog(dialog: SipDialog): void {
    this.#dialog = dialog
    const { events } = this
    dialog.listen({
      request: (request) => events.request(request),
      acknowledged: (ack) => events.acknowledged(ack),
      ended: (end) => {
        this.finish()
        events.ended(end)
      },
    })
    if (!this.#over) events.dialog(dialog)
  }

  private finish(): void {
    this.#over = true
    this.#patience?.cancel()
    this.#reinvite?.drop()
    this.#reinvite = undefined
  }
}

/** A number for the `o=` line that no other session of ours has had for long. */
export const sessionId = (clock: Clock): number => clock.date().getTime()
