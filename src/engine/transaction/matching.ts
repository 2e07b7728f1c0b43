import type { SipRequest } from '../message/message.js'
import { joined } from '../message/own-strings.js'
import { branchOf, hasUniqueBranch, sentByOf } from '../message/via.js'
import type { Protocol } from '../transport/transport.js'

// Parts of a key are kept apart by a line feed, which none of them can hold: no two sets of parts make the same key.

/** Where the index has the client transaction a response belongs to (RFC 3261 17.1.3). Branches are tokens: case is nothing. */
export function clientKey(branch: string, method: string): string {
  return joined('\n', branch.toLowerCase(), method)
}

/** The branch was made by an element of RFC 2543, or is the bare cookie: it is no key (RFC 3261 17.2.3). */
export function isLegacy(request: SipRequest): boolean {
  return !hasUniqueBranch(request.topVia)
}

/**
 * Where the index has the server transaction a request belongs to, by branch, sent-by and method (RFC 3261 17.2.3), and by what a
 * repeat, an ACK and a CANCEL share with it besides: Call-ID, CSeq number and transport. A client that makes no branches of its own
 * for new requests is served all the same.
 * @param method INVITE for an ACK, and for the INVITE that a CANCEL means
 */
export function serverKey(request: SipRequest, method: string, protocol: Protocol): string {
  const via = request.topVia
  if (!hasUniqueBranch(via)) return legacyKey(request, method, request.toTag)
  const { callId, cseq } = request
  return joined('\n', branchOf(via).toLowerCase(), sentByOf(via), method, callId, String(cseq.number), protocol)
}

/** The same for elements of RFC 2543: by Request-URI, tags, Call-ID, CSeq and top Via, the To tag being the one given. */
export function legacyKey(request: SipRequest, method: string, toTag: string): string {
  const { topVia: via, uri, fromTag, callId, cseq } = request
  const parts = [method, uri, toTag, fromTag, callId, cseq.number, via.protocol, sentByOf(via), branchOf(via)]
  return parts.join('\n')
}
