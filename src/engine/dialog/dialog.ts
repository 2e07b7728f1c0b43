import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'
import { parseNameAddrList } from '../message/name-addr.js'
import { parseUri } from '../message/uri.js'
import type { ClientTransaction } from '../transaction/transactions.js'
import type { Flow, Target } from '../transport/transport.js'
import type { App } from './app.js'
import type { EchoGap } from './echo-gap.js'
import type { OkRepeater } from './ok-repeater.js'
import type { UasRequest } from './uas-request.js'

/** An ACK that was sent, kept to answer repeats of the 2xx it belongs to. */
export interface SentAck {
  readonly cseq: number
  readonly request: SipRequest
  readonly flow: Flow
}

/** A BYE that waits: to be sent, or dropped since the peer's came first. */
export interface HeldBye {
  send(): void
  drop(): void
}

/** The id applications know a dialog by: the Call-ID and the From tag of the request that made it. */
export function dialogIdOf(callId: string, fromTag: string): string {
  return `${callId};from-tag=${fromTag}`
}

/**
 * One dialog (RFC 3261 12): who the two sides are, how far their requests are counted, and which way requests go.
 * It sends nothing itself; `in-dialog.ts` does.
 */
export class Dialog {
  readonly id: string
  /** CSeq number of the last request sent in it. */
  localCseq: number
  /** CSeq number of the last request received in it. */
  remoteCseq: number | undefined
  /** The peer's Contact URI: Request-URI of what is sent. */
  remoteTarget: string
  /** URIs of the Route headers, in sending order. */
  routeSet: readonly string[] = []
  /** The Contact we gave, as a header value. */
  localContact = ''
  /** True until a 2xx made it a dialog proper. */
  early = true
  terminated = false
  /** The connection the dialog lives on, as long as it is open. */
  flow: Flow | undefined
  /** Where requests go instead of the Contact, when that address is not the peer's (NAT). */
  natTarget: Target | undefined
  /** Our 2xx that waits for its ACK. */
  repeater: OkRepeater | undefined
  /** A re-INVITE of the peer that is not answered yet. */
  openServerInvite: UasRequest | undefined
  /** A re-INVITE of ours that is not answered yet. */
  openClientInvite: ClientTransaction | undefined
  /** CSeq number of the 2xx received that the application has not acknowledged yet. */
  ackOwed: number | undefined
  ack: SentAck | undefined
  /** Our CANCEL crossed the 200: the ACK is followed by a BYE. */
  cancelCrossed = false
  /** A BYE of the application that waits until our 2xx is acknowledged (RFC 3261 15). */
  heldBye: HeldBye | undefined
  gap: EchoGap | undefined

  constructor(
    readonly role: 'uas' | 'uac',
    readonly method: 'INVITE' | 'SUBSCRIBE',
    readonly callId: string,
    readonly localTag: string,
    readonly remoteTag: string,
    /** Our From value in requests we send, tag included. */
    readonly localParty: string,
    /** The peer's To value in requests we send, tag included. */
    readonly remoteParty: string,
    /** Transaction id applications know the dialog-creating request by. */
    readonly inviteTxnId: string,
    /** CSeq number of the request that made it. */
    readonly firstCseq: number,
    remoteTarget: string,
    public app: App,
  ) {
    this.id = dialogIdOf(callId, role === 'uas' ? remoteTag : localTag)
    // A UAS counts its own requests from the INVITE's number on: applications expect the first to be one above it.
    this.localCseq = firstCseq
    this.remoteCseq = role === 'uas' ? firstCseq : undefined
    this.remoteTarget = remoteTarget
  }

  /** Takes the peer's new Contact, if the message has a usable one (target refresh, RFC 3261 12.2). */
  refreshTarget(message: SipMessage): void {
    const target = contactUriOf(message)
    if (target !== undefined && target !== this.remoteTarget) this.remoteTarget = target
  }
}

/** The URI of the first Contact, if it is a SIP URI. */
export function contactUriOf(message: SipMessage): string | undefined {
  const value = message.headers.get('contact')
  if (value === undefined || value === '*') return undefined
  const uri = parseNameAddrList(value)?.[0]?.uri
  return uri !== undefined && isSipUri(uri) ? uri : undefined
}

function isSipUri(text: string): boolean {
  const uri = parseUri(text)
  return uri !== undefined && uri.scheme !== 'tel'
}

/** The Record-Route URIs as a route set: in order for the UAS, reversed for the UAC (RFC 3261 12.1). */
export function routeSetOf(message: SipRequest | SipResponse, role: 'uas' | 'uac'): string[] {
  const routes: string[] = []
  if (!message.headers.has('record-route')) return routes
  for (const value of message.headers.getAll('record-route'))
    for (const entry of parseNameAddrList(value) ?? []) if (isSipUri(entry.uri)) routes.push(entry.uri)
  return role === 'uac' ? routes.reverse() : routes
}
