import { createHash } from 'node:crypto'
import type { TrunkBindings } from '../../../src/model/binding.js'
import type { SignalboxEvent } from '../../../src/model/event.js'
import { trunkSchema, type Trunk } from '../../../src/model/trunk.js'
import type { Bindings, Change } from '../../../src/store/bindings.js'
import { DigestVerifier } from '../../../src/trunks/digest/verifier.js'
import type { ExpirySettings } from '../../../src/trunks/registrar/bind.js'
import { Location } from '../../../src/trunks/registrar/location.js'
import { type RegisterAnswer, Registrar } from '../../../src/trunks/registrar/registrar.js'
import { RegisteringTrunks } from '../../../src/trunks/registrar/registering-trunks.js'
import { digestParams } from '../../support/far-digest.js'
import { ManualClock } from '../../support/manual-clock.js'

export const settings: ExpirySettings = { minExpiresS: 60, defaultExpiresS: 300, maxExpiresS: 3_600, maxContacts: 3 }

export function trunk(id: string, fields: Partial<Trunk> = {}): Trunk {
  const at = '2026-01-01T00:00:00.000Z'
  return trunkSchema.parse({
    id,
    created_at: at,
    updated_at: at,
    register_in: true,
    inbound_auth: { username: 'line', realm: 'signalbox' },
    ...fields,
  })
}

/** The part of the store that a registrar uses, in memory. `between` comes between a reading and the writing that follows, once. */
export class MemoryBindings implements Pick<Bindings, 'up' | 'get' | 'update' | 'changedSince' | 'changeCount'> {
  readonly records = new Map<string, TrunkBindings>()
  readonly changes: string[] = []
  up = true
  between: (() => void) | undefined

  get(ids: readonly string[]): Promise<(TrunkBindings | undefined)[]> {
    return Promise.resolve(ids.map((id) => this.records.get(id)))
  }

  update(
    id: string,
    _nowMs: () => number,
    change: (current: TrunkBindings | undefined) => Change,
  ): Promise<TrunkBindings | undefined> {
    if (this.between !== undefined) {
      change(this.records.get(id))
      this.between()
      this.between = undefined
    }
    const next = change(this.records.get(id))
    if (next === undefined) return Promise.resolve(this.records.get(id))
    if (next === null) this.records.delete(id)
    else this.records.set(id, next)
    this.changes.push(id)
    return Promise.resolve(next ?? undefined)
  }

  changedSince(count: number): Promise<{ trunkIds: readonly string[]; count: number }> {
    return Promise.resolve({ trunkIds: [...new Set(this.changes.slice(count))], count: this.changes.length })
  }

  changeCount(): Promise<number> {
    return Promise.resolve(this.changes.length)
  }
}

export interface Sent {
  readonly user?: string
  readonly password?: string
  readonly aor?: string
  readonly uri?: string
  readonly contact?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly callId?: string
  readonly cseq?: number
  readonly source?: string
  readonly port?: number
  readonly protocol?: string
  readonly via?: string
}

/** A registrar of one edge, its clock moved by hand, and what PBXs send it. */
export class RegistrarBench {
  readonly clock: ManualClock
  readonly store: MemoryBindings
  readonly registering = new RegisteringTrunks(Buffer.alloc(32))
  readonly events: SignalboxEvent[] = []
  readonly passwords = new Map<string, string>()
  readonly known = new Map<string, readonly string[]>()
  readonly verifier: DigestVerifier
  readonly location: Location
  readonly registrar: Registrar
  gauge = -1
  private listener: ((id: string, trunk: Trunk | undefined, gone: boolean) => void) | undefined
  private cseq = 0

  constructor({ clock = new ManualClock(), store = new MemoryBindings(), edgeId = 'edge-1' } = {}) {
    this.clock = clock
    this.store = store
    this.verifier = new DigestVerifier({ clock })
    const edge = { edgeId, edgeLife: `${edgeId}-life` }
    this.location = new Location({
      ...edge,
      store: store as unknown as Bindings,
      registering: this.registering,
      trunks: {
        onTrunk: (listener) => {
          this.listener = listener
          return () => (this.listener = undefined)
        },
      },
      clock,
      events: { publish: (event) => this.events.push(event) },
      metrics: { bindings: { set: (count) => (this.gauge = count) } },
      logger: { info() {}, warn() {} },
      known: (id, addresses) => this.known.set(id, addresses),
    })
    this.registrar = new Registrar({
      ...edge,
      registering: this.registering,
      location: this.location,
      store: store as unknown as Bindings,
      verifier: this.verifier,
      passwordOf: ({ id }) => Promise.resolve(this.passwords.get(id)),
      clock,
      settings,
      retryAfterS: 10,
    })
  }

  /** Begins, with these trunks, each with the password of its id. */
  async start(...trunks: readonly Trunk[]): Promise<this> {
    await this.location.start()
    for (const one of trunks) this.learn(one)
    await this.settle()
    return this
  }

  learn(one: Trunk): void {
    if (!this.passwords.has(one.id)) this.passwords.set(one.id, `secret of ${one.id}`)
    this.listener?.(one.id, one, false)
  }

  remove(id: string): void {
    this.listener?.(id, undefined, true)
  }

  /** Lets what is under way happen. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  /** One REGISTER as it stands. */
  raw(sent: Sent, authorization?: string): Promise<RegisterAnswer> {
    const { source = '192.0.2.7', port = 5060, protocol = 'udp', aor = 'line', uri = 'sip:edge.example.com' } = sent
    const headers: Record<string, string> = {
      to: `<sip:${aor}@edge.example.com>`,
      from: `<sip:${aor}@edge.example.com>;tag=1`,
      via: sent.via ?? `SIP/2.0/${protocol.toUpperCase()} ${source}:${port};branch=z9hG4bK1;rport=${port}`,
      cseq: `${sent.cseq ?? ++this.cseq} REGISTER`,
      ...(sent.contact === undefined ? {} : { contact: sent.contact }),
      ...(authorization === undefined ? {} : { authorization }),
      ...sent.headers,
    }
    return this.registrar.answer({
      method: 'REGISTER',
      uri,
      callId: sent.callId ?? 'call-1',
      body: '',
      sourceAddress: source,
      sourcePort: port,
      protocol,
      header: (name) => headers[name.toLowerCase()],
    })
  }

  /** A REGISTER with the credentials that the challenge to it asks for. */
  async send(sent: Sent): Promise<RegisterAnswer> {
    const first = await this.raw(sent)
    if (first.status !== 401) return first
    return this.raw(sent, credentials(first, sent))
  }
}

/** Credentials for the first challenge of a 401, by RFC 7616 3.4. */
export function credentials(
  { headers }: RegisterAnswer,
  { user = 'line', password = 'secret of pbx', uri = 'sip:edge.example.com' }: Sent,
): string {
  const challenge = Object.entries(headers).find(([name]) => name.toLowerCase() === 'www-authenticate')?.[1] ?? ''
  const params = digestParams(challenge)
  const [realm = '', nonce = '', algorithm = 'MD5'] = ['realm', 'nonce', 'algorithm'].map((name) => params.get(name))
  const h = (text: string): string =>
    createHash(algorithm === 'SHA-256' ? 'sha256' : 'md5')
      .update(text)
      .digest('hex')
  const response = h(
    [h(`${user}:${realm}:${password}`), nonce, '00000001', 'c', 'auth', h(`REGISTER:${uri}`)].join(':'),
  )
  return (
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", algorithm=${algorithm}, qop=auth, ` +
    `nc=00000001, cnonce="c", response="${response}"`
  )
}
