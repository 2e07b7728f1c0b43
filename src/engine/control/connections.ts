import type { Apps } from '../dialog/app.js'
import type { Connection } from './connection.js'

/** Verbs one application may take: more than there are. */
const MAX_VERBS = 64

/** The applications that are connected, and whose turn it is for a new request of each method. */
export class Connections implements Apps {
  private readonly connections = new Set<Connection>()
  /** Connections that take a method, in the order they said so. */
  private readonly byVerb = new Map<string, Connection[]>()
  private readonly turns = new Map<string, number>()
  /** By method and tag; begins anew when an application leaves, so that tags nobody has any more are forgotten. */
  private readonly tagTurns = new Map<string, number>()

  get count(): number {
    return this.connections.size
  }

  add(connection: Connection): void {
    this.connections.add(connection)
  }

  remove(connection: Connection): void {
    this.connections.delete(connection)
    this.tagTurns.clear()
    for (const verb of connection.verbs) this.unlist(connection, verb)
  }

  /** Idempotent: an application that says it twice gets no double share. */
  addRoute(connection: Connection, verb: string): void {
    if (connection.verbs.has(verb) || connection.verbs.size >= MAX_VERBS) return
    connection.verbs.add(verb)
    const takers = this.byVerb.get(verb)
    if (takers === undefined) this.byVerb.set(verb, [connection])
    else takers.push(connection)
  }

  removeRoute(connection: Connection, verb: string): void {
    connection.verbs.delete(verb)
    this.unlist(connection, verb)
  }

  choose(method: string): Connection | undefined {
    const takers = this.byVerb.get(method)
    if (takers === undefined || takers.length === 0) return undefined
    const turn = (this.turns.get(method) ?? 0) % takers.length
    this.turns.set(method, turn + 1)
    return takers[turn]
  }

  /** The same among those that have the tag; each tag has turns of its own. */
  chooseTagged(method: string, tag: string): Connection | undefined {
    const takers = this.byVerb.get(method)?.filter(({ tags }) => tags.includes(tag)) ?? []
    if (takers.length === 0) return undefined
    const key = `${method} ${tag}`
    const turn = (this.tagTurns.get(key) ?? 0) % takers.length
    this.tagTurns.set(key, turn + 1)
    return takers[turn]
  }

  all(): IterableIterator<Connection> {
    return this.connections.values()
  }

  private unlist(connection: Connection, verb: string): void {
    const left = this.byVerb.get(verb)?.filter((taker) => taker !== connection) ?? []
    if (left.length > 0) this.byVerb.set(verb, left)
    else this.byVerb.delete(verb)
  }
}
