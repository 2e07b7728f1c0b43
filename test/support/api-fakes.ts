import type { OutboundAnswer, OutboundQuestion } from '../../src/routing/outbound-test.js'
import { CallError } from '../../src/model/verdict.js'
import type { InboundRegistration } from '../../src/trunks/registrar/contact-book.js'
import type { Services } from '../../src/api/index.js'
import { createApi, type Api, type ApiOptions } from '../../src/api/index.js'
import { SourceLedger } from '../../src/edge/access/source-ledger.js'
import type { OriginateRequest } from '../../src/edge/originated.js'
import { DestinationPolicy } from '../../src/model/destinations.js'
import { LOCAL_NETWORKS } from './local-networks.js'
import type { AuditEntry } from '../../src/model/audit.js'
import type { Agent } from '../../src/model/agent.js'
import type { Cdr, LiveCall } from '../../src/model/call.js'
import type { Decision } from '../../src/model/decision.js'
import type { PhoneNumber } from '../../src/model/number.js'
import type { Registration } from '../../src/model/registration.js'
import type { Trunk } from '../../src/model/trunk.js'
import type { VerdictCode } from '../../src/model/verdict.js'
import type { InboundRequest } from '../../src/routing/router.js'
import { tokenText, type Role } from '../../src/model/api-token.js'
import { secretDigest, type KeptToken } from '../../src/store/api-tokens.js'
import { StoreError } from '../../src/store/errors.js'
import type { EventListener } from '../../src/store/events.js'
import type { Rotation } from '../../src/store/secret-rotation.js'
import type { Page } from '../../src/store/page.js'
import { TrunkTlsProfiles } from '../../src/trunks/tls-profiles.js'
import { TrunkTlsStates } from '../../src/trunks/tls-state.js'
import type { TlsPeer } from '../../src/engine/index.js'
import { ManualClock } from './manual-clock.js'

export const TOKEN = 'test-token-0123456789'
const AT = '2026-01-01T00:00:00.000Z'

function pageOf<T>(all: T[], idOf: (item: T) => string, limit: number, cursor: string | undefined): Page<T> {
  if (cursor !== undefined && !cursor.startsWith('after:')) throw new StoreError('INVALID', 'not a cursor of this list')
  const sorted = all
    .filter((item) => `after:${idOf(item)}` > (cursor ?? ''))
    .sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const items = sorted.slice(0, limit)
  const last = items.at(-1)
  return { items, next_cursor: sorted.length > limit && last !== undefined ? `after:${idOf(last)}` : null }
}

function ofAccount<T extends { readonly account_id: string | null }>(records: Map<string, T>, accountId?: string): T[] {
  return [...records.values()].filter(({ account_id }) => accountId === undefined || account_id === accountId)
}

/** The store, the router and the calls of an edge, in memory, for the API to work on. */
export class FakeServices implements Services {
  readonly agentRecords = new Map<string, Agent>()
  readonly numberRecords = new Map<string, PhoneNumber>()
  readonly trunkRecords = new Map<string, Trunk>()
  /** Passwords of trunks, those of their `inbound_auth`, those of agents. */
  readonly secrets = new Map<string, string>()
  readonly inboundSecrets = new Map<string, string>()
  readonly agentSecrets = new Map<string, string>()
  readonly cdrRecords = new Map<string, Cdr>()
  readonly liveCalls = new Map<string, LiveCall>()
  readonly decided: InboundRequest[] = []
  readonly logged: { fields: object; message: string }[] = []
  decision: Decision | undefined
  /** What a rotation of the secret key begins as; asked for again, it is done. */
  rotation: Rotation = {
    id: 'rotation-1',
    state: 'running',
    made_key: true,
    key_id: '0123456789ab',
    total: 3,
    done: 0,
    resealed: 3,
    unreadable: [],
    unreadable_count: 0,
    unneeded_keys: [],
    kept_keys: [],
    started_at: AT,
    ended_at: null,
    error: null,
  }
  ready = true
  /** Every question to the store fails, as when Redis is away. */
  away = false
  /** Thrown by the next question. */
  nextError: Error | undefined

  /** Forgets every record. */
  clear(): void {
    for (const records of [this.agentRecords, this.numberRecords, this.trunkRecords]) records.clear()
    for (const secrets of [this.secrets, this.inboundSecrets, this.agentSecrets]) secrets.clear()
  }

  private async asked<T>(answer: () => T): Promise<T> {
    if (this.away) throw new StoreError('UNAVAILABLE', 'Redis is away')
    const error = this.nextError
    this.nextError = undefined
    if (error !== undefined) throw error
    return answer()
  }

  readonly accounts: Services['accounts'] = {
    list: ({ limit, cursor }) =>
      this.asked(() => {
        const records = [...this.numberRecords.values(), ...this.agentRecords.values(), ...this.trunkRecords.values()]
        return pageOf([...new Set(records.map(({ account_id }) => account_id))], (id) => id, limit, cursor)
      }),
  }

  readonly agents: Services['agents'] = {
    get: (id) => this.asked(() => this.agentRecords.get(id)),
    put: (agent) =>
      this.asked(() => {
        const before = this.agentRecords.get(agent.id)
        const kept = { ...agent, created_at: AT, updated_at: AT }
        this.agentRecords.set(agent.id, kept)
        return { agent: kept, created: before === undefined, before }
      }),
    remove: (id) =>
      this.asked(() => {
        const numbers = [...this.numberRecords.values()]
          .filter((number) => number.inbound_agent_id === id || number.outbound_agent_ids.includes(id))
          .map((number) => number.phone_number)
        if (numbers.length > 0)
          throw new StoreError('IN_USE', `agent "${id}" is used by ${numbers.join(', ')}`, { numbers })
        this.agentSecrets.delete(id)
        return this.agentRecords.delete(id)
      }),
    list: ({ limit, cursor, accountId }) =>
      this.asked(() => pageOf(ofAccount(this.agentRecords, accountId), (agent) => agent.id, limit, cursor)),
  }

  readonly numbers: Services['numbers'] = {
    get: (phoneNumber) => this.asked(() => this.numberRecords.get(phoneNumber)),
    create: (number, options) =>
      this.asked(() => {
        const present = this.numberRecords.get(number.phone_number)
        if (present !== undefined && options?.replaceInbound !== true)
          throw new StoreError('EXISTS', `${number.phone_number} exists`, {
            inbound_agent_id: present.inbound_agent_id,
          })
        const kept = { ...number, created_at: AT, updated_at: AT }
        this.numberRecords.set(number.phone_number, kept)
        return kept
      }),
    update: (phoneNumber, change) =>
      this.asked(() => {
        const present = this.numberRecords.get(phoneNumber)
        if (present === undefined) throw new StoreError('NOT_FOUND', `there is no number ${phoneNumber}`)
        const changed = change(present)
        this.numberRecords.set(phoneNumber, changed)
        return changed
      }),
    remove: (phoneNumber, accountId) =>
      this.asked(() => {
        const present = this.numberRecords.get(phoneNumber)
        if (accountId !== undefined && present?.account_id !== accountId) return false
        return this.numberRecords.delete(phoneNumber)
      }),
    list: ({ limit, cursor, trunkId, agentId, accountId }) =>
      this.asked(() =>
        pageOf(
          ofAccount(this.numberRecords, accountId).filter(
            (number) =>
              (trunkId === undefined || number.trunk_id === trunkId) &&
              (agentId === undefined ||
                number.inbound_agent_id === agentId ||
                number.outbound_agent_ids.includes(agentId)),
          ),
          (number) => number.phone_number,
          limit,
          cursor,
        ),
      ),
  }

  private equalTrunk(trunk: object): Trunk | undefined {
    const key = (one: object): string =>
      JSON.stringify(
        Object.entries(one)
          .filter(([name]) => !['id', 'created_at', 'updated_at'].includes(name))
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      )
    return [...this.trunkRecords.values()].find((present) => key(present) === key(trunk))
  }

  readonly trunks: Services['trunks'] = {
    get: (id) => this.asked(() => this.trunkRecords.get(id)),
    findEqual: (fields, accountId) => this.asked(() => this.equalTrunk({ ...fields, account_id: accountId })),
    findOrCreate: (trunk) =>
      this.asked(() => {
        const equal = this.equalTrunk(trunk)
        if (equal !== undefined) return { trunk: equal, created: false }
        const kept = { ...trunk, created_at: AT, updated_at: AT }
        this.trunkRecords.set(trunk.id, kept)
        return { trunk: kept, created: true }
      }),
    update: (id, change) =>
      this.asked(() => {
        const present = this.trunkRecords.get(id)
        if (present === undefined) throw new StoreError('NOT_FOUND', `there is no trunk "${id}"`)
        const changed = change(present)
        this.trunkRecords.set(id, changed)
        return changed
      }),
    remove: (id) =>
      this.asked(() => {
        const numbers = [...this.numberRecords.values()]
          .filter((number) => number.trunk_id === id)
          .map((number) => number.phone_number)
        if (numbers.length > 0)
          throw new StoreError('IN_USE', `trunk "${id}" is used by ${numbers.join(', ')}`, { numbers })
        this.secrets.delete(id)
        this.inboundSecrets.delete(id)
        return this.trunkRecords.delete(id)
      }),
    list: ({ limit, cursor, accountId }) =>
      this.asked(() => pageOf(ofAccount(this.trunkRecords, accountId), (trunk) => trunk.id, limit, cursor)),
  }

  readonly registrationRecords = new Map<string, Registration>()
  /** What was asked for by hand. */
  readonly registrationRequests: string[] = []

  readonly registrations: Services['registrations'] = {
    get: (id) => this.asked(() => this.registrationRecords.get(id)),
    list: ({ limit, cursor, state, accountId }) =>
      this.asked(() =>
        pageOf(
          ofAccount(this.registrationRecords, accountId).filter((one) => state === undefined || one.state === state),
          (one) => one.trunk_id,
          limit,
          cursor,
        ),
      ),
  }

  readonly registrar: Services['registrar'] = {
    view: (trunk) =>
      this.asked(() =>
        trunk.register.enabled ? (this.registrationRecords.get(trunk.id) ?? sampleRegistration(trunk.id)) : null,
      ),
    request: (id, what) => this.asked(() => void this.registrationRequests.push(`${what} ${id}`)),
  }

  /** What PBXs have registered, by trunk; and the trunks whose contacts were dropped. */
  readonly inboundRegistrations = new Map<string, InboundRegistration>()
  readonly dropped: string[] = []

  readonly contacts: Services['contacts'] = {
    get: (id) => this.inboundRegistrations.get(id),
    view: (id) => this.inboundRegistrations.get(id)?.bindings ?? [],
    drop: (id) => this.asked(() => void this.dropped.push(id)),
    list: ({ after = '', limit, state }) => {
      const all = [...this.inboundRegistrations.values()]
        .filter((one) => one.trunk_id > after.slice(after.indexOf(':') + 1))
        .filter((one) => state === undefined || one.state === state)
      const items = all.slice(0, limit)
      const last = items.at(-1)
      return { items, next: all.length > limit ? `default:${last?.trunk_id ?? ''}` : null }
    },
  }

  readonly limits: Services['limits'] = {
    trunkUsage: () => this.asked(() => ({ channels: 2, minutesMs: 90_000, outboundMs: null })),
    agentUsage: () => this.asked(() => ({ channels: 1, minutesMs: null, outboundMs: null })),
  }

  readonly trunkPaths: Services['trunkPaths'] = {
    rejection: () => undefined,
    states: (trunk) =>
      trunk.outbound_proxy === 'nowhere.example.com'
        ? Promise.reject(new CallError('TRUNK_UNREACHABLE', `trunk ${trunk.id}: no address found`))
        : Promise.resolve([{ target: 'sip:192.0.2.7:5060;transport=udp', state: 'up' as const, avoided_until: null }]),
  }

  private passwordsIn(secrets: Map<string, string>): Services['passwords']['trunk'] {
    const write = (id: string, password: string | undefined): void => {
      if (password === undefined) secrets.delete(id)
      else secrets.set(id, password)
    }
    return {
      get: (id) => this.asked(() => secrets.get(id)),
      replace: (id, password) =>
        this.asked(() => {
          const before = secrets.get(id)
          write(id, password ?? undefined)
          return async () => write(id, before)
        }),
      has: (id) => this.asked(() => secrets.has(id)),
    }
  }

  readonly passwords: Services['passwords'] = {
    trunk: this.passwordsIn(this.secrets),
    trunkInbound: this.passwordsIn(this.inboundSecrets),
    agent: this.passwordsIn(this.agentSecrets),
  }

  formerKeys: string[] = []
  edgesAlive = 0
  readonly bans = new SourceLedger({
    clock: new ManualClock(),
    rate: 1,
    burst: 1,
    firstBanMs: 10_000,
    longestBanMs: 60_000,
    maxSources: 64,
  })
  readonly otherEdges = () => this.edgesAlive

  readonly secretRotation: Services['secretRotation'] = {
    keys: () => ({
      makes_keys: this.rotation.made_key,
      key_id: this.rotation.key_id,
      former_key_ids: this.formerKeys,
    }),
    start: () => this.asked(() => this.rotation),
    find: (id) =>
      id === this.rotation.id ? { ...this.rotation, state: 'done', done: this.rotation.total ?? 0 } : undefined,
  }

  /** What was written to the audit, oldest first. */
  readonly audited: AuditEntry[] = []

  readonly audit: Services['audit'] = {
    record: async (entry) => void this.audited.push(entry),
    list: ({ limit, cursor, object, accountId }) =>
      this.asked(() =>
        pageOf(
          this.audited
            .map((entry, n) => ({ id: String(n), ...entry }))
            .filter((one) => object === undefined || one.object === object)
            .filter((one) => accountId === undefined || one.account_id === accountId),
          (one) => one.id,
          limit,
          cursor,
        ),
      ),
  }

  readonly tokenRecords = new Map<string, KeptToken>()
  /** Tokens that were used. */
  readonly tokensUsed: string[] = []

  readonly tokens: Services['tokens'] = {
    get: (id) => this.asked(() => this.tokenRecords.get(id)),
    create: (fields) =>
      this.asked(() => {
        const id = `token${String(this.tokenRecords.size + 1).padStart(7, '0')}`
        const secret = Buffer.alloc(32, this.tokenRecords.size + 1)
        const token = { ...fields, id, created_at: this.clock.date().toISOString(), last_used_at: null }
        this.tokenRecords.set(id, { ...token, secret_sha256: secretDigest(secret).toString('hex') })
        return { token, text: tokenText(id, secret) }
      }),
    revoke: (id) => this.asked(() => this.tokenRecords.delete(id)),
    list: ({ limit, cursor, accountId }) =>
      this.asked(() =>
        pageOf(
          [...this.tokenRecords.values()].filter((one) => accountId === undefined || one.account_id === accountId),
          (one) => one.id,
          limit,
          cursor,
        ),
      ),
  }

  readonly knownTokens: Services['knownTokens'] = {
    find: async (id) => (this.away ? 'unavailable' : (this.tokenRecords.get(id) ?? 'absent')),
    use: ({ id }) => void this.tokensUsed.push(id),
    forget: () => undefined,
  }

  /** The text of a token that is kept, as if it had been made. */
  async tokenOf(role: Role, accountId: string | null = null, expiresAt: string | null = null): Promise<string> {
    const fields = { name: `a ${role}`, role, account_id: accountId, created_by: 'admin', expires_at: expiresAt }
    return (await this.tokens.create(fields)).text
  }

  readonly cdrs: Services['cdrs'] = {
    get: (callId) => this.asked(() => this.cdrRecords.get(callId)),
    list: ({ limit, cursor, phoneNumber, since, accountId }) =>
      this.asked(() =>
        pageOf(
          ofAccount(this.cdrRecords, accountId).filter(
            (cdr) =>
              (phoneNumber === undefined || cdr.phone_number === phoneNumber) &&
              (since === undefined || cdr.ended_at >= since),
          ),
          (cdr) => cdr.call_id,
          limit,
          cursor,
        ),
      ),
  }

  outboundAnswer: OutboundAnswer | undefined
  readonly outboundAsked: OutboundQuestion[] = []
  readonly outboundTests: Services['outboundTests'] = {
    ask: (question) => {
      this.outboundAsked.push(question)
      return Promise.resolve(this.outboundAnswer!)
    },
  }

  readonly router: Services['router'] = {
    decide: async (request) => {
      this.decided.push(request)
      return { decision: this.decision ?? refusedDecision(request.sourceAddress) }
    },
  }

  readonly calls: Services['calls'] = {
    list: () => [...this.liveCalls.values()],
    get: (id) => this.liveCalls.get(id),
    hangUp: async (id) => this.liveCalls.delete(id),
  }

  /** Calls that were asked for. */
  readonly originated: OriginateRequest[] = []
  /** Why the next call is not placed. */
  refusal: { code: VerdictCode; detail: string; retryAfterS?: number } | undefined

  readonly originator: Services['originator'] = {
    originate: async (request) => {
      this.originated.push(request)
      if (this.refusal !== undefined) return this.refusal
      const { from, to, agentId, sourceAddress } = request
      const call = sampleCall(`o${this.originated.length}`, {
        direction: 'outbound',
        from,
        to,
        agent_id: agentId,
        source_address: sourceAddress,
      })
      this.liveCalls.set(call.call_id, call)
      return { call }
    },
  }

  /** Names loopback; documents' addresses are public. */
  destinations: Services['destinations'] = new DestinationPolicy({ allowed: LOCAL_NETWORKS })

  readonly origination = () => ({
    origination_uris: ['sip:127.0.0.1:5060;transport=udp', 'sip:127.0.0.1:5060;transport=tcp'],
    signalling_addresses: ['127.0.0.1'],
    transports: ['udp', 'tcp'],
  })

  readonly readiness: Services['readiness'] = () => ({
    ready: this.ready,
    status: this.ready ? 'ready' : 'starting',
    checks: { redis: { ok: this.ready, detail: this.ready ? 'answers' : 'does not answer' } },
  })

  /** Who listens to the events. */
  readonly eventListeners = new Set<EventListener>()
  /** Where each of them wanted to go on from. */
  readonly resumedFrom: (string | undefined)[] = []
  /** Whether a place in the stream is still there. */
  resumes = true

  readonly events: Services['events'] = {
    listen: async (listener, after) => {
      this.eventListeners.add(listener)
      this.resumedFrom.push(after)
      return {
        resumed: after === undefined || this.resumes,
        close: () => void this.eventListeners.delete(listener),
      }
    },
  }

  readonly clock = new ManualClock()
  readonly tlsProfiles = new TrunkTlsProfiles({ set: () => undefined }, new Map([['carrier', null]]))
  readonly tlsStates = new TrunkTlsStates({
    profiles: this.tlsProfiles,
    peers: { of: (profile, dialled) => this.tlsPeers.get(`${profile ?? ''} ${dialled}`) },
    clock: this.clock,
  })
  readonly tlsPeers = new Map<string, TlsPeer>()
  listening = 0
  readonly tokenFailures: string[] = []
  readonly metrics = {
    apiTokenFailures: { inc: ({ result }: { result: string }) => void this.tokenFailures.push(result) },
    render: async () => 'signalbox_redis_up 1\n',
    contentType: 'text/plain; version=0.0.4',
    eventListeners: { set: (many: number) => void (this.listening = many) },
  }

  private readonly log = (fields: object, message: string): void => void this.logged.push({ fields, message })
  readonly logger: Services['logger'] = { debug: this.log, info: this.log, warn: this.log, error: this.log }
}

export function refusedDecision(sourceAddress: string): Decision {
  return {
    outcome: 'refused',
    code: 'NUMBER_UNKNOWN',
    sip_status: 404,
    detail: 'no number matches',
    account_id: null,
    phone_number: null,
    trunk_id: null,
    agent_id: null,
    targets: [],
    trace: {
      source_address: sourceAddress,
      trunks_tried: [],
      identified_by: null,
      sources_read: [{ source: 'request-uri', value: '+14155550100', normalised: ['+14155550100'], found: null }],
      nearest_miss: null,
      looked_up: 'redis',
    },
  }
}

export function sampleCdr(callId: string, fields: Partial<Cdr> = {}): Cdr {
  return {
    call_id: callId,
    account_id: 'default',
    direction: 'inbound',
    from: '+13125550199',
    to: '+14155550100',
    phone_number: '+14155550100',
    trunk_id: 'pbx',
    agent_id: 'front',
    source_address: '127.0.0.1',
    identified_by: 'address',
    leg_a_call_id: 'a@x',
    leg_b_call_id: 'b@y',
    started_at: AT,
    ringing_at: AT,
    answered_at: AT,
    ended_at: AT,
    duration_s: 1.5,
    setup_ms: 12,
    result: 'answered',
    ended_by: 'leg_a',
    leg_a_status: 200,
    leg_b_status: 200,
    end_reason: 'BYE',
    attempts: [{ target: 'sip:agent@127.0.0.1:5090', status: 200, reason: 'OK', duration_ms: 12 }],
    explanation: null,
    ...fields,
  }
}

export function sampleCall(callId: string, fields: Partial<LiveCall> = {}): LiveCall {
  const cdr = sampleCdr(callId)
  return {
    call_id: callId,
    account_id: cdr.account_id,
    direction: cdr.direction,
    from: cdr.from,
    to: cdr.to,
    phone_number: cdr.phone_number,
    trunk_id: cdr.trunk_id,
    agent_id: cdr.agent_id,
    source_address: cdr.source_address,
    identified_by: cdr.identified_by,
    leg_a_call_id: cdr.leg_a_call_id,
    leg_b_call_id: cdr.leg_b_call_id,
    started_at: cdr.started_at,
    ringing_at: null,
    answered_at: null,
    state: 'trying',
    ...fields,
  }
}

export interface Reply {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
  /** The JSON body; `{}` when there is none. */
  readonly body: Record<string, unknown> & {
    items?: Record<string, unknown>[]
    errors?: { field: string; message: string }[]
  }
}

export interface TestApi {
  readonly api: Api
  readonly services: FakeServices
  /** A request with the token; `body` goes as JSON. */
  ask(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
}

/** A trunk that is registered, or as the fields say. */
export function sampleRegistration(trunkId: string, fields: Partial<Registration> = {}): Registration {
  return {
    account_id: 'default',
    trunk_id: trunkId,
    state: 'registered',
    reason: 'registered at sip:192.0.2.7:5065;transport=tcp',
    last_code: 200,
    last_phrase: 'OK',
    registrar: 'sip:192.0.2.7:5065;transport=tcp',
    transport: 'tcp',
    granted_expires_s: 300,
    min_expires_s: null,
    expires_at: AT,
    next_attempt_at: AT,
    failures: 0,
    since: AT,
    service_route: [],
    path: [],
    edge_id: 'edge-1',
    ...fields,
  }
}

/** The API over fakes, asked without a socket. */
export function startApi(services = new FakeServices(), options: Partial<ApiOptions> = {}): TestApi {
  const api = createApi({
    ...servicesOf(services),
    adminToken: TOKEN,
    tokenFailuresPerMinute: 100_000,
    trustProxy: false,
    ...options,
  })
  return {
    api,
    services,
    ask: (method, url, body, headers = {}) =>
      inject(api, method, url, { authorization: `Bearer ${TOKEN}`, ...headers }, body),
  }
}

const servicesOf = (services: FakeServices): Services => ({
  accounts: services.accounts,
  agents: services.agents,
  numbers: services.numbers,
  trunks: services.trunks,
  passwords: services.passwords,
  registrations: services.registrations,
  registrar: services.registrar,
  contacts: services.contacts,
  trunkPaths: services.trunkPaths,
  limits: services.limits,
  destinations: services.destinations,
  tlsStates: services.tlsStates,
  tlsProfiles: services.tlsProfiles,
  secretRotation: services.secretRotation,
  otherEdges: services.otherEdges,
  bans: services.bans,
  tokens: services.tokens,
  audit: services.audit,
  knownTokens: services.knownTokens,
  cdrs: services.cdrs,
  router: services.router,
  outboundTests: services.outboundTests,
  calls: services.calls,
  originator: services.originator,
  origination: services.origination,
  readiness: services.readiness,
  events: services.events,
  clock: services.clock,
  metrics: services.metrics,
  logger: services.logger,
})

/** A request as it is, without a token unless `headers` hold one. */
export async function inject(
  api: Api,
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Reply> {
  const payload = body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }
  const answer = await api.inject({
    method: method as 'GET',
    url,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...payload,
  })
  const text = answer.body
  const json = String(answer.headers['content-type'] ?? '').includes('json')
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    body: json && text !== '' ? (JSON.parse(text) as Reply['body']) : {},
  }
}
