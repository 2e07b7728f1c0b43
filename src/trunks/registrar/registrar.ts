import { type Clock, parseUri } from '../../engine/index.js'
import type { Binding } from '../../model/binding.js'
import { StoreError } from '../../store/errors.js'
import type { Bindings } from '../../store/bindings.js'
import { Turns } from '../../store/turns.js'
import { headerLines } from '../digest/header-lines.js'
import type { DigestVerifier, Verified } from '../digest/verifier.js'
import { apart, bind, type Bound, type BindFault, contactValue, type ExpirySettings } from './bind.js'
import type { Location } from './location.js'
import { type Asked, readRegister, type RegisterRequest, userOf } from './register-request.js'
import { RegisteringTrunks, type RegisteringTrunk, userKey } from './registering-trunks.js'

/** What a REGISTER is answered with. */
export interface RegisterAnswer {
  readonly status: number
  readonly reason: string
  readonly headers: Record<string, string>
  /** For the metric: one of few words. */
  readonly result: RegisterResult
}

export const registerResults = [
  'registered',
  'removed',
  'queried',
  'challenged',
  'credentials_refused',
  'malformed',
  'too_brief',
  'not_allowed',
  'out_of_order',
  'unavailable',
] as const
export type RegisterResult = (typeof registerResults)[number]

export interface RegistrarOptions {
  readonly registering: RegisteringTrunks
  readonly location: Pick<Location, 'took' | 'tell'>
  readonly store: Pick<Bindings, 'get' | 'update'>
  readonly verifier: Pick<DigestVerifier, 'challenge' | 'verify'>
  /** The password of the trunk's `inbound_auth`; undefined when it has none. Rejects when that cannot be told. */
  passwordOf(trunk: RegisteringTrunk): Promise<string | undefined>
  readonly clock: Clock
  readonly settings: ExpirySettings
  /** Seconds after which a PBX may come again when Redis is away. */
  readonly retryAfterS: number
  readonly edgeId: string
  readonly edgeLife: string
}

type Proof = { readonly trunk: RegisteringTrunk } | { readonly answer: RegisterAnswer }

/** Takes the REGISTERs of PBXs (RFC 3261 10.3): who may, by digest; what becomes of their contacts; what they are told. */
export class Registrar {
  private readonly turns = new Turns()

  constructor(private readonly options: RegistrarOptions) {}

  /** Whether any trunk may register here: else nobody is to be asked for anything. */
  get active(): boolean {
    return this.options.registering.size > 0
  }

  /** Never rejects. */
  async answer(request: RegisterRequest): Promise<RegisterAnswer> {
    try {
      return await this.take(request)
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'UNAVAILABLE')
        return answered(500, 'Server Internal Error', 'unavailable')
      const headers = { 'Retry-After': String(this.options.retryAfterS) }
      return answered(503, 'Service Unavailable', 'unavailable', headers)
    }
  }

  private async take(request: RegisterRequest): Promise<RegisterAnswer> {
    const read = readRegister(request)
    if (!read.ok) return answered(400, read.why, 'malformed')
    const { asked } = read
    const proof = await this.prove(request, asked)
    if ('answer' in proof) return proof.answer
    const { trunk } = proof
    // RFC 3261 10.3 steps 4 and 5.
    if (!RegisteringTrunks.isUserOf(trunk, userOf(asked.aor)))
      return answered(403, 'Not your address-of-record', 'not_allowed')
    if (!servesHost(trunk, request, asked)) return answered(404, 'Not Found', 'not_allowed')
    if (asked.contacts !== 'all' && asked.contacts.length === 0) return this.tellAll(trunk, asked)
    // One after the other here; what other edges write meanwhile is told by Redis.
    return this.turns.take(trunk.id, () => this.change(trunk, request, asked))
  }

  /** Which trunk it comes from. Who is nobody and who does not know the password are told the same. */
  private async prove(request: RegisterRequest, asked: Asked): Promise<Proof> {
    const { verifier, registering } = this.options
    const realms = registering.realmsOf(userOf(asked.aor))
    const { method, uri, body, sourceAddress: source } = request
    const authorization = request.header('authorization') ?? request.header('proxy-authorization')
    let stale = false
    for (const realm of realms) {
      const shown = { realm, authorization, method, uri, body, source }
      const { verified, trunk } = await this.verify(shown, request)
      if (verified.result === 'ok' && trunk !== undefined) return { trunk }
      if (verified.result === 'refused' && verified.code === 'denied')
        return { answer: answered(403, 'Forbidden', 'credentials_refused') }
      // Whoever knows the password can answer a new nonce, whoever has only overheard these credentials cannot.
      if (verified.result === 'stale' || (verified.result === 'refused' && verified.code === 'replayed')) stale = true
    }
    const lines = realms.flatMap((realm) => verifier.challenge(realm, { stale, source }))
    return { answer: answered(401, 'Unauthorized', 'challenged', headerLines('WWW-Authenticate', lines)) }
  }

  /** Trunks of several accounts may have the same user name: each is held against what is shown, those of the host that was asked first. */
  private async verify(
    shown: Parameters<DigestVerifier['verify']>[0],
    request: RegisterRequest,
  ): Promise<{ verified: Verified; trunk: RegisteringTrunk | undefined }> {
    const { verifier, registering, passwordOf } = this.options
    let trunks: readonly RegisteringTrunk[] = []
    for (let tried = 0; ; tried++) {
      const verified = await verifier.verify(shown, (username) => {
        if (tried === 0) trunks = byHost(registering.ofUser(username, shown.realm), request)
        const trunk = trunks[tried]
        return trunk && passwordOf(trunk)
      })
      const isDenied = verified.result === 'refused' && verified.code === 'denied'
      if (!isDenied || tried + 1 >= trunks.length) return { verified, trunk: trunks[tried] }
    }
  }

  private async tellAll(trunk: RegisteringTrunk, asked: Asked): Promise<RegisterAnswer> {
    const [record] = await this.options.store.get([trunk.id])
    const { nowMs } = this
    const known = record?.user === userKey(trunk) ? record.bindings : []
    return this.ok(apart(known, nowMs).live, asked, 'queried')
  }

  private async change(trunk: RegisteringTrunk, request: RegisterRequest, asked: Asked): Promise<RegisterAnswer> {
    const { store, location, settings, edgeId, edgeLife, registering } = this.options
    const { protocol, sourceAddress: address, sourcePort: port } = request
    const transport = protocol === 'tcp' || protocol === 'tls' ? protocol : 'udp'
    const from = { transport, address, port, edge_id: edgeId, edge_life: edgeLife } as const
    const user = userKey(trunk)
    let outcome: Bound | BindFault = { status: 500, why: 'Server Internal Error' }
    const record = await store.update(
      trunk.id,
      () => this.nowMs,
      (current) => {
        // Its credentials may have become others while it waited.
        const present = registering.get(trunk.id)
        if (present === undefined || userKey(present) !== user) {
          outcome = { status: 403, why: 'Forbidden' }
          return undefined
        }
        outcome = bind(current?.user === user ? current : undefined, asked, from, settings, this.nowMs)
        if ('status' in outcome) return undefined
        const { bindings } = outcome
        if (bindings.length === 0) return current === undefined ? undefined : null
        return { trunk_id: trunk.id, account_id: trunk.account_id, user, bindings: [...bindings] }
      },
    )
    const done = outcome as Bound | BindFault
    if ('status' in done) return refusalOf(done)
    location.took(trunk.id, record)
    location.tell('binding.expired', { account_id: trunk.account_id, trunk_id: trunk.id }, done.expired)
    location.tell('binding.removed', { account_id: trunk.account_id, trunk_id: trunk.id }, done.removed)
    location.tell('binding.created', { account_id: trunk.account_id, trunk_id: trunk.id }, done.created)
    const removes = asked.contacts === 'all' || asked.contacts.every(({ expiresS }) => expiresS === 0)
    return this.ok(done.bindings, asked, removes ? 'removed' : 'registered')
  }

  private ok(bindings: readonly Binding[], asked: Asked, result: RegisterResult): RegisterAnswer {
    const { nowMs } = this
    const headers: Record<string, string> = { Date: new Date(nowMs).toUTCString() }
    if (bindings.length > 0) headers['Contact'] = bindings.map((binding) => contactValue(binding, nowMs)).join(', ')
    const { path, supports, contacts } = asked
    if (path.length > 0 && supports.path) headers['Path'] = path.map((uri) => `<${uri}>`).join(', ')
    const hasFlow = contacts !== 'all' && contacts.some(({ regId }) => regId !== null)
    if (hasFlow && supports.outbound) headers['Require'] = 'outbound'
    return answered(200, 'OK', result, headers)
  }

  private get nowMs(): number {
    return this.options.clock.date().getTime()
  }
}

const answered = (
  status: number,
  reason: string,
  result: RegisterResult,
  headers: Record<string, string> = {},
): RegisterAnswer => ({ status, reason, headers, result })

function refusalOf(fault: BindFault): RegisterAnswer {
  if (fault.status === 423) return answered(423, fault.why, 'too_brief', { 'Min-Expires': String(fault.minExpiresS) })
  return answered(fault.status, fault.why, fault.status === 500 ? 'out_of_order' : 'not_allowed')
}

/** Whether the host of the AOR is one that the trunk has here: its own domain, or the one that the REGISTER went to. */
function servesHost(trunk: RegisteringTrunk, request: RegisterRequest, { aor }: Asked): boolean {
  const host = aor.host.toLowerCase()
  return host === domainOf(trunk) || host === hostOfUri(request.uri)
}

function byHost(trunks: readonly RegisteringTrunk[], request: RegisterRequest): readonly RegisteringTrunk[] {
  if (trunks.length < 2) return trunks
  const host = hostOfUri(request.uri)
  return [...trunks].sort((a, b) => Number(domainOf(b) === host) - Number(domainOf(a) === host))
}

/** The host of a trunk's `sip_domain`, in lower case. */
const domainOf = ({ sip_domain }: RegisteringTrunk): string | undefined =>
  sip_domain === null ? undefined : hostOfUri(`sip:${sip_domain}`)

function hostOfUri(text: string): string | undefined {
  const uri = parseUri(text)
  return uri === undefined || uri.scheme === 'tel' ? undefined : uri.host.toLowerCase()
}
