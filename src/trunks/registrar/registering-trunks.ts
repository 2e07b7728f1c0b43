import { createHmac } from 'node:crypto'
import type { Trunk } from '../../model/trunk.js'
import { NameIndex } from '../../store/name-index.js'

/** A trunk that may register to us. */
export type RegisteringTrunk = Trunk & { readonly inbound_auth: NonNullable<Trunk['inbound_auth']> }

/** Realms that one REGISTER is challenged for, and trunks that one user name is tried for, at most. */
const MAX_REALMS = 4
const MAX_CANDIDATES = 8

export function mayRegister(trunk: Trunk): trunk is RegisteringTrunk {
  return trunk.register_in && trunk.inbound_auth !== null
}

/** What the contacts of a trunk were registered with: another user or realm ends them. */
export const userKey = ({ inbound_auth: { username, realm } }: RegisteringTrunk): string =>
  JSON.stringify([username, realm])

/** The trunks that may register to us, by the users that they register as. */
export class RegisteringTrunks {
  private readonly trunks = new Map<string, RegisteringTrunk>()
  /** By the user of `inbound_auth`, and by that of the AOR when it is another one: the trunk's `username`. */
  private readonly users = new NameIndex()
  private readonly aors = new NameIndex()
  /** How many trunks have a realm. */
  private readonly realms = new Map<string, number>()

  /** @param key what decides the realm that somebody unknown is asked for: the same on all edges, and known to nobody else */
  constructor(private readonly key: Uint8Array) {}

  get size(): number {
    return this.trunks.size
  }

  get(id: string): RegisteringTrunk | undefined {
    return this.trunks.get(id)
  }

  all(): IterableIterator<RegisteringTrunk> {
    return this.trunks.values()
  }

  /** Makes this the trunk of `id`; undefined takes it out. */
  set(id: string, trunk: RegisteringTrunk | undefined): void {
    const former = this.trunks.get(id)
    if (former !== undefined) this.count(former.inbound_auth.realm, -1)
    if (trunk === undefined) this.trunks.delete(id)
    else this.trunks.set(id, trunk)
    if (trunk !== undefined) this.count(trunk.inbound_auth.realm, 1)
    this.users.set(id, trunk?.inbound_auth.username)
    this.aors.set(id, trunk?.username ?? undefined)
  }

  /** Those that have this digest user in this realm. */
  ofUser(username: string, realm: string): RegisteringTrunk[] {
    return this.find(this.users, username).filter(({ inbound_auth }) => inbound_auth.realm === realm)
  }

  /** Whether the trunk registers as that user. */
  static isUserOf(trunk: RegisteringTrunk, user: string): boolean {
    return user === trunk.inbound_auth.username || user === trunk.username
  }

  /** The realms that who wants to register that user is asked for, 1 to 4. Nobody can tell by them whether there is such a user. */
  realmsOf(user: string): string[] {
    const trunks = [...this.find(this.users, user), ...this.find(this.aors, user)]
    const realms = [...new Set(trunks.map(({ inbound_auth }) => inbound_auth.realm))].slice(0, MAX_REALMS)
    if (realms.length > 0) return realms
    const all = [...this.realms.keys()].sort()
    const draw = createHmac('sha256', this.key).update(user).digest().readUInt32BE(0)
    return all.slice(draw % Math.max(all.length, 1)).slice(0, 1)
  }

  private find(index: NameIndex, name: string): RegisteringTrunk[] {
    return index
      .find(name)
      .slice(0, MAX_CANDIDATES)
      .flatMap((id) => this.trunks.get(id) ?? [])
  }

  private count(realm: string, by: 1 | -1): void {
    const count = (this.realms.get(realm) ?? 0) + by
    if (count > 0) this.realms.set(realm, count)
    else this.realms.delete(realm)
  }
}
