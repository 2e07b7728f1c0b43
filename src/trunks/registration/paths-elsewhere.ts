import { LRUCache } from 'lru-cache'
import { parseUri, type Clock } from '../../engine/index.js'
import type { Registration } from '../../model/registration.js'
import type { Registrations } from '../../store/registrations.js'
import type { RegisteredPath } from '../trunk-paths.js'
import { checkRoutes } from './bindings.js'

/** What other edges wrote is believed so long. */
const FRESH_MS = 1_000
const MAX_REMEMBERED = 10_000

interface Remembered {
  readonly atMs: number
  readonly path: Promise<RegisteredPath | undefined>
}

/** Where trunks are registered that other edges own: asked of Redis once a second at most for each. */
export class PathsElsewhere {
  private readonly remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED })

  constructor(
    private readonly clock: Clock,
    private readonly store: Pick<Registrations, 'get'>,
  ) {}

  of(trunkId: string): Promise<RegisteredPath | undefined> {
    const now = this.clock.now()
    const known = this.remembered.get(trunkId)
    if (known !== undefined && now - known.atMs < FRESH_MS) return known.path
    const path = this.store.get(trunkId).then(
      (registration) => pathOf(registration, this.clock.date().getTime()),
      // What was known last is the best guess there is.
      () => known?.path,
    )
    this.remembered.set(trunkId, { atMs: now, path })
    return path
  }

  forget(trunkId: string): void {
    this.remembered.delete(trunkId)
  }
}

/** The way of calls out of what the owner wrote; undefined when the binding has ended. */
function pathOf(registration: Registration | undefined, nowMs: number): RegisteredPath | undefined {
  if (registration === undefined) return undefined
  const { registrar, transport, expires_at } = registration
  if (registrar === null || transport === null || expires_at === null) return undefined
  if (Date.parse(expires_at) <= nowMs) return undefined
  const uri = parseUri(registrar)
  if (uri === undefined || uri.scheme === 'tel' || uri.port === undefined) return undefined
  const address = uri.host.replace(/^\[|\]$/g, '')
  return {
    target: { transport, address, port: uri.port },
    // What stands in Redis is not believed: it would end in a request.
    serviceRoute: checkRoutes(registration.service_route) ?? [],
  }
}
