import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import { AddressIndex } from '../store/address-index.js'

/** Which source addresses somebody who is configured here may call from; from memory, for every packet. */
export interface KnownSources {
  /**
   * Whether the address is one of a trunk or an agent: in its `allowed_addresses`, one of a trunk's servers, or where one has
   * registered from.
   * @param address IPv4 or IPv6 as the socket gives it, without brackets or port
   */
  known(address: string): boolean
  /** Whether some trunk or agent may prove by digest who it is, from whatever address. */
  readonly digestPossible: boolean
  /** Whether all trunks and agents are known here. Before, and while memory has no room for some, an unknown address may be one of theirs. */
  readonly complete: boolean
}

/** Where trunks and agents are learned of: all there are, then each that is read anew and each that goes. */
export interface PeerSource {
  readonly knowsEverybody: boolean
  onTrunk(listener: (id: string, trunk: Trunk | undefined, gone: boolean) => void): () => void
  onAgent(listener: (id: string, agent: Agent | undefined, gone: boolean) => void): () => void
}

/** What an address stands for besides `allowed_addresses`: a server of the trunk, or a binding that a PBX has registered. */
export type Besides = 'server' | 'binding'

/** Addresses that were asked for and are known, remembered at most; networks may have many more. */
const MAX_REMEMBERED = 10_000

/** A trunk that an address is one of, besides its `allowed_addresses`. */
export interface TrunkAt {
  readonly trunkId: string
  readonly what: Besides
}

/** Of where a call came from, what tells apart those who share an address, as behind a NAT. */
export interface CallFlow {
  readonly port: number
  /** `udp`, `tcp` or `tls`. */
  readonly protocol: string
}

/** Which trunks a source address stands for besides those that allow it. */
export interface TrunksAt {
  /**
   * At most one entry a trunk; servers before bindings.
   * @param flow with it, of the trunks that have registered from the address only those that have from there, or over that connection
   */
  trunksAt(address: string, flow?: CallFlow): readonly TrunkAt[]
}

const NONE: readonly TrunkAt[] = []

/** Records that are not in memory whose addresses are kept at most. */
const MAX_LOST = 10_000

/** The source addresses of all trunks and agents, as they change. */
export class SourceBook implements KnownSources, TrunksAt {
  /** `allowed_addresses`. */
  private readonly addresses = new AddressIndex()
  private readonly besides: Record<Besides, AddressIndex> = { server: new AddressIndex(), binding: new AddressIndex() }
  /** Trunks and agents that have digest credentials. */
  private readonly digests = new Set<string>()
  private readonly remembered = new Set<string>()
  private readonly lost = new Set<string>()
  /** Whether the addresses of all trunks' servers have been found, as far as they can be. */
  settled: () => boolean = () => true
  /** The trunks that have registered from an address and port, or over a connection. */
  registeredFrom: (source: CallFlow & { readonly address: string }) => readonly string[] = () => []
  private stopListening: readonly (() => void)[] = []

  constructor(private readonly peers: PeerSource) {}

  start(): void {
    const { peers } = this
    this.stopListening = [
      peers.onTrunk((id, trunk, gone) => {
        this.noteRecord(`trunk ${id}`, trunk === undefined && !gone)
        if (gone) this.forget(id)
        else if (trunk !== undefined) this.put(`trunk ${id}`, trunk.allowed_addresses, trunk.inbound_auth !== null)
      }),
      peers.onAgent((id, agent, gone) => {
        this.noteRecord(`agent ${id}`, agent === undefined && !gone)
        if (gone) this.put(`agent ${id}`, [], false)
        else if (agent !== undefined) this.put(`agent ${id}`, agent.allowed_addresses, agent.auth !== null)
      }),
    ]
  }

  stop(): void {
    for (const stop of this.stopListening) stop()
    this.stopListening = []
  }

  known(address: string): boolean {
    if (this.remembered.has(address)) return true
    const { server, binding } = this.besides
    if (!this.addresses.has(address) && !server.has(address) && !binding.has(address)) return false
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear()
    this.remembered.add(address)
    return true
  }

  get digestPossible(): boolean {
    return this.digests.size > 0
  }

  get complete(): boolean {
    return this.peers.knowsEverybody && this.settled()
  }

  /** Makes these the addresses of a trunk besides its `allowed_addresses`; an empty list takes them out. A trunk that goes takes its own with it. */
  setBesides(trunkId: string, what: Besides, addresses: readonly string[]): void {
    if (this.besides[what].set(trunkId, addresses)) this.remembered.clear()
  }

  trunksAt(address: string, flow?: CallFlow): readonly TrunkAt[] {
    const { server, binding } = this.besides
    if (server.empty && binding.empty) return NONE
    const servers = server.find(address)
    const registered =
      flow === undefined || binding.empty
        ? binding.find(address)
        : this.registeredFrom({ address, port: flow.port, protocol: flow.protocol })
    const bindings = registered.filter((trunkId) => !servers.includes(trunkId))
    if (servers.length === 0 && bindings.length === 0) return NONE
    return [
      ...servers.map((trunkId) => ({ trunkId, what: 'server' as const })),
      ...bindings.map((trunkId) => ({ trunkId, what: 'binding' as const })),
    ]
  }

  private forget(trunkId: string): void {
    this.put(`trunk ${trunkId}`, [], false)
    this.setBesides(trunkId, 'server', [])
    this.setBesides(trunkId, 'binding', [])
  }

  /** A record that memory has no room for, or that does not parse any more, keeps what was known of it: its calls get an explanation. */
  private noteRecord(owner: string, isLost: boolean): void {
    this.lost.delete(owner)
    if (!isLost) return
    this.lost.add(owner)
    if (this.lost.size <= MAX_LOST) return
    for (const oldest of this.lost) {
      this.lost.delete(oldest)
      return this.put(oldest, [], false)
    }
  }

  private put(owner: string, networks: readonly string[], digest: boolean): void {
    if (this.addresses.set(owner, networks)) this.remembered.clear()
    if (digest) this.digests.add(owner)
    else this.digests.delete(owner)
  }
}
