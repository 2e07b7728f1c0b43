/**
 * The SIP server as the edge sees it: what of drachtio-srf a call needs, and nothing else. `drachtio.ts` is the one that talks
 * to a real server; tests put a scripted one in its place.
 */

/**
 * Header names and values of a message we send; values one line each. Several entries whose names differ in case alone are several
 * lines of that header.
 */
export type HeaderMap = Record<string, string>

/** A received SIP message. */
export interface SipMessage {
  /** The header's value, several lines joined by `,`; undefined when absent. Names in any case, long form. */
  header(name: string): string | undefined
  /**
   * Every header as it came: names in the sender's spelling or lower-case.
   * @param wanted leaves out those of other names, where that is less work
   */
  headers(wanted?: (name: string) => boolean): Iterable<readonly [name: string, value: string]>
  readonly body: string
}

export interface SipResponse extends SipMessage {
  readonly status: number
  readonly reason: string
  /** Where it came from: IP literal, port, and `udp`, `tcp` or `tls`. */
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly protocol: string
}

/** What an answer carries beyond its status. */
export interface AnswerOptions {
  readonly headers?: HeaderMap
  readonly body?: string
}

/** A request somebody sent us, and the way to answer it. */
export interface SipRequest extends SipMessage {
  readonly method: string
  readonly uri: string
  readonly callId: string
  /** Where it came from: IP literal, port, and `udp`, `tcp` or `tls`. */
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly protocol: string
  /** Whether a final answer has been given. */
  readonly answered: boolean
  /**
   * Sends a response. Never throws: what goes wrong is handed to `done`.
   * @param done when the server has put it on the wire (no argument) or refused to (why)
   */
  answer(status: number, reason: string, options?: AnswerOptions, done?: (error?: Error) => void): void
}

/** An INVITE that has no final answer yet. */
export interface SipInvite extends SipRequest {
  /**
   * Sends a provisional response reliably (RFC 3262).
   * @param acknowledged once, when its PRACK has come or the server refused to send it
   */
  answerReliably(status: number, reason: string, options: AnswerOptions, acknowledged: () => void): void
  /** Called once when the caller cancels; the server has answered 487 by then. */
  onCancel(listener: (cancel: SipMessage) => void): void
}

/** One INVITE of ours on its way. */
export interface OutgoingInvite {
  readonly callId: string
  /** Sends CANCEL. Never throws; nothing happens when a final response has come. */
  cancel(headers: HeaderMap): void
}

/** What comes of an INVITE of ours. Exactly one of `answered`, `offered` and `failed` is called, once, after `sent` if that was called. */
export interface OutgoingInviteEvents {
  /** Asked when something had to be waited for before it is sent: false when nobody wants it any more. Absent: it is wanted. */
  wanted?(): boolean
  /** It is on the wire. */
  sent(invite: OutgoingInvite): void
  /** A 101 to 199. Reliable ones are acknowledged by the server. */
  provisional(response: SipResponse): void
  /** 200: the dialog, already acknowledged. */
  answered(dialog: SipDialog, response: SipResponse): void
  /** 200 with the far end's offer, to an INVITE without one: the dialog comes to be with the ACK. */
  offered(offer: PendingOffer, response: SipResponse): void
  /** A final response that is no answer, or (without one) the INVITE could not be sent. */
  failed(why: string, response: SipResponse | undefined): void
}

/** A far end's offer that waits for our answer in the ACK. */
export interface PendingOffer {
  readonly callId: string
  /** Called once when the far end hangs up before it has its ACK: it must not (RFC 3261 15), some do. Nothing is left to end then. */
  onEnd(listener: (bye: SipMessage) => void): void
  /** Sends the ACK with the answer. Never throws; `done` is called once. */
  acknowledge(body: string, done: (error: Error | undefined, dialog?: SipDialog) => void): void
  /** Acknowledges and ends it at once. Never throws. */
  abandon(done?: () => void): void
}

/** Why a dialog is over. */
export interface DialogEnd {
  /** The BYE, the far end's or (`byServer`) the server's own. */
  readonly bye: SipMessage
  /** The server ended it by itself, e.g. because no ACK came. */
  readonly byServer: boolean
  /** The Reason text of a server's own BYE, e.g. `ACK timeout`. */
  readonly reason: string
}

/** What comes in on a dialog. */
export interface DialogEvents {
  request(request: SipRequest): void
  acknowledged(ack: SipMessage): void
  /** Once; nothing comes after it. Not called for a dialog ended by `bye`. */
  ended(end: DialogEnd): void
}

export interface DialogRequest {
  readonly method: string
  readonly headers: HeaderMap
  readonly body: string
}

/** A request of ours could not be put on the wire. */
export interface RequestFailure {
  /** The server does not know the dialog any more. */
  readonly dialogGone: boolean
  readonly message: string
}

/** The far end's final response to a request of ours. */
export interface RequestOutcome {
  readonly response: SipResponse
  /** Request-URI as it was sent. */
  readonly requestUri: string
  /** Present for a 200 to an INVITE without offer: the ACK is ours to send, with the answer. */
  readonly acknowledge?: (body: string, headers: HeaderMap) => void
}

export type ByeChallenged = (outcome: RequestOutcome, again: (headers: HeaderMap | undefined) => void) => void

/** A confirmed dialog. */
export interface SipDialog {
  readonly callId: string
  /** Says who hears what comes in. To be called before control returns to the server. */
  listen(events: DialogEvents): void
  /** Sends a request and hands back its final response. Never throws; `done` is called once. */
  request(request: DialogRequest, done: (failure: RequestFailure | undefined, outcome?: RequestOutcome) => void): void
  /**
   * Sends BYE; `done` when it is answered or cannot be sent. Never throws. While the server is away, it is sent when it is back.
   * @param challenged takes a 401 or 407, and hands `again` the headers to send the BYE with once more, or none
   */
  bye(headers: HeaderMap, done?: (outcome?: RequestOutcome) => void, challenged?: ByeChallenged): void
}

export interface OutgoingInviteOptions {
  readonly headers: HeaderMap
  /** '' for none: the far end makes the offer. */
  readonly body: string
  /** Next hop in place of the Request-URI, for this request alone: `sip:192.0.2.7:5065;transport=tcp`. */
  readonly proxy?: string
  /** With `proxy`: milliseconds it may be wholly silent before the INVITE counts as unanswered (408); absent: the time of RFC 3261. */
  readonly silenceMs?: number
}

/** The SIP server. */
export interface SipServer {
  /** INVITEs outside dialogs. */
  onInvite(handler: (invite: SipInvite) => void): void
  /** Every other request outside dialogs. */
  onRequest(handler: (request: SipRequest) => void): void
  /** The connection to the server is lost: whatever was under way will hear nothing more. */
  onLost(handler: () => void): void
  /** Sends an INVITE, by the server that `origin` came through when there is one. Never throws. */
  invite(uri: string, options: OutgoingInviteOptions, origin: SipInvite | undefined, events: OutgoingInviteEvents): void
  /** Answers an INVITE with 200. Never throws. */
  accept(invite: SipInvite, options: AnswerOptions, done: (error: Error | undefined, dialog?: SipDialog) => void): void
}
