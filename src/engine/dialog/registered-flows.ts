import type { Clock } from '../clock.js'
import type { SipRequest, SipResponse } from '../message/message.js'
import { splitList } from '../message/list.js'
import { type NameAddr, parseNameAddr } from '../message/name-addr.js'
import { parseUri, type SipUri } from '../message/uri.js'
import type { Flow } from '../transport/transport.js'
import type { Dialog } from './dialog.js'

/** Peers that are remembered at most; the one that was refreshed longest ago gives way. */
const maxEntries = 100_000
/** Contacts of one request that are read at most. */
const maxContacts = 10
/** How often what has run out is looked for. */
const sweepMs = 30_000
/** What a binding lasts of which nobody says how long. */
const defaultExpiresS = 3_600
/** Longest time that is believed. */
const maxExpiresS = 30 * 86_400
/** Requests that find their peer this way. */
const methods = new Set(['INVITE', 'OPTIONS', 'NOTIFY', 'MESSAGE'])

interface Entry {
  readonly flow: Flow
  readonly endsAtMs: number
  /** Connections on which the same peer was registered before. */
  readonly former: WeakSet<Flow>
}

/**
 * Who can be reached on the connection they came on: peers whose REGISTER or SUBSCRIBE arrived over TCP or TLS and was accepted. A request
 * to `user@host` of their Contact goes there, for often nothing else leads to them. It lasts as long as the binding and the connection.
 */
export class RegisteredFlows {
  private readonly entries = new Map<string, Entry>()
  private readonly byFlow = new Map<Flow, Set<string>>()
  private nextSweepMs = 0

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.entries.size
  }

  /** Learns from the answer to a REGISTER or SUBSCRIBE. */
  answered(request: SipRequest, response: SipResponse, flow: Flow): void {
    if (!flow.reliable || response.status < 200 || response.status > 299) return
    const now = this.clock.now()
    if (now >= this.nextSweepMs) this.sweep(now)
    const contacts = contactsOf(request)
    if (contacts.length === 0 && request.headers.get('contact')?.trim() === '*') return this.closed(flow)
    const granted = contactsOf(response)
    for (const contact of contacts) {
      const key = keyOf(parseUri(contact.uri))
      if (key === undefined) continue
      const expiresS = expiresOf(contact, granted, request, response)
      if (expiresS <= 0) this.remove(key)
      else this.put(key, flow, now + Math.min(expiresS, maxExpiresS) * 1_000)
    }
    if (request.method === 'REGISTER' && wantsOutbound(request, contacts) && flow.open) flow.keepAlive?.()
  }

  /** The connection for a request outside dialogs; undefined: it goes where its URI says. */
  find(method: string, uri: SipUri): Flow | undefined {
    return methods.has(method) ? this.live(keyOf(uri))?.flow : undefined
  }

  /** The connection that the peer of a dialog has registered on, when its own is closed or it has left that for another. */
  ofDialog({ flow, natTarget, remoteTarget, routeSet }: Dialog): Flow | undefined {
    if (routeSet.length > 0 || natTarget?.protocol === 'udp') return undefined
    const uri = parseUri(remoteTarget)
    const entry = uri === undefined || uri.scheme === 'tel' ? undefined : this.live(keyOf(uri))
    if (entry === undefined) return undefined
    return flow?.open !== true || entry.former.has(flow) ? entry.flow : undefined
  }

  /** Somebody has registered on that connection. */
  takes(flow: Flow): boolean {
    return this.byFlow.has(flow)
  }

  /** A connection takes no requests any more. */
  closed(flow: Flow): void {
    for (const key of [...(this.byFlow.get(flow) ?? [])]) this.remove(key)
  }

  stop(): void {
    this.entries.clear()
    this.byFlow.clear()
  }

  private put(key: string, flow: Flow, endsAtMs: number): void {
    const known = this.entries.get(key)
    const former = known?.former ?? new WeakSet<Flow>()
    if (known !== undefined && known.flow !== flow) former.add(known.flow)
    former.delete(flow)
    this.remove(key)
    if (this.entries.size >= maxEntries) {
      const [oldest] = this.entries.keys()
      if (oldest !== undefined) this.remove(oldest)
    }
    this.entries.set(key, { flow, endsAtMs, former })
    const others = this.byFlow.get(flow)
    if (others === undefined) this.byFlow.set(flow, new Set([key]))
    else others.add(key)
  }

  private remove(key: string): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    const others = this.byFlow.get(entry.flow)
    if (others?.delete(key) === true && others.size === 0) this.byFlow.delete(entry.flow)
  }

  private live(key: string | undefined): Entry | undefined {
    const entry = key === undefined ? undefined : this.entries.get(key)
    return entry !== undefined && entry.flow.open && this.clock.now() < entry.endsAtMs ? entry : undefined
  }

  private sweep(now: number): void {
    this.nextSweepMs = now + sweepMs
    for (const [key, { flow, endsAtMs }] of this.entries) if (now >= endsAtMs || !flow.open) this.remove(key)
  }
}

/** `user@host`: ports are left out, for a peer behind a NAT tells its own. */
function keyOf(uri: ReturnType<typeof parseUri>): string | undefined {
  if (uri === undefined || uri.scheme === 'tel') return undefined
  return `${uri.user ?? ''}@${uri.host.toLowerCase()}`
}

function contactsOf(message: SipRequest | SipResponse): NameAddr[] {
  const found: NameAddr[] = []
  for (const line of message.headers.getAll('contact'))
    for (const value of splitList(line)) {
      const contact = found.length < maxContacts ? parseNameAddr(value) : undefined
      if (contact !== undefined) found.push(contact)
    }
  return found
}

/** Seconds that were granted: by the answer's Contact, its Expires, or as asked for (RFC 3261 10.2.4, 10.3). */
function expiresOf(
  contact: NameAddr,
  granted: readonly NameAddr[],
  request: SipRequest,
  response: SipResponse,
): number {
  const own = granted.find(({ uri }) => uri === contact.uri)
  const said =
    own?.params.get('expires') ??
    response.headers.get('expires') ??
    contact.params.get('expires') ??
    request.headers.get('expires')
  return said !== undefined && /^\d{1,10}$/.test(said.trim()) ? Number(said) : defaultExpiresS
}

/** The peer asks that its flow be kept (RFC 5626 4.2): it has a `reg-id`, or supports `outbound`. */
function wantsOutbound(request: SipRequest, contacts: readonly NameAddr[]): boolean {
  if (contacts.some(({ params }) => params.has('reg-id'))) return true
  return request.headers.getAll('supported').some((line) => line.split(',').some((tag) => tag.trim() === 'outbound'))
}
