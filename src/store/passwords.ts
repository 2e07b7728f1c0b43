import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { keys } from './keys.js'
import type { Secrets } from './secrets.js'
import { readText, writeText, type RawText } from './text.js'

/** Bytes a sealed password may have. */
export const MAX_SEALED_BYTES = 16_384
const MAX_ATTEMPTS = 5

/** Whose password it is, in messages, and where it is kept. */
export interface PasswordKind {
  readonly noun: string
  readonly key: (id: string) => string
}

export const passwordKinds = {
  trunk: { noun: 'the password of trunk', key: keys.trunkSecret },
  trunkInbound: { noun: 'the inbound password of trunk', key: keys.trunkInboundSecret },
  agent: { noun: 'the password of agent', key: keys.agentSecret },
} as const satisfies Record<string, PasswordKind>

/** Puts back what a change of a password replaced, unless another writer came between. */
export type Undo = () => Promise<void>

/** The passwords of one kind of record, sealed, each in a key of its own beside the record. Methods throw StoreError: UNAVAILABLE, INVALID. */
export class Passwords {
  constructor(
    private readonly kind: PasswordKind,
    private readonly connection: Connection,
    private readonly secrets: Secrets,
  ) {}

  async get(id: string): Promise<string | undefined> {
    const key = this.kind.key(id)
    const raw = await this.read(key)
    if (raw.kind === 'none') return undefined
    if (raw.kind === 'unusable') throw new StoreError('INVALID', `${this.kind.noun} ${id}: ${raw.why}`)
    return this.secrets.open(raw.text, key)
  }

  async set(id: string, password: string): Promise<void> {
    const key = this.kind.key(id)
    const sealed = this.secrets.seal(password, key)
    await this.connection.ask('secret', (client) => client.set(key, sealed))
    await this.kept(key, sealed, password)
  }

  /**
   * Sets the password (null: removes it) ahead of a change of the record it belongs to: whoever sees the record change finds it. When
   * that change then fails, what this gives back undoes it.
   */
  async replace(id: string, password: string | null): Promise<Undo> {
    const key = this.kind.key(id)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const raw = await this.read(key)
      // Nothing that can be opened is lost with it.
      if (raw.kind === 'unusable') await this.connection.ask('secret', (client) => client.del(key))
      const before = raw.kind === 'text' ? raw.text : null
      const after = password === null ? null : this.secrets.seal(password, key)
      if (!(await this.write(key, before, after))) continue
      const kept = after === null || password === null ? after : await this.kept(key, after, password)
      return () => this.putBack(key, { before, after: kept, password })
    }
    throw new StoreError('UNAVAILABLE', `${this.kind.noun} ${id} is being changed by others all the time`)
  }

  /** False when there was none. */
  async remove(id: string): Promise<boolean> {
    return (await this.connection.ask('secret', (client) => client.del(this.kind.key(id)))) === 1
  }

  async has(id: string): Promise<boolean> {
    return (await this.connection.ask('secret', (client) => client.exists(this.kind.key(id)))) === 1
  }

  private async putBack(
    key: string,
    { before, after, password }: { before: string | null; after: string | null; password: string | null },
  ): Promise<void> {
    const again = before === null ? null : this.sealedAnew(before, key)
    let isBack = await this.write(key, after, again)
    if (!isBack && password !== null) {
      // A rotation of the key may have sealed it anew: still ours when it is the same password.
      const raw = await this.read(key)
      const isOurs = raw.kind === 'text' && this.opened(raw.text, key) === password
      isBack = isOurs && (await this.write(key, raw.text, again))
    }
    const secret = isBack && again !== null ? this.opened(again, key) : undefined
    if (again !== null && secret !== undefined) await this.kept(key, again, secret)
  }

  /**
   * What was just written, sealed anew when another edge's rotation ended between the sealing and the writing: it did not see this
   * text, and keeps its key no longer.
   */
  private async kept(key: string, sealed: string, password: string): Promise<string> {
    if (!this.secrets.isSealedWithFormerKey(sealed)) return sealed
    const anew = this.secrets.seal(password, key)
    return (await this.write(key, sealed, anew)) ? anew : sealed
  }

  /** The same secret under the present key, which may have been replaced meanwhile; one that does not open stays as it is. */
  private sealedAnew(sealed: string, key: string): string {
    const secret = this.secrets.isSealedWithFormerKey(sealed) ? this.opened(sealed, key) : undefined
    return secret === undefined ? sealed : this.secrets.seal(secret, key)
  }

  private opened(sealed: string, key: string): string | undefined {
    try {
      return this.secrets.open(sealed, key)
    } catch {
      return undefined
    }
  }

  private read(key: string): Promise<RawText> {
    return this.connection.ask('secret', (client) => readText(client, key, MAX_SEALED_BYTES))
  }

  private write(key: string, before: string | null, after: string | null): Promise<boolean> {
    return this.connection.ask('secret', (client) => writeText(client, key, before, after))
  }
}

/** The passwords of every kind. */
export interface AllPasswords {
  readonly trunk: Passwords
  readonly trunkInbound: Passwords
  readonly agent: Passwords
}

export function createPasswords({ connection, secrets }: { connection: Connection; secrets: Secrets }): AllPasswords {
  const of = (kind: PasswordKind): Passwords => new Passwords(kind, connection, secrets)
  return {
    trunk: of(passwordKinds.trunk),
    trunkInbound: of(passwordKinds.trunkInbound),
    agent: of(passwordKinds.agent),
  }
}
