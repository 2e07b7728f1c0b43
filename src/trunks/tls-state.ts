import type { Clock, TlsPeer, TlsPeers } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { nextHopOf } from './next-hop.js'
import type { TrunkTlsProfiles } from './tls-profiles.js'

/** How TLS towards a trunk's servers stands, as the edge that is asked knows it. */
export interface TrunkTlsState {
  /** Whom the certificate is for that its server showed last; null: none was seen. */
  readonly peer_name: string | null
  /** ISO 8601: until when that is good. */
  readonly not_after: string | null
  /** ISO 8601: when its server last proved who it is. */
  readonly verified_at: string | null
  /** Why the last handshake failed; null: it did not. */
  readonly problem: string | null
  readonly problem_at: string | null
}

type Shown = Pick<Trunk, 'outbound_proxy' | 'sip_domain' | 'transport' | 'tls' | 'media_encryption' | 'account_id'>

const DAY_MS = 86_400_000
/** Days before its end from which a certificate is warned of. */
const WARNED_DAYS = 30

/** What people should know of a trunk's TLS and of its media's encryption. */
export class TrunkTlsStates {
  constructor(
    private readonly options: {
      readonly profiles: TrunkTlsProfiles
      /** Undefined: the SIP server is another's. */
      readonly peers: Pick<TlsPeers, 'of'> | undefined
      readonly clock: Clock
    },
  ) {}

  /** Null: nothing was sent to it over TLS yet. */
  stateOf(trunk: Shown): TrunkTlsState | null {
    const peer = this.peerOf(trunk)
    if (peer === undefined) return null
    return {
      peer_name: peer.names ?? null,
      not_after: isoOf(peer.notAfter),
      verified_at: isoOf(peer.verifiedAt),
      problem: peer.problem ?? null,
      problem_at: isoOf(peer.problemAt),
    }
  }

  /** One line each; none: all is well. */
  warningsOf(trunk: Shown): string[] {
    const { tls } = trunk
    const hop = nextHopOf(trunk)
    const transport = hop?.transport
    const warnings: string[] = []
    if (trunk.media_encryption === 'required' && hop !== undefined && transport !== 'tls')
      warnings.push(
        `media_encryption is required, and signalling ${transport === undefined ? 'may go over UDP or TCP' : `goes over ${transport.toUpperCase()}`}: ` +
          'whoever reads it on the way reads the keys of SRTP in it (a=crypto); use transport tls',
      )
    if (tls === null) return [...warnings, ...this.expiryOf(trunk)]
    if (transport !== undefined && transport !== 'tls')
      warnings.push(`tls is without effect: the transport is ${transport}`)
    const { profiles } = this.options
    if (!profiles.supported)
      warnings.push('tls is without effect: a drachtio-server deals with all servers in one way, its own')
    const missing = profiles.certificateProblem(trunk)
    if (missing !== undefined) warnings.push(`tls.client_certificate: ${missing}`)
    if (!tls.verify && tls.pinned_sha256.length === 0)
      warnings.push('tls.verify is false and nothing is pinned: whoever answers at its address is taken for it')
    return [...warnings, ...this.expiryOf(trunk)]
  }

  private expiryOf(trunk: Shown): string[] {
    const notAfter = this.peerOf(trunk)?.notAfter
    if (notAfter === undefined) return []
    const leftMs = notAfter.getTime() - this.options.clock.date().getTime()
    if (leftMs > WARNED_DAYS * DAY_MS) return []
    return [`the certificate of its server ${leftMs > 0 ? 'ends' : 'ended'} at ${notAfter.toISOString()}`]
  }

  private peerOf(trunk: Shown): TlsPeer | undefined {
    const hop = nextHopOf(trunk)
    if (hop === undefined) return undefined
    return this.options.peers?.of(this.options.profiles.idOf(trunk), hop.host.replace(/^\[|\]$/g, ''))
  }
}

const isoOf = (date: Date | undefined): string | null =>
  date === undefined || Number.isNaN(date.getTime()) ? null : date.toISOString()
