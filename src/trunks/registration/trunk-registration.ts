import type { Registration } from '../../model/registration.js'
import type { Trunk } from '../../model/trunk.js'
import type { RegistrationRecord } from '../../store/registrations.js'
import type { Credentials } from '../digest/exchange.js'
import { nameTarget, sameTarget } from '../target.js'
import type { RegisteredPath } from '../trunk-paths.js'
import type { Bound, NotBound, Outcome } from './attempt.js'
import {
  inheritedPlace,
  leftBehind,
  notUsable,
  placeOfBinding,
  sameRegistrar,
  sameSettings,
  unread,
  type Binding,
  type BindingPlace,
  type OwnedBinding,
} from './binding.js'
import type { DriverParts } from './driver-parts.js'
import { Facts } from './facts.js'
import { heldPauseMs, refreshPauseMs, refusedPauseMs, retryPauseMs } from './pauses.js'
import { RegisterRequests } from './register-requests.js'
import { settingsOf, versionOf, type ReadSettings, type RegistrationSettings } from './settings.js'
import type { Beginning } from './ownership.js'
import { RegistrationMachine, type PauseBefore, type Sending } from './registration-machine.js'

/** A connection that ends this soon after the REGISTER, and that many times in a row, is a failure of the registrar. */
const QUICK_LOSS_MS = 5_000
const MAX_QUICK_LOSSES = 3
/** A lost connection is replaced after a random part of this. */
const LOST_JITTER_MS = 200

/** The registration of one trunk that this edge owns: the machine of `chart.ts` with its timer, requests and record. */
export class TrunkRegistration extends RegistrationMachine {
  readonly trunkId: string
  private readonly requests: RegisterRequests
  private trunk: Trunk
  private read: ReadSettings
  /** Settings and credentials that the running or last attempt used. */
  private used: { readonly settings: RegistrationSettings; readonly credentials: Credentials | undefined } | undefined
  private binding: OwnedBinding | undefined
  /** A Contact at the registrar that may not be ours of now: a former owner's, or of before a restart. */
  private inherited: BindingPlace | undefined
  private heldSettings: string | null
  private wanted = true
  private busy = false
  private dropped = false
  private again = false
  private quickLosses = 0
  /** Of the last failure: what the registrar asked for. */
  private retryAfterS: number | undefined
  private timesHeld = 0
  private job: (() => Promise<void>) | undefined

  /** @param record as the claim found it */
  constructor(parts: DriverParts, trunk: Trunk, record: RegistrationRecord) {
    super(parts, new Facts(parts.clock, parts.edgeId, trunk, record.state))
    this.trunkId = trunk.id
    this.requests = new RegisterRequests(parts, trunk, record)
    this.trunk = trunk
    this.read = settingsOf(trunk)
    this.heldSettings = record.held
    this.inherited = inheritedPlace(record)
  }

  /** Begins: waits for its turn, or stays stopped when it was un-registered by hand. */
  start(): void {
    if (this.heldSettings !== null && this.heldSettings === this.version) {
      this.wanted = false
      this.facts.explain('un-registered by hand')
    } else {
      this.heldSettings = null
      this.facts.explain('waits for its turn')
      this.step('want')
    }
    this.parts.changed(this, 'stopped')
  }

  get view(): Registration {
    if (this.hasEnded) this.unbind()
    return this.facts.view
  }

  /** What the next owner is to know besides the view. */
  get record(): { readonly contact: string | null; readonly aor: string | null; readonly held: string | null } {
    const at = this.binding === undefined ? this.inherited : placeOfBinding(this.binding)
    return { contact: at?.contact ?? null, aor: at?.aor ?? null, held: this.heldSettings }
  }

  /** Where calls of the trunk go; undefined while nothing is registered. */
  get path(): RegisteredPath | undefined {
    const { binding } = this
    if (binding === undefined || this.hasEnded) return undefined
    return { target: binding.target, serviceRoute: binding.serviceRoute }
  }

  /** Name of the server that has the binding. */
  get registrar(): string | undefined {
    return this.binding === undefined ? undefined : nameTarget(this.binding.target)
  }

  /** Under which it was claimed. */
  get fence(): number {
    return this.requests.fence
  }

  /** What a claim of it begins with, should Redis have lost it. */
  get beginning(): Beginning {
    return { callId: this.requests.callId, cseq: this.requests.cseq }
  }

  /** The trunk was claimed anew: all goes on as it was. */
  adopt(fence: number): void {
    this.requests.adopt(fence)
    this.parts.changed(this, this.state)
  }

  /** The trunk as it is now: what changed is registered, and the old binding stays until the new one stands. */
  async change(trunk: Trunk): Promise<void> {
    if (this.dropped) return
    const before = { read: this.read, version: this.version, updatedAt: this.trunk.updated_at }
    this.trunk = trunk
    this.read = settingsOf(trunk)
    if (this.heldSettings !== null && this.version !== before.version) this.heldSettings = null
    else if (this.heldSettings !== null) return
    if (!this.wanted) return this.want('switched on')
    if (!sameSettings(before.read, this.read)) {
      if (!sameRegistrar(before.read, this.read)) this.facts.forgetMinExpires()
      return this.nudge('the trunk has changed')
    }
    if (before.updatedAt === trunk.updated_at) return
    if (this.used === undefined) return this.nudge('the trunk has changed')
    const credentials = await this.parts.credentialsOf(trunk).catch(() => undefined)
    const used = this.used?.credentials
    if (this.dropped) return
    if (credentials?.password !== used?.password || credentials?.username !== used?.username)
      this.nudge('the password has changed')
  }

  /** Not to be registered any more; the binding is taken away. */
  withdraw(why: string): void {
    if (this.dropped || !this.wanted) return
    this.wanted = false
    this.again = false
    this.facts.explain(why)
    this.afterwards()
  }

  /** Un-registered by hand: stays so until `registerNow` or a change of the trunk. */
  hold(): void {
    if (this.dropped) return
    this.heldSettings = this.version
    if (this.wanted) this.withdraw('un-registered by hand')
    else this.parts.changed(this, this.state)
  }

  /** Registers now, whatever it was waiting for. */
  registerNow(): void {
    if (this.dropped) return
    this.heldSettings = null
    if (this.wanted) this.nudge('asked for by hand')
    else this.want('asked for by hand')
  }

  /** The connection to the registrar is gone, and with it the way back to us. */
  connectionLost(): void {
    const { binding } = this
    if (this.dropped || binding === undefined) return
    const quick = this.parts.clock.now() - binding.sinceMs < QUICK_LOSS_MS
    this.quickLosses = quick ? this.quickLosses + 1 : 0
    // Whatever is under way fails with the connection: then at once again.
    if (this.busy) return void (this.again = this.wanted && this.quickLosses < MAX_QUICK_LOSSES)
    const { state } = this
    this.unbind()
    this.inherited = placeOfBinding(binding)
    if (state !== 'registered') return this.parts.changed(this, state)
    if (this.quickLosses >= MAX_QUICK_LOSSES) {
      this.facts.failures = this.quickLosses
      this.retryAfterS = undefined
      this.facts.explain('the registrar closes the connection each time, right after the REGISTER')
      this.step('failed')
    } else {
      this.facts.explain('the connection to the registrar was lost')
      this.step('lost')
    }
    this.parts.changed(this, state)
  }

  /** Refreshes within so many milliseconds, at a random moment, what is registered by a connection: it may be gone. */
  refreshWithin(ms: number): void {
    const byConnection = this.binding !== undefined && this.binding.target.transport !== 'udp'
    if (this.dropped || this.busy || this.state !== 'registered' || !byConnection) return
    this.wait(Math.min(ms, this.aliveMs / 2) * this.parts.random())
  }

  /** Ends without a word: another edge has the trunk, or nothing is sent any more. */
  drop(): void {
    this.dropped = true
    this.halt()
  }

  /** No request is under way, and none is to end what stands. */
  get isIdle(): boolean {
    return !this.busy && this.state !== 'unregistering'
  }

  async turn(): Promise<void> {
    if (this.dropped || this.busy) return
    const before = this.state
    this.busy = true
    this.again = false
    this.step('turn')
    if (before !== this.state) this.parts.changed(this, before)
    const { job } = this
    this.job = undefined
    try {
      await job?.()
    } catch (error) {
      if (!this.dropped) this.took(unread(error))
    } finally {
      this.busy = false
      if (!this.dropped) this.afterwards()
    }
  }

  private get version(): string {
    return versionOf(this.trunk, this.read)
  }

  private want(why: string): void {
    this.wanted = true
    this.again = this.busy
    this.facts.explain(why)
    this.afterwards()
  }

  private nudge(why: string): void {
    if (this.busy) return void (this.again = true)
    const { state } = this
    if (state !== 'registered') this.facts.explain(why)
    this.facts.failures = 0
    this.step('again')
    this.parts.changed(this, state)
  }

  /** What came while a request was under way. */
  private afterwards(): void {
    if (this.busy || this.dropped) return
    const { state } = this
    if (!this.wanted) this.step(this.hasBinding ? 'withdraw' : 'end')
    else if (state === 'stopped') this.step('want')
    else if (this.again) {
      this.again = false
      this.step('again')
    } else return
    if (state !== this.state) this.parts.changed(this, state)
  }

  private get hasBinding(): boolean {
    return this.binding !== undefined || (this.inherited !== undefined && this.read.ok)
  }

  protected pauseMs(before: PauseBefore): number {
    const { random, settings } = this.parts
    switch (before) {
      case 'turn':
        return random() * LOST_JITTER_MS
      case 'refresh':
        return refreshPauseMs(this.facts.grantedS, random)
      case 'retry':
        return retryPauseMs(this.facts.failures, this.retryAfterS, settings, random, this.aliveMs)
      case 'probe':
        return refusedPauseMs(this.retryAfterS, settings, random)
    }
  }

  protected send(what: Sending): void {
    this.job = () => (what === 'register' ? this.register() : this.unregister())
  }

  private async register(): Promise<void> {
    const { read } = this
    if (!read.ok) return this.took(notUsable(read.why))
    const { settings } = read
    let credentials: Credentials | undefined
    try {
      credentials = await this.parts.credentialsOf(settings.trunk)
    } catch (error) {
      this.used = undefined
      return this.dropped ? undefined : this.took(unread(error))
    }
    this.used = { settings, credentials }
    const outcome = await this.requests.register(settings, credentials, this.facts.minExpiresS, this.inherited?.contact)
    if (this.dropped) return
    const former = this.binding
    this.took(outcome)
    if (outcome.kind === 'bound') await this.leaveFormer(former)
  }

  private took(outcome: Outcome): void {
    const { state, facts } = this
    if (outcome.kind === 'lost') return this.parts.lost(this)
    if (outcome.kind === 'held') return this.takeHeld(outcome)
    this.timesHeld = 0
    this.parts.attempted(outcome.result)
    if (outcome.result === 'wrong_password') this.parts.forgetCredentials(this.trunkId)
    facts.ended(outcome)
    facts.learn(outcome)
    facts.explain(outcome.why)
    if (outcome.kind === 'bound') this.bind(outcome)
    else {
      facts.failures += 1
      this.retryAfterS = outcome.retryAfterS
      // What failed may be a refresh: the binding of before goes on to its end.
      if (outcome.result === 'no_binding' || this.hasEnded) this.unbind()
    }
    this.step(outcome.kind)
    this.parts.changed(this, state)
  }

  private bind(outcome: Bound): void {
    const { used, binding } = this
    if (used === undefined) return
    const now = this.parts.clock.now()
    // A connection that holds is told from one that does not by its own age, not by that of the last refresh.
    const same = binding !== undefined && sameTarget(binding.target, outcome.target)
    const { target, contact, serviceRoute, grantedS } = outcome
    const sinceMs = same ? binding.sinceMs : now
    this.binding = { ...used, target, contact, serviceRoute, sinceMs, endsMs: now + grantedS * 1000 }
    this.facts.bind(outcome)
  }

  private unbind(): void {
    this.binding = undefined
    this.facts.unbind()
  }

  /** Milliseconds that the binding goes on; 0 when there is none. */
  private get aliveMs(): number {
    return Math.max(0, (this.binding?.endsMs ?? 0) - this.parts.clock.now())
  }

  private get hasEnded(): boolean {
    return this.binding !== undefined && this.aliveMs === 0
  }

  /** Nothing could be sent: soon again, and what stands goes on to its end. */
  private takeHeld(outcome: NotBound): void {
    const { state } = this
    const ended = this.hasEnded
    if (ended) this.unbind()
    const pauseMs = heldPauseMs((this.timesHeld += 1), this.parts.random)
    if (state === 'registered' && !ended) return this.wait(pauseMs)
    this.facts.explain(outcome.why)
    this.step('failed')
    this.wait(pauseMs)
    this.parts.changed(this, state)
  }

  /** Takes away what stood before: at another registrar, of another AOR, or of a former owner. */
  private async leaveFormer(former: OwnedBinding | undefined): Promise<void> {
    const { binding, inherited } = this
    this.inherited = undefined
    const left = binding && leftBehind(binding, former, inherited)
    if (left === undefined) return
    const outcome = await this.farewell(left.binding, left.contact)
    // Who rewrites Contacts, or knows one of an AOR alone, may have taken the new one away.
    if (left.again || (left.contact !== undefined && outcome?.left === false)) this.again = true
  }

  private async unregister(): Promise<void> {
    const { inherited, read } = this
    let binding: Binding | undefined = this.binding
    if (binding === undefined && inherited !== undefined && read.ok) {
      const credentials = await this.parts.credentialsOf(this.trunk).catch(() => undefined)
      binding = { settings: read.settings, credentials, target: undefined, contact: inherited.contact }
    }
    if (binding !== undefined) {
      const outcome = await this.farewell(binding, this.binding === undefined ? binding.contact : undefined)
      if (outcome === undefined) return
      this.facts.ended(outcome)
      if (outcome.result !== 'unregistered') this.facts.add(outcome.why)
    }
    const { state } = this
    this.unbind()
    this.inherited = undefined
    this.step('unbound')
    this.parts.changed(this, state)
  }

  /** Un-registers; undefined when the trunk is another's. */
  private async farewell(binding: Binding, contact?: string) {
    const outcome = await this.requests.unregister(binding, contact)
    if (this.dropped) return undefined
    if (outcome.kind === 'lost') return void this.parts.lost(this)
    this.parts.attempted(outcome.result)
    return outcome
  }
}
