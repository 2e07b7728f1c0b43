import { hkdfSync, randomBytes } from 'node:crypto'
import type { Config } from '../config/index.js'
import type { EdgeRegistrar } from '../edge/index.js'
import type { Clock } from '../engine/index.js'
import type { Destinations } from '../model/destinations.js'
import type { EventSink } from '../model/event.js'
import { Bindings } from '../store/bindings.js'
import type { Connection } from '../store/connection.js'
import type { Directory } from '../store/directory.js'
import type { KeyRing } from '../store/key-ring.js'
import type { Logger, Metrics } from '../telemetry/index.js'
import type { SourceBook } from '../trunks/known-sources.js'
import { ContactBook } from '../trunks/registrar/contact-book.js'
import { Location } from '../trunks/registrar/location.js'
import { Registrar } from '../trunks/registrar/registrar.js'
import { RegisteringTrunks } from '../trunks/registrar/registering-trunks.js'
import type { CallerParts } from './callers.js'

export interface RegistrarPartsOptions {
  readonly clock: Clock
  readonly connection: Connection
  readonly directory: Directory
  readonly ring: Pick<KeyRing, 'present'>
  /** What checks credentials. */
  readonly callers: Pick<CallerParts, 'verifier' | 'passwordOf'>
  readonly sources: Pick<SourceBook, 'setBesides' | 'registeredFrom'>
  readonly events: EventSink
  readonly metrics: Metrics
  readonly logger: Logger
  /** Where requests may go. */
  readonly destinations: Destinations
  readonly edgeId: string
}

/** What takes the REGISTERs of PBXs, and knows where they are. */
export interface RegistrarParts {
  readonly registrar: EdgeRegistrar
  readonly location: Location
  readonly contacts: ContactBook
  /** Whether a REGISTER may come in. Of whom it is nobody can tell by it: all are challenged, or none. */
  readonly registers: () => boolean
}

/** Seconds after which a PBX may come again while Redis is away. */
const RETRY_AFTER_S = 10

/** Puts together the registrar for trunks with `register_in`. */
export function createRegistrar(config: Config, options: RegistrarPartsOptions): RegistrarParts {
  const { clock, connection, directory, ring, sources, events, metrics, logger, edgeId } = options
  const store = new Bindings({ connection })
  const registering = new RegisteringTrunks(
    Buffer.from(hkdfSync('sha256', ring.present, '', 'signalbox registrar realm', 32)),
  )
  const edge = { edgeId, edgeLife: randomBytes(6).toString('hex') }
  const location = new Location({
    ...edge,
    store,
    registering,
    trunks: directory,
    clock,
    events,
    metrics,
    logger,
    permits: ({ address, port }, source) => options.destinations.refusal(address, port, source) === undefined,
    known: (trunkId, addresses) => sources.setBesides(trunkId, 'binding', addresses),
  })
  sources.registeredFrom = (source) => location.at(source)
  const { min_expires_s, default_expires_s, max_expires_s, max_contacts } = config.registrar
  const registrar = new Registrar({
    ...edge,
    registering,
    location,
    store,
    verifier: options.callers.verifier,
    passwordOf: (trunk) => options.callers.passwordOf(trunk),
    clock,
    settings: {
      minExpiresS: min_expires_s,
      defaultExpiresS: default_expires_s,
      maxExpiresS: max_expires_s,
      maxContacts: max_contacts,
    },
    retryAfterS: RETRY_AFTER_S,
  })
  return {
    registrar: {
      get active() {
        return registrar.active
      },
      answer: (request) => registrar.answer(request),
      count: (result) => metrics.registersReceived.inc({ result }),
    },
    location,
    contacts: new ContactBook({ registering, location, clock }),
    registers: () => registrar.active,
  }
}

/** Where requests may go, and besides where PBXs are that have registered to us: in a private network as often as not. */
export function withContacts(
  destinations: Destinations,
  location: () => Pick<Location, 'leadsTo'> | undefined,
): Destinations {
  return {
    hostRefusal: (host, port) => destinations.hostRefusal(host, port),
    refusal(address, port, peer) {
      const refused = destinations.refusal(address, port, peer)
      if (refused === undefined || location()?.leadsTo({ address, port }) !== true) return refused
      return destinations.refusal(address, port, { address, port })
    },
  }
}
