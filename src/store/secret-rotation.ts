import { randomBytes } from 'node:crypto'
import type { Clock } from '../engine/index.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import type { KeyRing, Keys } from './key-ring.js'
import { keys, parseSecretKey, secretPattern } from './keys.js'
import type { Log } from './observe.js'
import { MAX_SEALED_BYTES } from './passwords.js'
import { Script } from './script.js'
import { keyIdOf, type Secrets } from './secrets.js'
import { readText, writeText } from './text.js'

/** Where the keys are kept. */
export interface KeyKeeper {
  /** Whether a new key can be made here; false when one is configured. */
  readonly makesKeys: boolean
  /** Makes a key and keeps the present one among the former. */
  make(): Keys
  /** The former keys that are kept. */
  former(): readonly Uint8Array[]
  /** Keeps these no longer. */
  drop(former: readonly Uint8Array[]): void
}

/** A secret that does not open: the record it belongs to, never what it holds. */
export interface UnreadableSecret {
  readonly record: 'trunk' | 'agent'
  readonly id: string
  /** `password` or `inbound password`. */
  readonly secret: string
  readonly why: string
}

/** Where a rotation stands. */
export interface Rotation {
  readonly id: string
  readonly state: 'running' | 'done' | 'failed'
  /** Whether a key was made for it; false: a configured key was gone over to. */
  readonly made_key: boolean
  /** Names the present key, as sealed texts do. */
  readonly key_id: string
  /** Secrets there are; null while they are counted. */
  readonly total: number | null
  /** Secrets looked at. */
  readonly done: number
  /** Of these, sealed anew. */
  readonly resealed: number
  /** Secrets that do not open, a thousand at most; `unreadable_count` are there. */
  readonly unreadable: readonly UnreadableSecret[]
  readonly unreadable_count: number
  /** Names of former keys that nothing is sealed with any more. Those of the data folder are kept no longer. */
  readonly unneeded_keys: readonly string[]
  /** Former keys that are still kept, and how many secrets need each. */
  readonly kept_keys: readonly { readonly key_id: string; readonly secrets: number }[]
  readonly started_at: string
  readonly ended_at: string | null
  /** Why it failed. */
  readonly error: string | null
}

type Progress = { -readonly [Field in keyof Rotation]: Rotation[Field] } & { unreadable: UnreadableSecret[] }

const SCAN_COUNT = 500
const MAX_NAMED = 1_000
const MAX_ATTEMPTS = 5
/** A pass finds what was written behind the one before it. */
const MAX_PASSES = 3
const LEASE_MS = 30_000

/** ARGV: who holds it, milliseconds (0: gives it back). */
const leaseScript = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1`)

/**
 * Goes over to another key: makes one where that is ours to do, uses it at once, seals every secret in Redis anew, each by
 * compare-and-set, and keeps former keys no longer that nothing needs. Interrupted anywhere it leaves every secret readable, and
 * running it again completes it. One at a time on the same Redis.
 */
export class SecretRotation {
  private readonly holder = randomBytes(12).toString('hex')
  private latest: Progress | undefined
  private running: Promise<void> | undefined
  private stopped = false

  constructor(
    private readonly parts: {
      connection: Connection
      clock: Clock
      ring: KeyRing
      secrets: Secrets
      keeper: KeyKeeper
      logger: Log
    },
  ) {}

  /** The names of the keys in use, and whether a rotation makes a new one. */
  keys(): { makes_keys: boolean; key_id: string; former_key_ids: string[] } {
    const { keeper, ring, secrets } = this.parts
    return {
      makes_keys: keeper.makesKeys,
      key_id: secrets.idOf(ring.present),
      former_key_ids: ring.former.map((key) => secrets.idOf(key)),
    }
  }

  /** The latest rotation of this edge, if it has that id. */
  find(id: string): Rotation | undefined {
    return this.latest?.id === id ? this.latest : undefined
  }

  /** Starts a rotation; `find` tells how far it is. @throws {StoreError} UNAVAILABLE; EXISTS while one runs, here or on another edge */
  async start(): Promise<Rotation> {
    const { clock, ring, secrets, keeper, logger } = this.parts
    const underWay = new StoreError('EXISTS', 'a rotation is under way already')
    if (this.running !== undefined) throw underWay
    if (!(await this.lease(LEASE_MS)) || this.running !== undefined) throw underWay
    const made = keeper.makesKeys
    try {
      if (made) ring.replace(keeper.make())
    } catch (error) {
      await this.lease(0).catch(() => undefined)
      throw error
    }
    const rotation: Progress = {
      id: randomBytes(6).toString('hex'),
      state: 'running',
      made_key: made,
      key_id: secrets.idOf(ring.present),
      total: null,
      done: 0,
      resealed: 0,
      unreadable: [],
      unreadable_count: 0,
      unneeded_keys: [],
      kept_keys: [],
      started_at: clock.date().toISOString(),
      ended_at: null,
      error: null,
    }
    this.latest = rotation
    logger.info({ keyId: rotation.key_id, madeKey: made }, 'secret key: rotation started')
    this.running = this.run(rotation).then((ending) => {
      this.running = undefined
      Object.assign(rotation, ending, { ended_at: clock.date().toISOString() })
    })
    return { ...rotation }
  }

  /** Ends one that is under way, after the secrets at hand. */
  async stop(): Promise<void> {
    this.stopped = true
    await this.running
  }

  private async run(rotation: Progress): Promise<Pick<Rotation, 'state' | 'error'>> {
    const { logger } = this.parts
    let ending: Pick<Rotation, 'state' | 'error'> = { state: 'done', error: null }
    try {
      rotation.total = [...(await this.count()).values()].reduce((sum, many) => sum + many, 0)
      await this.resealAll(rotation)
      let sealed = await this.count()
      for (let pass = 1; pass < MAX_PASSES && this.needed(sealed); pass++) {
        await this.resealAll(rotation)
        sealed = await this.count()
      }
      this.dropUnneeded(rotation, sealed)
    } catch (error) {
      const why = error instanceof StoreError ? error.message : 'something went wrong; the log tells more'
      ending = { state: 'failed', error: why }
      logger.error({ err: error }, 'secret key: rotation failed; every secret can be read, run it again')
    }
    await this.lease(0).catch(() => undefined)
    const { total, resealed, unreadable_count: unreadable, unneeded_keys: unneededKeys } = rotation
    logger.info({ ...ending, total, resealed, unreadable, unneededKeys }, 'secret key: rotation ended')
    return ending
  }

  private async resealAll(rotation: Progress): Promise<void> {
    rotation.done = 0
    rotation.unreadable = []
    rotation.unreadable_count = 0
    for await (const found of this.scan()) {
      await Promise.all(found.map((key) => this.reseal(key, rotation)))
      rotation.done += found.length
      // SCAN may give a key twice, and others add some.
      rotation.total = Math.max(rotation.total ?? 0, rotation.done)
    }
  }

  private async reseal(key: string, rotation: Progress): Promise<void> {
    const { connection, secrets } = this.parts
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const raw = await connection.ask('secret', (client) => readText(client, key, MAX_SEALED_BYTES), { patient: true })
      if (raw.kind === 'none') return
      let next: string
      try {
        if (raw.kind === 'unusable') throw new StoreError('INVALID', raw.why)
        // Opened even when the present key has it: what does not open is to be known.
        const secret = secrets.open(raw.text, key)
        if (!secrets.isSealedWithFormerKey(raw.text)) return
        next = secrets.seal(secret, key)
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        return this.note(key, error.message, rotation)
      }
      const write = connection.ask('secret', (client) => writeText(client, key, raw.text, next), { patient: true })
      if (!(await write)) continue
      rotation.resealed += 1
      return
    }
  }

  private note(key: string, why: string, rotation: Progress): void {
    const { record, id, kind } = parseSecretKey(key)!
    rotation.unreadable_count += 1
    const secret = kind === 'trunkInbound' ? 'inbound password' : 'password'
    if (rotation.unreadable.length < MAX_NAMED) rotation.unreadable.push({ record, id, secret, why })
  }

  /** How many secrets are sealed with each key, by its name; '' stands for what names none. */
  private async count(): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    for await (const found of this.scan()) {
      const texts = await this.parts.connection.ask(
        'secret',
        (client) => Promise.all(found.map((key) => readText(client, key, MAX_SEALED_BYTES))),
        { patient: true },
      )
      for (const raw of texts) {
        if (raw.kind === 'none') continue
        const id = (raw.kind === 'text' ? keyIdOf(raw.text) : undefined) ?? ''
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
    }
    return counts
  }

  /** Whether a key that we have is needed for anything but the present one. */
  private needed(sealed: ReadonlyMap<string, number>): boolean {
    const { ring, secrets } = this.parts
    return ring.former.some((key) => sealed.has(secrets.idOf(key)))
  }

  private dropUnneeded(rotation: Progress, sealed: ReadonlyMap<string, number>): void {
    const { keeper, ring, secrets } = this.parts
    const known = keeper.makesKeys ? keeper.former() : ring.former
    const kept = known.filter((key) => sealed.has(secrets.idOf(key)))
    const unneeded = known.filter((key) => !kept.includes(key))
    if (keeper.makesKeys) keeper.drop(unneeded)
    rotation.unneeded_keys = unneeded.map((key) => secrets.idOf(key))
    rotation.kept_keys = kept.map((key) => {
      const id = secrets.idOf(key)
      return { key_id: id, secrets: sealed.get(id) ?? 0 }
    })
  }

  /** The keys of all secrets, a chunk at a time; keeps the lease meanwhile. */
  private async *scan(): AsyncGenerator<string[]> {
    const { clock, connection } = this.parts
    let cursor = '0'
    let leasedAtMs = clock.now()
    do {
      if (this.stopped) throw new StoreError('UNAVAILABLE', 'the edge stops')
      const [next, found] = await connection.ask(
        'scan',
        (client) => client.scan(cursor, 'MATCH', secretPattern, 'COUNT', SCAN_COUNT),
        { patient: true },
      )
      cursor = next
      const secretsFound = [...new Set(found)].filter((key) => parseSecretKey(key) !== undefined)
      if (secretsFound.length > 0) yield secretsFound
      if (clock.now() - leasedAtMs < LEASE_MS / 3) continue
      leasedAtMs = clock.now()
      if (!(await this.lease(LEASE_MS))) throw new StoreError('EXISTS', 'another edge began a rotation')
    } while (cursor !== '0')
  }

  private async lease(ms: number): Promise<boolean> {
    const run = this.parts.connection.ask('secret', (client) =>
      leaseScript.run(client, [keys.secretRotation], [this.holder, ms]),
    )
    return (await run) === 1
  }
}
