import type { Clock, Timer } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { askedOf, type HopQuestion } from './targets.js'
import { formatNextHop, readNextHop } from './next-hop.js'
import type { TrunkSource } from './ping.js'
import type { SourceBook } from './known-sources.js'

/** Finds the servers behind a host name or address; the engine's resolver. */
export interface ServerFinder {
  /** @throws {Error} with the `code` of a ResolveError */
  find(hop: HopQuestion): Promise<{
    readonly targets: readonly { readonly address: string }[]
    /** Milliseconds for which it holds; Infinity when name servers were not asked. */
    readonly freshMs: number
  }>
}

export interface ServerAddressesOptions {
  readonly trunks: TrunkSource
  readonly finder: ServerFinder
  readonly sources: Pick<SourceBook, 'setBesides'>
  readonly clock: Clock
  /** Names kept fresh at most. */
  readonly maxNames: number
}

/** Names are asked for again when their records end, within these bounds. */
const MIN_FRESH_MS = 10_000
const MAX_FRESH_MS = 3_600_000
/** What did not come from name servers (`/etc/hosts`) is looked at this often. */
const LOCAL_FRESH_MS = 60_000
/** While name servers fail they are asked this often, and the last answer counts no longer than that. */
const RETRY_MS = 15_000
const KEEP_MS = 3_600_000
/** Names under way at the same time, and begun in one slice of time: 200 a second. */
const MAX_UNDER_WAY = 16
const SLICE_MS = 100
const MAX_IN_SLICE = 20

/** Errors of the resolver that say that nothing is there, rather than that nobody could be asked. */
const ANSWERS = new Set(['NOT_FOUND', 'INVALID', 'UNSUPPORTED', 'REFUSED'])

/** One next hop, however many trunks have it. */
interface Name {
  readonly key: string
  readonly question: HopQuestion
  readonly trunks: Set<string>
  addresses: readonly string[]
  /** When the addresses were last known to be right. */
  goodAtMs: number
  timer: Timer | undefined
}

/** What is held of one trunk. */
interface Held {
  readonly names: readonly Name[]
  /** Where its REGISTER was accepted. */
  registrar: string | undefined
}

/**
 * The addresses of all trunks' servers, as calls may come from them: what outbound proxies and SIP domains resolve to (RFC 3263), and where
 * REGISTERs were accepted. Resolved in the background, each name once for all its trunks and at a pace that name servers bear; each
 * edge does so for itself.
 */
export class ServerAddresses {
  private readonly names = new Map<string, Name>()
  private readonly held = new Map<string, Held>()
  private readonly queue = new Set<Name>()
  private underWay = 0
  private inSlice = 0
  private slice: Timer | undefined
  private started = false
  private hasSettled = false
  private stopped = false
  private stopListening: (() => void) | undefined

  constructor(private readonly options: ServerAddressesOptions) {}

  start(): void {
    this.started = true
    this.stopListening = this.options.trunks.onTrunk((id, trunk) => this.learn(id, trunk))
  }

  stop(): void {
    this.stopped = true
    this.stopListening?.()
    this.slice?.cancel()
    this.queue.clear()
    for (const { timer } of this.names.values()) timer?.cancel()
    this.names.clear()
    this.held.clear()
  }

  /** Whether all names there were at the start have been asked for. */
  get settled(): boolean {
    this.hasSettled ||= this.started && this.queue.size === 0 && this.underWay === 0
    return this.hasSettled
  }

  /** Names that are kept fresh. */
  get size(): number {
    return this.names.size
  }

  /** The server that has accepted the trunk's REGISTER; undefined: it is not registered any more. */
  registeredAt(trunkId: string, address: string | undefined): void {
    const held = this.held.get(trunkId)
    if (held === undefined || held.registrar === address) return
    held.registrar = address
    this.publish(trunkId)
  }

  private learn(id: string, trunk: Trunk | undefined): void {
    if (this.stopped) return
    const before = this.held.get(id)
    const questions = trunk === undefined ? new Map<string, HopQuestion>() : questionsOf(trunk)
    if (
      before !== undefined &&
      before.names.length === questions.size &&
      before.names.every(({ key }) => questions.has(key))
    )
      return
    const names = [...questions].flatMap(([key, question]) => this.take(id, key, question) ?? [])
    for (const name of before?.names ?? []) if (!names.includes(name)) this.release(id, name)
    if (trunk === undefined) this.held.delete(id)
    else this.held.set(id, { names, registrar: before?.registrar })
    this.publish(id)
  }

  /** The name as one of the trunk's; undefined when there is no room for it. */
  private take(trunkId: string, key: string, question: HopQuestion): Name | undefined {
    let name = this.names.get(key)
    if (name === undefined) {
      if (this.names.size >= this.options.maxNames) return undefined
      name = { key, question, trunks: new Set(), addresses: [], goodAtMs: 0, timer: undefined }
      this.names.set(key, name)
      this.queue.add(name)
      this.pump()
    }
    name.trunks.add(trunkId)
    return name
  }

  private release(trunkId: string, name: Name): void {
    name.trunks.delete(trunkId)
    if (name.trunks.size > 0) return
    name.timer?.cancel()
    this.queue.delete(name)
    this.names.delete(name.key)
  }

  /** Begins to ask, as far as the pace allows. */
  private pump(): void {
    for (const name of this.queue) {
      if (this.stopped || this.underWay >= MAX_UNDER_WAY || this.inSlice >= MAX_IN_SLICE) break
      this.queue.delete(name)
      this.inSlice += 1
      void this.ask(name)
    }
    if (this.stopped || this.inSlice === 0) return
    this.slice ??= this.options.clock.after(SLICE_MS, () => {
      this.slice = undefined
      this.inSlice = 0
      this.pump()
    })
  }

  private async ask(name: Name): Promise<void> {
    const { finder, clock } = this.options
    this.underWay += 1
    let againMs = RETRY_MS
    let addresses = name.addresses
    try {
      const { targets, freshMs } = await finder.find(name.question)
      addresses = [...new Set(targets.map(({ address }) => address))].sort()
      name.goodAtMs = clock.now()
      againMs = freshMs === Infinity ? LOCAL_FRESH_MS : Math.min(Math.max(freshMs, MIN_FRESH_MS), MAX_FRESH_MS)
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code
      const isAnswer = typeof code === 'string' && ANSWERS.has(code)
      if (isAnswer || clock.now() - name.goodAtMs >= KEEP_MS) addresses = []
    }
    this.underWay -= 1
    // The trunk may have gone meanwhile, or be another by now.
    if (!this.stopped && this.names.get(name.key) === name) {
      name.timer = clock.after(againMs, () => {
        this.queue.add(name)
        this.pump()
      })
      this.update(name, addresses)
    }
    this.pump()
  }

  private update(name: Name, addresses: readonly string[]): void {
    if (addresses.length === name.addresses.length && addresses.every((one, i) => one === name.addresses[i])) return
    name.addresses = addresses
    for (const trunkId of name.trunks) this.publish(trunkId)
  }

  private publish(trunkId: string): void {
    const held = this.held.get(trunkId)
    const addresses = new Set((held?.names ?? []).flatMap((name) => name.addresses))
    if (held?.registrar !== undefined) addresses.add(held.registrar)
    this.options.sources.setBesides(trunkId, 'server', [...addresses])
  }
}

/** What is to be asked for a trunk: its outbound proxy and its SIP domain, as calls to it would ask. */
function questionsOf(trunk: Trunk): Map<string, HopQuestion> {
  const questions = new Map<string, HopQuestion>()
  for (const read of [readNextHop(trunk), readNextHop({ ...trunk, outbound_proxy: null })])
    if (read.ok) questions.set(formatNextHop(read.hop).toLowerCase(), askedOf(read.hop))
  return questions
}
