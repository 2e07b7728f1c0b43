import type { Timer } from '../clock.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'
import { parseNameAddrList } from '../message/name-addr.js'
import { joined, ownStrings } from '../message/own-strings.js'
import { formatUri, parseUri } from '../message/uri.js'
import type { Binding, Flow, Target } from '../transport/transport.js'
import type { App } from './app.js'
import type { CallRecord } from './call-record.js'
import type { EchoGap } from './echo-gap.js'
import type { OkRepeater } from './ok-repeater.js'
import type { OpenRequest } from './offers.js'
import type { SessionTimer } from './session-timer.js'
import type { UasRequest } from './uas-request.js'

/** Header lines: canonical name and value. */
export type HeaderLines = ReadonlyArray<readonly [name: string, value: string]>

/** A 2xx of the peer that its application has not acknowledged yet. */
export interface AckOwed {
  readonly cseq: number
  /** Of the INVITE: its ACK carries the same (RFC 3261 13.2.2.4). */
  readonly credentials: HeaderLines
}

/** An ACK that was sent, kept to answer repeats of the 2xx it belongs to. */
export interface SentAck {
  readonly cseq: number
  /** As it went. */
  readonly text: string
  readonly flow: Flow
}

/** A request that waits for the ACK of the peer: to be sent, or dropped since the dialog is over. */
export interface HeldRequest {
  send(): void
  drop(): void
}

/** Who the two sides of a dialog are, and the request that made it. */
export interface DialogParties {
  readonly role: 'uas' | 'uac'
  readonly method: 'INVITE' | 'SUBSCRIBE'
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** Our From value in requests we send, tag included. */
  readonly localParty: string
  /** The peer's To value in requests we send, tag included. */
  readonly remoteParty: string
  /** Transaction id applications know the dialog-creating request by. */
  readonly inviteTxnId: string
  /** CSeq number of the request that made it. */
  readonly firstCseq: number
  /** Request-URI of the request that made it, when that was ours. */
  readonly calledUri?: string
}

/**
 * The id applications know a dialog by: the Call-ID and the From tag of the request that made it. A tag may be a quoted string, but
 * no field of the control protocol can hold a `|`.
 */
export function dialogIdOf(callId: string, fromTag: string): string {
  return joined(';from-tag=', callId, fromTag.includes('|') ? fromTag.replaceAll('|', ' ') : fromTag)
}

/** From here on a peer's CSeq number leaves too little room to count our own up from it (RFC 3261 8.1.1.5). */
const CSEQ_TOO_HIGH = 2 ** 31 - 2 ** 20

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
  /** Where the peer's last message that says where it is came from. */
  source: Target | undefined
  /** The name by which the peer was dialled over TLS: it is held to it at addresses of its own too. */
  peerName: string | undefined
  /** The TLS profile that it was dialled under. */
  peerProfile: string | undefined
  /** Our 2xx that waits for its ACK. */
  repeater: OkRepeater | undefined
  /** The newest INVITE of the peer in it, the one that made it included, while its transaction is known. */
  serverInvite: UasRequest | undefined
  /** The newest UPDATE of the peer, while its transaction is known. */
  serverUpdate: UasRequest | undefined
  /** A re-INVITE of ours that is not answered yet. */
  clientInvite: (OpenRequest & { cancel(): unknown }) | undefined
  /** An UPDATE of ours that is not answered yet. */
  clientUpdate: OpenRequest | undefined
  ackOwed: AckOwed | undefined
  ack: SentAck | undefined
  /** Our CANCEL crossed the 200: the ACK is followed by a BYE. */
  cancelCrossed = false
  /** A BYE of the application that waits until our 2xx is acknowledged (RFC 3261 15). */
  heldBye: HeldRequest | undefined
  /** A re-INVITE of the application that waits for the same (RFC 3261 14.1). */
  heldInvite: HeldRequest | undefined
  /** Runs while the application may answer the challenge to its BYE. */
  challengedBye: Timer | undefined
  /** RSeq of the peer's reliable response that the application has not acknowledged yet. */
  prackOwed: number | undefined
  /** A reliable response of the peer was acknowledged: UPDATE has a place in it. */
  pracked = false
  /** As caller, while early: the offer of our INVITE has no answer in it yet. */
  offering = false
  /** Ends a subscription that nobody refreshes. */
  expiry: Timer | undefined
  /** The early dialogs of the same INVITE, this one included. */
  forks: readonly Dialog[] = []
  gap: EchoGap | undefined
  /** Of the call, where records are kept; undefined once it has its end. */
  record: CallRecord | undefined
  /** While the peers have agreed on a session timer (RFC 4028). */
  session: SessionTimer | undefined

  constructor(
    public parties: DialogParties,
    /** The peer's Contact URI: Request-URI of what is sent. */
    public remoteTarget: string,
    /** Where the request that made it came in or went out: the peer knows us by it. */
    readonly binding: Binding,
    public app: App,
  ) {
    const { role, callId, localTag, remoteTag, firstCseq } = parties
    this.id = dialogIdOf(callId, role === 'uas' ? remoteTag : localTag)
    // A UAS counts its own requests from the INVITE's number on: applications expect the first to be one above it.
    this.localCseq = firstCseq < CSEQ_TOO_HIGH ? firstCseq : 0
    this.remoteCseq = role === 'uas' ? firstCseq : undefined
  }

  /** It is to last: what it knows does not keep in memory the messages it was read from. */
  settle(): void {
    const { parties } = this
    const { callId, localTag, remoteTag, localParty, remoteParty, calledUri } = parties
    const texts = [callId, localTag, remoteTag, localParty, remoteParty, this.remoteTarget, this.localContact]
    const own = ownStrings([...texts, calledUri ?? '', ...this.routeSet])
    this.parties = {
      ...parties,
      callId: own[0]!,
      localTag: own[1]!,
      remoteTag: own[2]!,
      localParty: own[3]!,
      remoteParty: own[4]!,
      ...(calledUri === undefined ? {} : { calledUri: own[7]! }),
    }
    this.remoteTarget = own[5]!
    this.localContact = own[6]!
    if (this.routeSet.length > 0) this.routeSet = own.slice(8)
  }

  /** The method that made it. */
  get method(): 'INVITE' | 'SUBSCRIBE' {
    return this.parties.method
  }

  /** Our 2xx to the INVITE that made it has not been acknowledged. */
  get unacknowledged(): boolean {
    return this.parties.role === 'uas' && this.repeater?.cseq === this.parties.firstCseq
  }
}

/** The URI of the first Contact as Request-URI of what is sent there; undefined when it is no SIP URI. */
export function contactUriOf(message: SipMessage): string | undefined {
  const value = message.headers.get('contact')
  if (value === undefined || value === '*') return undefined
  const uri = parseNameAddrList(value)?.[0]?.uri
  return uri === undefined ? undefined : asRequestUri(uri)
}

/** A SIP URI without what may not stand in a Request-URI (RFC 3261 19.1.1: `method`, headers); undefined when it is none. */
export function asRequestUri(text: string): string | undefined {
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel') return undefined
  if (uri.headers === undefined && !uri.params.has('method')) return text
  const params = new Map(uri.params)
  params.delete('method')
  const { headers: _, ...plain } = uri
  return formatUri({ ...plain, params })
}

/** The Record-Route URIs as a route set: in order for the UAS, reversed for the UAC (RFC 3261 12.1). */
export function routeSetOf(message: SipRequest | SipResponse, role: 'uas' | 'uac'): string[] {
  const routes: string[] = []
  if (!message.headers.has('record-route')) return routes
  for (const value of message.headers.getAll('record-route'))
    for (const { uri } of parseNameAddrList(value) ?? []) {
      const parsed = parseUri(uri)
      if (parsed !== undefined && parsed.scheme !== 'tel') routes.push(uri)
    }
  return role === 'uac' ? routes.reverse() : routes
}
