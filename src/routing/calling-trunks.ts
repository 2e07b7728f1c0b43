import type { Trunk } from '../model/trunk.js'
import type { Directory } from '../store/directory.js'
import {
  checkRequired,
  matchAddress,
  matchDigest,
  matchToken,
  noMatch,
  type Requirements,
  type TrunkTried,
} from '../trunks/identify.js'
import type { TrunkAt, TrunksAt } from '../trunks/known-sources.js'
import { contactTokensIn, type InboundRequest } from './did.js'
import type { Lookups } from './lookups.js'

/** Where trunks are found. */
export type TrunkTable = Pick<Directory, 'trunk' | 'trunksForAddress' | 'lastTrunk' | 'trunkOfToken'>

/** Which trunks one call may come from: by the token of our Contact, by credentials that were shown, or by its source address. */
export class CallingTrunks {
  /** The trunk that the call comes from whatever its address. */
  private named: Trunk | undefined
  private namedBy: 'token' | 'digest' = 'token'
  /** Trunks that the call's source is one of, besides those that allow its address. */
  private besides: readonly TrunkAt[] = []

  constructor(
    private readonly request: InboundRequest,
    private readonly table: TrunkTable,
    private readonly sources: TrunksAt | undefined,
  ) {}

  /** The trunks, those first whose `allowed_addresses` are narrowest. */
  find(lookups: Lookups): readonly Trunk[] | Promise<readonly Trunk[]> {
    const { request, sources } = this
    this.besides = sources?.trunksAt(request.sourceAddress, request.flow) ?? []
    // Our own Contact says whose call it is, wherever the call comes from, and so do credentials.
    this.named = this.findNamed()
    const { provenTrunkId } = request
    if (this.named === undefined && provenTrunkId !== undefined)
      return this.findProven(provenTrunkId, lookups).then((proven) => {
        this.named = proven
        return this.trunks()
      })
    return this.trunks()
  }

  private trunks(): readonly Trunk[] {
    const { named, request } = this
    if (named !== undefined) return [named]
    const trunks = this.atAddress()
    return request.accountId === undefined ? trunks : trunks.filter((trunk) => this.isAsked(trunk))
  }

  /** Something says which trunk it is, whatever the address. */
  get isNamed(): boolean {
    return this.named !== undefined
  }

  /** Whether the record is of the account that is asked about, if it is about one. */
  isAsked({ account_id }: { readonly account_id: string }): boolean {
    const { accountId } = this.request
    return accountId === undefined || account_id === accountId
  }

  /** Whether the call may come from this trunk. */
  match(trunk: Trunk): Requirements {
    const { named } = this
    if (named !== undefined && trunk.id !== named.id)
      return { tried: noMatch(trunk, this.sayNamed(named)), asksDigest: false }
    const address = (): TrunkTried => this.matchSource(trunk)
    const identified =
      named === undefined ? address() : this.namedBy === 'token' ? matchToken(trunk) : matchDigest(trunk)
    return checkRequired(trunk, identified, address, this.request.provenTrunkId === trunk.id)
  }

  /** Whether the source address is one of the trunk's. */
  matchSource(trunk: Trunk): TrunkTried {
    const { sourceAddress } = this.request
    const isTrunk = ({ trunkId }: TrunkAt): boolean => trunkId === trunk.id
    // Where credentials are asked for as well, they tell apart who shares an address: a connection of its own for calls will do.
    const besides =
      this.besides.find(isTrunk) ??
      (trunk.require.includes('digest') ? this.sources?.trunksAt(sourceAddress).find(isTrunk) : undefined)
    return matchAddress(trunk, sourceAddress, besides?.what)
  }

  private findNamed(): Trunk | undefined {
    for (const token of contactTokensIn(this.request)) {
      const trunk = this.table.trunkOfToken(token)
      if (trunk !== undefined && this.isAsked(trunk)) return trunk
    }
    return undefined
  }

  private async findProven(id: string, lookups: Lookups): Promise<Trunk | undefined> {
    this.namedBy = 'digest'
    return lookups.count(await this.table.trunk(id)).value
  }

  /** The trunks that allow the source address, then those whose server or binding it is. */
  private atAddress(): readonly Trunk[] {
    const allowing = this.table.trunksForAddress(this.request.sourceAddress)
    if (this.besides.length === 0) return allowing
    const others = this.besides.flatMap(({ trunkId }) =>
      allowing.some(({ id }) => id === trunkId) ? [] : (this.table.lastTrunk(trunkId) ?? []),
    )
    return [...allowing, ...others]
  }

  private sayNamed({ id }: Trunk): string {
    return this.namedBy === 'token'
      ? `the call came to the Contact of trunk ${id}`
      : `the call has the credentials of trunk ${id}`
  }
}
