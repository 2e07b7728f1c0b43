import { localId } from '../model/account.js'
import type { Decision, DecisionTrace, TrunkRule } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import { printable } from '../model/printable.js'
import type { DidSource, Trunk } from '../model/trunk.js'
import { verdicts, type VerdictCode } from '../model/verdict.js'
import type { Directory, Found, FoundFrom } from '../store/directory.js'
import type { TrunkTried } from '../trunks/identify.js'
import type { TrunksAt } from '../trunks/known-sources.js'
import { CallingTrunks } from './calling-trunks.js'
import { DidParser, requestHost, type InboundRequest } from './did.js'
import { describeUnknown, hostOf, missingCountry, whomItAllows } from './explain.js'
import { Lookups } from './lookups.js'
import { candidatesFrom, distinctReadings, plainReader, readersOf, type Reader } from './reader.js'
import type { Routed } from './router.js'

/** What routing asks of the store. */
export type RoutingTable = Pick<
  Directory,
  'warmNumber' | 'numbers' | 'agent' | 'trunk' | 'trunksForAddress' | 'lastTrunk' | 'trunkOfToken' | 'knowsTrunks'
>

/** Entries of each kind in the record of a decision. */
const MAX_TRACED = 16
const MAX_DETAIL = 500

/** A number that was read and that belongs to a trunk the call may come from. */
interface Hit {
  readonly number: PhoneNumber
  readonly trunk: Trunk
  readonly reader: Reader
}

/** What stood in the way of a number that was read. */
interface Miss {
  readonly code: 'NUMBER_NOT_ON_TRUNK' | 'CREDENTIALS_REQUIRED' | 'NUMBER_RECORD_INVALID' | 'ROUTING_UNAVAILABLE'
  readonly why: string
  readonly number?: PhoneNumber
  readonly tried?: { readonly trunk: Trunk; readonly tried: TrunkTried }
  /** Lets callers prove by digest that they are it, and has not matched. */
  readonly asks?: Trunk
  /** The number is of an account that no trunk of the caller is of: to whoever calls it does not exist. */
  readonly foreign?: boolean
}

/** One decision under way. */
export class Deciding {
  private readonly lookups: Lookups
  private readonly parser: DidParser
  private readonly source: string
  private readonly tried = new Map<string, { readonly trunk: Trunk; readonly tried: TrunkTried }>()
  private readonly found = new Map<string, PhoneNumber>()
  /** The trunks that the call may come from. */
  private matched: readonly Trunk[] = []
  private readonly misses: Miss[] = []
  private readers: Reader[] = []
  private readonly calling: CallingTrunks
  /** How the trunk of the call was identified, once it is known. */
  private rule: TrunkRule | null = null

  constructor(
    private readonly request: InboundRequest,
    private readonly directory: RoutingTable,
    sources: TrunksAt | undefined,
  ) {
    this.calling = new CallingTrunks(request, directory, sources)
    this.lookups = new Lookups(directory)
    this.parser = new DidParser(request)
    this.source = printable(request.sourceAddress, 64)
  }

  /** The least certain place an answer came from. */
  get lookedUp(): FoundFrom | undefined {
    return this.lookups.worst
  }

  async decide(): Promise<Routed> {
    const calling = this.calling.find(this.lookups)
    const matched = calling instanceof Promise ? await calling : calling
    this.matched = matched
    for (const trunk of matched.slice(0, MAX_TRACED))
      this.tried.set(trunk.id, { trunk, tried: this.calling.match(trunk).tried })
    this.readers = matched.length > 0 ? readersOf(matched, this.parser) : [plainReader(this.parser)]
    const hit = await this.findHit()
    if (hit !== undefined) return this.toAgent(hit)
    return matched.length > 0 ? this.refuseKnown(matched) : this.refuseUnknown()
  }

  refuse(code: VerdictCode, detail: string, nearestMiss: string | null, number?: PhoneNumber, trunk?: Trunk): Routed {
    const asks = this.misses.find(
      (miss) => miss.asks !== undefined && (ASKABLE.has(code) || miss.foreign === true),
    )?.asks
    return {
      decision: this.decision(code, detail, nearestMiss, number, trunk),
      ...(number && { number }),
      ...(trunk && { trunk }),
      ...(asks && { asks }),
    }
  }

  /** The number that a trunk reads earliest among its sources, of those that belong to it. */
  private async findHit(): Promise<Hit | undefined> {
    const ranks = Math.max(...this.readers.map((reader) => reader.ranks))
    for (let rank = 0; rank < ranks; rank++) {
      const hits: Hit[] = []
      for (const reader of this.readers)
        for (const candidate of reader.at(rank)?.candidates ?? []) {
          const hit = await this.examine(candidate, reader, rank)
          if (hit !== undefined) hits.push(hit)
        }
      if (hits.length > 0) return this.prefer(hits)
      if (this.misses.some(({ code }) => code === 'NUMBER_RECORD_INVALID')) return undefined
    }
    return undefined
  }

  /** Trunks that each have what they read are told apart by the host that was called. No guess is made between accounts. */
  private prefer(hits: readonly Hit[]): Hit | undefined {
    const [first] = hits
    if (first === undefined || hits.every(({ trunk }) => trunk.id === first.trunk.id)) return first
    const host = requestHost(this.request)
    const called = hits.find(({ trunk }) => host !== undefined && hostOf(trunk) === host)
    if (called !== undefined) return called
    const other = hits.find(({ trunk }) => trunk.account_id !== first.trunk.account_id)
    if (other === undefined) return first
    const why = 'what was called is of more than one account, and the Request-URI names the sip_domain of none of them'
    this.misses.unshift({ code: 'NUMBER_NOT_ON_TRUNK', why })
    return undefined
  }

  private async examine(candidate: string, reader: Reader, rank: number): Promise<Hit | undefined> {
    const found =
      this.lookups.known(candidate) ??
      (await this.lookups.find(candidate, () => candidatesFrom([reader, ...this.readers], rank)))
    if (found.invalid !== undefined) {
      const why = `the record of ${candidate} does not parse: ${found.invalid}`
      return this.miss({ code: 'NUMBER_RECORD_INVALID', why })
    }
    if (found.from === 'unavailable') {
      const why = `${candidate} is not in memory, and Redis cannot be asked`
      return this.miss({ code: 'ROUTING_UNAVAILABLE', why })
    }
    const { value: number } = found
    if (number === undefined || !this.calling.isAsked(number)) return undefined
    this.found.set(candidate, number)
    // Asked even when it is among those that matched: they may be a moment old.
    const trunk = this.directory.trunk(number.trunk_id)
    const known = this.lookups.count(trunk instanceof Promise ? await trunk : trunk)
    return this.holdAgainst(number, known, reader, rank)
  }

  /** Whether the number's trunk lets this call in, and reads it where it was read. */
  private holdAgainst(number: PhoneNumber, found: Found<Trunk>, reader: Reader, rank: number): Hit | undefined {
    const { phone_number, trunk_id } = number
    const { value: trunk } = found
    if (found.invalid !== undefined) {
      const why = `${phone_number} is on trunk ${trunk_id}, whose record does not parse: ${found.invalid}`
      return this.miss({ code: 'NUMBER_RECORD_INVALID', number, why })
    }
    if (trunk === undefined) {
      const gone = found.from !== 'unavailable'
      const why = `${phone_number} is on trunk ${trunk_id}, which ${gone ? 'does not exist' : 'is not in memory, and Redis cannot be asked'}`
      return this.miss({ code: gone ? 'NUMBER_NOT_ON_TRUNK' : 'ROUTING_UNAVAILABLE', number, why })
    }
    const { tried, asksDigest } = this.calling.match(trunk)
    const { source } = reader.at(rank) ?? {}
    const why = this.whyNot(number, trunk, tried, reader, source)
    if (why !== undefined) {
      const mayProve = asksDigest || (!this.calling.isNamed && !tried.matched && !trunk.require.includes('address'))
      const asks = mayProve && mayAsk(trunk, number) ? { asks: trunk } : {}
      const code = asksDigest ? 'CREDENTIALS_REQUIRED' : 'NUMBER_NOT_ON_TRUNK'
      return this.miss({ code, number, tried: { trunk, tried }, why, ...asks })
    }
    this.tried.set(trunk_id, { trunk, tried })
    return { number, trunk, reader }
  }

  private whyNot(
    { phone_number, account_id }: PhoneNumber,
    trunk: Trunk,
    { matched, why }: TrunkTried,
    reader: Reader,
    source: DidSource | undefined,
  ): string | undefined {
    if (trunk.account_id !== account_id) return `${phone_number} and its trunk ${trunk.id} are of different accounts`
    if (!matched && (this.calling.isNamed || this.calling.matchSource(trunk).matched))
      return `${phone_number} is on trunk ${trunk.id}; ${why}`
    if (!matched)
      return `${phone_number} is on trunk ${trunk.id}, ${whomItAllows(trunk)}; the call came from ${this.source}`
    if (reader.trunks.has(trunk.id)) return undefined
    // A trunk that memory did not have is read for by others, where they read alike.
    const isReadForElsewhere = this.readers.some(({ trunks }) => trunks.has(trunk.id))
    if (source !== undefined && trunk.did_from.includes(source) && !isReadForElsewhere) return undefined
    return `${phone_number} on trunk ${trunk.id} stands in ${source ?? 'the request'}; that trunk reads ${trunk.did_from.join(', ')}`
  }

  private miss(miss: Miss): undefined {
    const { tried, number } = miss
    const isForeign =
      number !== undefined &&
      this.matched.length > 0 &&
      !this.matched.some((trunk) => trunk.account_id === number.account_id)
    this.misses.push(isForeign ? { ...miss, foreign: true } : miss)
    if (isForeign) return undefined
    if (tried !== undefined && this.tried.size < MAX_TRACED && !this.tried.has(tried.trunk.id))
      this.tried.set(tried.trunk.id, tried)
  }

  private async toAgent({ number, trunk, reader }: Hit): Promise<Routed> {
    this.readers = [reader]
    this.rule = this.tried.get(trunk.id)?.tried.rule ?? null
    const refuse = (code: VerdictCode, why: string): Routed => this.refuse(code, why, why, number, trunk)
    const { phone_number, inbound_agent_id: agentId } = number
    if (!number.enabled) return refuse('NUMBER_DISABLED', `${phone_number} is switched off`)
    if (agentId === null) return refuse('NUMBER_HAS_NO_AGENT', `${phone_number} has no inbound agent`)
    const asked = this.directory.agent(agentId)
    const found = this.lookups.count(asked instanceof Promise ? await asked : asked)
    const { value: agent } = found
    if (found.invalid !== undefined)
      return refuse('NUMBER_RECORD_INVALID', `the record of agent ${agentId} does not parse: ${found.invalid}`)
    if (agent === undefined)
      return found.from === 'unavailable'
        ? refuse('ROUTING_UNAVAILABLE', `agent ${agentId} is not in memory, and Redis cannot be asked`)
        : refuse('AGENT_UNKNOWN', `${phone_number} names agent ${agentId}, which does not exist`)
    if (agent.account_id !== number.account_id)
      return refuse('AGENT_UNKNOWN', `${phone_number} and its agent ${agentId} are of different accounts`)
    const detail = `${phone_number} on trunk ${trunk.id} goes to agent ${agentId}`
    const decision = this.decision(null, detail, null, number, trunk)
    return { decision: { ...decision, targets: [agent.sip_uri, ...agent.fallback_sip_uris] }, number, trunk, agent }
  }

  /** What the accounts of the caller may know of. */
  private get ownMisses(): readonly Miss[] {
    return this.misses.filter(({ foreign }) => foreign !== true)
  }

  /** The source is one of ours; what it calls is not. */
  private async refuseKnown(matched: readonly Trunk[]): Promise<Routed> {
    const trunk = matched.length === 1 ? matched[0] : undefined
    const misses = this.ownMisses
    const miss = misses.find(({ code }) => code !== 'NUMBER_NOT_ON_TRUNK') ?? misses[0]
    if (miss !== undefined) return this.refuse(miss.code, miss.why, miss.why, undefined, trunk)
    const readings = distinctReadings(this.readers)
    const elsewhere = await this.findElsewhere()
    if (elsewhere !== undefined) return this.toAgent(elsewhere)
    const nearest = this.ownMisses.find(({ number }) => number !== undefined)?.why ?? null
    if (readings.every(({ value }) => value === null)) {
      const sources = [...new Set(readings.map(({ source }) => source))].join(', ')
      return this.refuse('NUMBER_UNREADABLE', `no number stands in ${sources}`, nearest, undefined, trunk)
    }
    return this.refuse(
      'NUMBER_UNKNOWN',
      describeUnknown(readings),
      nearest ?? missingCountry(readings, trunk),
      undefined,
      trunk,
    )
  }

  /**
   * Looks in every usual place, the trunk's or not: for the explanation. A trunk that memory did not have, behind the same address
   * as those it had, is found that way.
   */
  private async findElsewhere(): Promise<Hit | undefined> {
    const reader = plainReader(this.parser)
    for (let rank = 0; rank < reader.ranks; rank++)
      for (const candidate of reader.at(rank)?.candidates ?? []) {
        const hit = await this.examine(candidate, reader, rank)
        if (hit !== undefined) return hit
      }
    return undefined
  }

  private refuseUnknown(): Routed {
    const invalid = this.misses.find(({ code, number }) => code === 'NUMBER_RECORD_INVALID' && number !== undefined)
    if (invalid !== undefined) return this.refuse(invalid.code, invalid.why, invalid.why)
    const unavailable = this.misses.find(({ code }) => code === 'ROUTING_UNAVAILABLE')
    if (unavailable !== undefined && !this.directory.knowsTrunks)
      return this.refuse('ROUTING_UNAVAILABLE', unavailable.why, unavailable.why)
    const nearest = this.misses.find(({ number }) => number !== undefined) ?? this.misses[0]
    const why = nearest?.why ?? describeUnknown(distinctReadings(this.readers))
    return this.refuse('SOURCE_UNKNOWN', `no trunk allows ${this.source}`, why)
  }

  private decision(
    code: VerdictCode | null,
    detail: string,
    nearestMiss: string | null,
    number: PhoneNumber | undefined,
    trunk: Trunk | undefined,
  ): Decision {
    const accountId = number?.account_id ?? trunk?.account_id ?? this.onlyAccount() ?? null
    return {
      outcome: code === null ? 'agent' : 'refused',
      code,
      sip_status: code === null ? null : verdicts[code].status,
      detail: printable(detail, MAX_DETAIL),
      account_id: accountId,
      phone_number: number?.phone_number ?? null,
      trunk_id: trunk?.id ?? null,
      agent_id: number?.inbound_agent_id ?? null,
      targets: [],
      trace: this.trace(nearestMiss, accountId),
    }
  }

  /** The account of a call that nothing else tells the account of. */
  private onlyAccount(): string | undefined {
    const { matched } = this
    const missed = this.ownMisses.find(({ number }) => number !== undefined)?.number
    const account = (missed ?? matched[0])?.account_id
    const isOnly = missed !== undefined || matched.every(({ account_id }) => account_id === account)
    return matched.length > 0 && isOnly ? account : undefined
  }

  private foundOf(candidates: readonly string[]): PhoneNumber[] {
    return candidates.flatMap((candidate) => this.found.get(candidate) ?? [])
  }

  /** @param accountId whose the call is: then nothing of other accounts is told */
  private trace(nearestMiss: string | null, accountId: string | null): DecisionTrace {
    const { worst } = this.lookups
    const isTold = (record: { readonly account_id: string }): boolean =>
      accountId === null || record.account_id === accountId
    const tried: TrunkTried[] = []
    for (const { trunk, tried: one } of this.tried.values()) {
      if (!isTold(trunk)) continue
      const trunk_id = accountId === null ? one.trunk_id : localId(one.trunk_id)
      tried.push(trunk_id === one.trunk_id ? one : { ...one, trunk_id })
    }
    return {
      source_address: this.source,
      // As long as it is: it stays for as long as the call.
      trunks_tried: tried.slice(),
      identified_by: tracedRule(this.rule ?? tried.find(({ matched }) => matched)?.rule ?? null),
      sources_read: distinctReadings(this.readers)
        .slice(0, MAX_TRACED)
        .map(({ source, value, candidates }) => ({
          source,
          value,
          normalised: [...candidates],
          found: this.foundOf(candidates).find(isTold)?.phone_number ?? null,
        })),
      nearest_miss: nearestMiss === null ? null : printable(nearestMiss, MAX_DETAIL),
      looked_up: worst === undefined || worst === 'unavailable' ? 'none' : worst,
    }
  }
}

const tracedRule = (rule: TrunkRule | null): DecisionTrace['identified_by'] =>
  rule === 'contact-token' ? 'token' : rule

/** Refusals for want of a trunk that the call comes from. */
const ASKABLE: ReadonlySet<VerdictCode> = new Set(['SOURCE_UNKNOWN', 'NUMBER_NOT_ON_TRUNK', 'CREDENTIALS_REQUIRED'])

const mayAsk = (trunk: Trunk, { account_id }: PhoneNumber): boolean =>
  trunk.inbound_auth !== null && trunk.account_id === account_id
