import type { Clock, Door, DoorAnswer, DoorRequest, DoorVerdict } from '../../engine/index.js'
import { verdicts } from '../../model/verdict.js'
import { contactTokensIn, type InboundRequest } from '../../routing/did.js'
import type { AgentIdentifier } from '../../routing/identify-agent.js'
import type { Router } from '../../routing/router.js'
import type { Directory } from '../../store/directory.js'
import type { KnownSources } from '../../trunks/known-sources.js'
import { presentedNumber } from '../presented.js'
import { refusalHeaders } from '../reason.js'
import { Allowance } from './allowance.js'
import type { Overload } from './overload.js'
import { ownFault } from './own-fault.js'
import type { Scanners } from './scanners.js'
import type { SourceLedger } from './source-ledger.js'
import { sourceName } from './source-name.js'
import { dialledUser, type StrangerLog } from './stranger-log.js'

/** Why something was turned away at the door. */
export const turnedAwayFor = ['banned', 'malformed', 'not_sip', 'rate', 'scanner', 'unknown_source'] as const
export type TurnedAwayFor = (typeof turnedAwayFor)[number]

export interface EdgeDoorOptions {
  readonly clock: Clock
  /** What unknown sources get. */
  readonly unknownSource: 'drop' | '403'
  readonly ledger: SourceLedger
  /** Whether this address is never limited or banned. */
  readonly exempt: (address: string) => boolean
  readonly scanners: Scanners
  readonly overload: Overload
  readonly log: StrangerLog
}

/** What tells who a source is. */
export interface WhoIsKnown {
  readonly sources: KnownSources
  readonly directory: Pick<Directory, 'trunkOfToken'>
  readonly router: Pick<Router, 'decide'>
  readonly identifier: Pick<AgentIdentifier, 'identify'>
  /** Whether a REGISTER is for a trunk that registers to us, and may be challenged. */
  readonly registers?: ((request: DoorRequest) => boolean) | undefined
}

/** A scanner's request counts for this many. */
const SCANNER_COST = 10
/** Requests of unknown sources, of all together, that are looked into a second, and at once: who they are may take a round trip. */
const LOOKS_A_SECOND = 200
const LOOKS_UNDER_WAY = 64
/** REGISTERs of unknown sources, of all together, that may be challenged a second: each keeps a transaction for half a minute. */
const REGISTERS_A_SECOND = 500
/** What scanners try one after the other: extensions and telephone numbers. Names are not counted: what calls many names is no scanner yet. */
const NUMBER = /^[+*#]?[0-9]/
const PROVEN_MS = 3_600_000
const MAX_PROVEN = 10_000

/**
 * Who comes in, by where it comes from. Requests of unknown sources are turned away, unless they come to a Contact that we registered,
 * or concern a trunk or an agent that may prove by digest who it is. A source that sends too many is banned for a while.
 */
export class EdgeDoor implements Door {
  /** What was turned away since the start, by why. */
  readonly turnedAway: Record<TurnedAwayFor, number> = {
    banned: 0,
    malformed: 0,
    not_sip: 0,
    rate: 0,
    scanner: 0,
    unknown_source: 0,
  }
  private who: WhoIsKnown | undefined
  private readonly refusal: DoorAnswer
  private readonly looks: Allowance
  private readonly registers: Allowance
  private looksUnderWay = 0
  /** Sources that have proved who they are, and until when that counts; the latest last. */
  private readonly proven = new Map<string, number>()

  constructor(private readonly options: EdgeDoorOptions) {
    const { status, reason } = verdicts.SOURCE_UNKNOWN
    this.looks = new Allowance(options.clock, LOOKS_A_SECOND)
    this.registers = new Allowance(options.clock, REGISTERS_A_SECOND)
    this.refusal = { status, reason, headers: Object.entries(refusalHeaders('SOURCE_UNKNOWN', status)) }
  }

  /** Lets in only who is known, from now on; until then everybody comes in. */
  guard(who: WhoIsKnown): void {
    this.who = who
  }

  /** Somebody at this address has proved by digest who it is: for an hour the address is neither limited nor banned. */
  proved(address: string): void {
    this.proven.delete(address)
    if (this.proven.size >= MAX_PROVEN) this.proven.delete(this.proven.keys().next().value!)
    this.proven.set(address, this.options.clock.now() + PROVEN_MS)
  }

  bars(address: string): boolean {
    const { ledger } = this.options
    if (!ledger.isBanned(address)) return false
    // A trunk may be in the network of whoever is banned: it stays exempt, and the others stay banned.
    const isNetwork = sourceName(address) !== address
    if (isNetwork && this.isSpared(address)) return false
    // A trunk may have been given this address meanwhile.
    if (!isNetwork && ledger.mayHaveBecomeKnown(address) && this.isSpared(address)) {
      ledger.lift(address)
      return false
    }
    this.turnedAway.banned++
    return true
  }

  knows(address: string): boolean {
    return this.who === undefined || this.who.sources.known(address)
  }

  busy(): DoorAnswer | 'drop' | undefined {
    return this.options.overload.answer()
  }

  noise(address: string): void {
    if (this.knows(address)) return
    this.turnedAway.not_sip++
    if (this.who?.sources.complete === true) this.charge(address)
  }

  judge(request: DoorRequest): DoorVerdict | Promise<DoorVerdict> {
    const { who } = this
    if (who === undefined || this.isNamed(request, who)) return 'admit'
    const { sourceAddress: address, method } = request
    const isScanner = this.options.scanners.isScanner(request.header('user-agent'))
    // Before all trunks are known, those that are not yet must not be banned.
    const within = !who.sources.complete || this.charge(address, isScanner)
    if (isScanner || !within) return this.turnAway(request, isScanner ? 'scanner' : 'rate')
    if (request.malformed) {
      this.turnedAway.malformed++
      return this.options.unknownSource === 'drop' ? 'drop' : 'admit'
    }
    // Who has proved who it is waits for nobody.
    const isProven = this.hasProved(address)
    if (method === 'REGISTER' && who.registers?.(request) === true)
      return isProven || this.registers.take() ? 'admit' : this.turnAway(request, 'rate')
    const mayBeKnown = who.sources.digestPossible || !who.sources.complete
    return method === 'INVITE' && mayBeKnown && this.mayLook(isProven) ? this.look(request, who) : this.refuse(request)
  }

  /**
   * The same where somebody else's SIP server has taken the request already, and keeps state of it.
   * @returns whether it may come in
   */
  async admits(request: DoorRequest): Promise<boolean> {
    if (this.knows(request.sourceAddress)) return true
    if (this.bars(request.sourceAddress)) return false
    return (await this.judge(request)) === 'admit'
  }

  private charge(address: string, isScanner = false): boolean {
    if (this.options.exempt(address) || this.hasProved(address)) return true
    return this.options.ledger.charge(address, isScanner ? 'scanner' : 'rate', isScanner ? SCANNER_COST : 1)
  }

  private isSpared(address: string): boolean {
    return this.knows(address) || this.options.exempt(address) || this.hasProved(address)
  }

  private hasProved(address: string): boolean {
    const until = this.proven.size === 0 ? undefined : this.proven.get(address)
    return until !== undefined && until > this.options.clock.now()
  }

  /** It comes to a Contact that a trunk was registered with: that trunk's, wherever it comes from. */
  private isNamed(request: DoorRequest, { directory }: WhoIsKnown): boolean {
    return contactTokensIn(seenByRouting(request)).some((token) => directory.trunkOfToken(token) !== undefined)
  }

  private async look(request: DoorRequest, { router, identifier }: WhoIsKnown): Promise<DoorVerdict> {
    this.looksUnderWay++
    try {
      const seen = seenByRouting(request)
      const { decision, asks } = await router.decide(seen)
      if (asks !== undefined || decision.trace.identified_by !== null) return 'admit'
      const message = { header: seen.header, headers: () => [], body: '' }
      const claim = { sourceAddress: request.sourceAddress, presented: presentedNumber(message).value }
      return (await identifier.identify(claim)).by === 'nobody' ? this.refuse(request) : 'admit'
    } finally {
      this.looksUnderWay--
    }
  }

  private mayLook(isProven: boolean): boolean {
    return this.looksUnderWay < LOOKS_UNDER_WAY && (isProven || this.looks.take())
  }

  /** Nobody we know, and nothing it could prove. */
  private refuse(request: DoorRequest): DoorVerdict {
    const { ledger } = this.options
    const { sourceAddress: address, method } = request
    const dialled = method === 'ACK' || method === 'CANCEL' ? '' : dialledUser(request)
    if (NUMBER.test(dialled) && ledger.scans(address, dialled)) {
      this.charge(address, true)
      return this.turnAway(request, 'scanner')
    }
    return this.turnAway(request, 'unknown_source')
  }

  private turnAway(request: DoorRequest, reason: TurnedAwayFor): DoorVerdict {
    const { unknownSource, log } = this.options
    this.turnedAway[reason]++
    const answers = reason === 'unknown_source' && unknownSource === '403'
    const verdict = answers ? (ownFault(request) ?? this.refusal) : 'drop'
    log.tell(request, reason, verdict === 'drop' ? 'none' : String(verdict.status))
    return verdict
  }
}

function seenByRouting(request: DoorRequest): InboundRequest {
  return {
    requestUri: request.requestUri,
    sourceAddress: request.sourceAddress,
    header: (name) => request.header(name),
  }
}
