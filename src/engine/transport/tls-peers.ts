import type { Clock } from '../clock.js'

/** What is known of a server that we connected to over TLS. */
export interface TlsPeer {
  /** The profile it was dialled under; undefined: none. */
  readonly profile: string | undefined
  /** The name that was dialled: a host name or an IP literal. */
  readonly dialled: string
  /** Whom its certificate is for, as last seen; undefined: none was seen. */
  readonly names?: string
  /** Until when its certificate is good, as last seen. */
  readonly notAfter?: Date
  /** When it last proved to be whom we wanted; undefined: never. */
  readonly verifiedAt?: Date
  /** Why the last handshake failed, and when; undefined: it did not. */
  readonly problem?: string
  readonly problemAt?: Date
}

/** Servers remembered at most; past it the one not seen for longest is forgotten. */
const MAX_PEERS = 2_000
const MAX_PROBLEM = 300

/** The servers we have connected to over TLS, and how the last handshake with each went. Bounded. */
export class TlsPeers {
  private readonly peers = new Map<string, TlsPeer>()

  constructor(private readonly clock: Clock) {}

  of(profile: string | undefined, dialled: string): TlsPeer | undefined {
    return this.peers.get(keyOf(profile, dialled))
  }

  all(): readonly TlsPeer[] {
    return [...this.peers.values()]
  }

  /** It has proved who it is. */
  verified(profile: string | undefined, dialled: string, certificate: { names: string; notAfter: Date }): void {
    this.put({ profile, dialled, ...certificate, verifiedAt: this.clock.date() })
  }

  /** The handshake failed, or what came of it was not accepted. */
  failed(profile: string | undefined, dialled: string, why: string, seen?: { names: string; notAfter: Date }): void {
    const before = this.of(profile, dialled)
    const problem = why.slice(0, MAX_PROBLEM)
    this.put({ ...before, profile, dialled, ...seen, problem, problemAt: this.clock.date() })
  }

  private put(peer: TlsPeer): void {
    const key = keyOf(peer.profile, peer.dialled)
    this.peers.delete(key)
    this.peers.set(key, peer)
    if (this.peers.size <= MAX_PEERS) return
    for (const oldest of this.peers.keys()) {
      this.peers.delete(oldest)
      break
    }
  }
}

const keyOf = (profile = '', dialled: string): string => `${profile} ${dialled.toLowerCase()}`
