import type { RegistrationState } from '../../src/model/registration.js'
import type { Trunk } from '../../src/model/trunk.js'
import type { RegistrationRecord } from '../../src/store/registrations.js'
import type { Credentials } from '../../src/trunks/digest/exchange.js'
import type { AttemptResult } from '../../src/trunks/registration/attempt.js'
import type { DriverParts } from '../../src/trunks/registration/driver-parts.js'
import { TrunkRegistration } from '../../src/trunks/registration/trunk-registration.js'
import { Turns } from '../../src/trunks/registration/turns.js'
import { nameTarget, type Target } from '../../src/trunks/target.js'
import type { TrunkAnswer, TrunkRequest } from '../../src/trunks/trunk-requests.js'
import { ManualClock } from './manual-clock.js'
import { newTrunk } from './store-bench.js'

export const TOKEN = `sbt${'a2'.repeat(10)}`
export const HOME = '127.0.0.1:5060'
/** Our Contact as the server fills it in. */
export const OWN = `sip:${TOKEN}@${HOME};sbt=${TOKEN}`

export const target = (port: number, transport: Target['transport'] = 'udp'): Target => ({
  transport,
  address: '192.0.2.7',
  port,
  settled: true,
})

/** One REGISTER as it was sent. */
export interface Sent {
  readonly request: TrunkRequest
  readonly cseq: number
  readonly expires: number
  readonly to: string
  readonly atMs: number
}

/** What a registrar says: 200 with our Contact for what was asked unless told otherwise. */
export interface Says {
  readonly status?: number
  readonly reason?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly sent?: boolean
  readonly refused?: TrunkAnswer['refused']
}

/** Answers a REGISTER; a promise is one that takes its time, undefined an answer that never comes. */
export type Registrar = (sent: Sent) => Says | Promise<Says>

/** Lets promises settle. */
export async function flush(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

export function trunkOf(fields: Parameters<typeof newTrunk>[1] = {}): Trunk {
  return {
    ...newTrunk('pbx-1', {
      sip_domain: 'pbx.example.com',
      username: 'u100',
      auth_username: 'auth',
      register: { enabled: true, expires: 300 },
      ...fields,
    }),
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
  }
}

/** Times of a registration that is the same every day: randomness is 0 unless a test sets it. */
export class RegistrationBench {
  readonly clock = new ManualClock()
  readonly sent: Sent[] = []
  readonly results: AttemptResult[] = []
  readonly states: RegistrationState[] = []
  readonly forgotten: string[] = []
  registrar: Registrar = () => ({})
  targets: readonly Target[] | Error = [target(5065)]
  credentials: Credentials | undefined = { username: 'auth', password: 'one' }
  random = 0
  /** Asked before each CSeq; throws to refuse it. */
  guard: () => void = () => {}
  lost = 0
  readonly turns: Turns
  readonly parts: DriverParts
  driver!: TrunkRegistration

  constructor(settings: Partial<DriverParts['settings']> & { maxInFlight?: number; startRate?: number } = {}) {
    const { maxInFlight = 50, startRate = 50, ...rest } = settings
    this.turns = new Turns({ clock: this.clock, maxInFlight, startRate })
    this.parts = {
      clock: this.clock,
      random: () => this.random,
      turns: this.turns,
      targetsOf: async () => {
        if (this.targets instanceof Error) throw this.targets
        return this.targets
      },
      send: (request) => this.send(request),
      note: () => {},
      nextCseq: async (_trunk, _fence, sent) => {
        this.guard()
        return sent + 1
      },
      credentialsOf: async () => this.credentials,
      forgetCredentials: (id) => void this.forgotten.push(id),
      tokenOf: () => TOKEN,
      ownAddresses: () => new Set([HOME]),
      edgeId: 'edge-1',
      userAgent: 'signalbox',
      settings: {
        responseTimeoutMs: 8_000,
        retryBaseS: 30,
        retryMaxS: 1_800,
        refusedRetryS: 3_600,
        retryAfterMaxS: 3_600,
        minExpiresMaxS: 86_400,
        ...rest,
      },
      changed: (driver, before) => {
        if (driver.state !== before) this.states.push(driver.state)
      },
      attempted: (result) => void this.results.push(result),
      lost: (driver) => {
        this.lost += 1
        driver.drop()
      },
    }
  }

  /** A registration that has begun, and has sent its first REGISTER. */
  static async started(
    registrar: Registrar = () => ({}),
    trunk: Parameters<typeof newTrunk>[1] = {},
    record: Partial<RegistrationRecord> = {},
  ): Promise<RegistrationBench> {
    const bench = new RegistrationBench()
    bench.registrar = registrar
    await bench.start(trunk, record)
    return bench
  }

  async start(trunk: Parameters<typeof newTrunk>[1] = {}, record: Partial<RegistrationRecord> = {}): Promise<void> {
    this.driver = this.add(trunkOf(trunk), record)
    await flush()
  }

  add(trunk: Trunk, record: Partial<RegistrationRecord> = {}): TrunkRegistration {
    const driver = new TrunkRegistration(this.parts, trunk, {
      fence: 1,
      callId: 'call-1',
      cseq: 0,
      contact: null,
      aor: null,
      held: null,
      state: undefined,
      ...record,
    })
    driver.start()
    return driver
  }

  get view() {
    return this.driver.view
  }

  get last(): Sent {
    const sent = this.sent.at(-1)
    if (sent === undefined) throw new Error('nothing was sent')
    return sent
  }

  /** Moves time on, and lets what falls due run to its end. */
  async advance(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    // In steps, so that what an answer sets in motion falls due in time.
    while (this.clock.now() < end) {
      this.clock.advance(Math.min(1_000, end - this.clock.now()))
      await flush()
    }
  }

  /** Milliseconds from now until the next attempt that it tells of. */
  get pauseMs(): number {
    return Date.parse(this.view.next_attempt_at ?? '') - this.clock.date().getTime()
  }

  private async send(request: TrunkRequest): Promise<TrunkAnswer> {
    const cseq = (await request.nextCseq?.()) ?? 0
    const sent: Sent = {
      request,
      cseq,
      expires: Number(request.headers['Expires']),
      to: nameTarget(request.target),
      atMs: this.clock.now(),
    }
    this.sent.push(sent)
    const { status = 200, reason = 'OK', headers, sent: reached = true, refused } = await this.registrar(sent)
    const all = headers ?? (status === 200 ? { contact: `<${OWN}>;expires=${sent.expires}` } : {})
    const response = {
      status,
      reason,
      header: (name: string) => all[name.toLowerCase()],
      sourceAddress: request.target.address,
      sourcePort: request.target.port,
      protocol: request.target.transport,
      sent: reached,
    }
    return { response, sends: 1, ...(refused && { refused }) }
  }
}
