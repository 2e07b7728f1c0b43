import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { keys } from './keys.js'
import type { Secrets } from './secrets.js'
import { readText } from './text.js'

const MAX_BYTES = 16_384

/** The passwords of trunks, sealed, beside their records: `signalbox:trunk:<id>:secret`. Methods throw StoreError: UNAVAILABLE, INVALID. */
export class TrunkPasswords {
  private readonly connection: Connection
  private readonly secrets: Secrets

  constructor({ connection, secrets }: { connection: Connection; secrets: Secrets }) {
    this.connection = connection
    this.secrets = secrets
  }

  async get(trunkId: string): Promise<string | undefined> {
    const key = keys.trunkSecret(trunkId)
    const raw = await this.connection.ask('secret', (client) => readText(client, key, MAX_BYTES))
    if (raw.kind === 'none') return undefined
    if (raw.kind === 'unusable') throw new StoreError('INVALID', `the password of trunk ${trunkId}: ${raw.why}`)
    return this.secrets.open(raw.text, key)
  }

  async set(trunkId: string, password: string): Promise<void> {
    const key = keys.trunkSecret(trunkId)
    const sealed = this.secrets.seal(password, key)
    await this.connection.ask('secret', (client) => client.set(key, sealed))
  }

  /** False when there was none. */
  async remove(trunkId: string): Promise<boolean> {
    return (await this.connection.ask('secret', (client) => client.del(keys.trunkSecret(trunkId)))) === 1
  }

  async has(trunkId: string): Promise<boolean> {
    return (await this.connection.ask('secret', (client) => client.exists(keys.trunkSecret(trunkId)))) === 1
  }
}
