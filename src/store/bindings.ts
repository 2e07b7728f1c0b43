import { isScopedId } from '../model/account.js'
import { bindingsSchema, type TrunkBindings } from '../model/binding.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { keys } from './keys.js'
import { parseRecord } from './record.js'
import { Script } from './script.js'
import { readText, type RawText } from './text.js'

/** Ten contacts of the greatest size have some 60 kB. */
const MAX_BYTES = 256 * 1024
/** Writers that may come between, each time, before one gives up. */
const MAX_ATTEMPTS = 16
/** The key outlives the last contact by this: whoever looks meanwhile sees it as ended. */
const MARGIN_MS = 10_000
/** Trunks read in one round trip. */
const CHUNK = 100
/** Changes that are remembered; who has missed more reads everything. */
const MAX_CHANGES = 100_000

/** Writes when the key still holds what was read. ARGV: '-' or '=' and the text read; the new text ('': none) and milliseconds it lasts. What is no text counts as none. */
const writeScript = new Script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then
  redis.call('DEL', KEYS[1])
  kind = 'none'
end
local now = kind == 'string' and redis.call('GET', KEYS[1])
if ARGV[1] ~= '*' and ARGV[1] ~= (now and '=' .. now or '-') then return 'changed' end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 'written'`)

/** Says that the contacts of a trunk are others now. KEYS: the set, the count. ARGV: the trunk, trunks remembered at most. */
const announceScript = new Script(`
local count = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', count), ARGV[1])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
return count`)

/** What becomes of the contacts of a trunk: others, none (null), or (undefined) they stay. */
export type Change = TrunkBindings | null | undefined

/**
 * The contacts that trunks have registered with us: one Redis string a trunk, `signalbox:bindings:<trunk_id>`, JSON, which ends with the last
 * contact. Methods throw StoreError: UNAVAILABLE.
 */
export class Bindings {
  private readonly connection: Connection

  constructor({ connection }: { connection: Connection }) {
    this.connection = connection
  }

  /** Whether Redis answers. */
  get up(): boolean {
    return this.connection.up
  }

  /** One for each trunk; undefined where there are none, or they do not parse. */
  async get(trunkIds: readonly string[]): Promise<(TrunkBindings | undefined)[]> {
    const found: (TrunkBindings | undefined)[] = []
    for (let at = 0; at < trunkIds.length; at += CHUNK) {
      const chunk = trunkIds.slice(at, at + CHUNK)
      const raw = await this.connection.ask(
        'bindings',
        (client) => Promise.all(chunk.map((id) => readText(client, keys.bindings(id), MAX_BYTES))),
        { patient: true },
      )
      found.push(...raw.map((text, i) => parse(chunk[i]!, text)))
    }
    return found
  }

  /**
   * Changes the contacts of a trunk, all or none: when another writer comes between, `change` is asked again with what that wrote.
   * @param change what it throws is thrown, and nothing is written
   * @returns what stands there now
   */
  async update(
    trunkId: string,
    nowMs: () => number,
    change: (current: TrunkBindings | undefined) => Change,
  ): Promise<TrunkBindings | undefined> {
    const key = keys.bindings(trunkId)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const raw = await this.connection.ask('bindings', (client) => readText(client, key, MAX_BYTES))
      const current = parse(trunkId, raw)
      const next = change(current)
      if (next === undefined) return current
      // What cannot be read is replaced.
      const before = raw.kind === 'text' ? `=${raw.text}` : raw.kind === 'none' ? '-' : '*'
      const [text, lastsMs] = next === null ? ['', 0] : [JSON.stringify(next), lastsOf(next, nowMs())]
      const written = await this.connection.ask('bindings', (client) =>
        writeScript.run(client, [key], lastsMs <= 0 ? [before, '', 0] : [before, text, lastsMs]),
      )
      if (written !== 'written') continue
      await this.announce(trunkId)
      return next ?? undefined
    }
    throw new StoreError('UNAVAILABLE', `trunk ${trunkId}: others change its contacts all the time`)
  }

  /** Which trunks' contacts have changed since then, and the number to ask with next time. */
  async changedSince(count: number): Promise<{ readonly trunkIds: readonly string[]; readonly count: number }> {
    const members = await this.connection.ask('bindings', (client) =>
      client.zrangebyscore(keys.bindingChanges, `(${count}`, '+inf', 'WITHSCORES'),
    )
    const trunkIds = members.filter((member, i) => i % 2 === 0 && isScopedId(member))
    const last = Number(members.at(-1) ?? count)
    return { trunkIds, count: Number.isSafeInteger(last) ? last : count }
  }

  /** The number of the latest change of all. */
  async changeCount(): Promise<number> {
    const count = await this.connection.ask('bindings', (client) => client.get(keys.bindingChangeCount))
    return Number.isSafeInteger(Number(count)) ? Number(count) : 0
  }

  /** Others hear of it within a second; when this fails, at the next change. */
  private async announce(trunkId: string): Promise<void> {
    await this.connection
      .ask('bindings', (client) =>
        announceScript.run(client, [keys.bindingChanges, keys.bindingChangeCount], [trunkId, MAX_CHANGES]),
      )
      .catch(() => undefined)
  }
}

function lastsOf({ bindings }: TrunkBindings, nowMs: number): number {
  if (bindings.length === 0) return 0
  return Math.max(...bindings.map(({ expires_at }) => Date.parse(expires_at))) - nowMs + MARGIN_MS
}

function parse(trunkId: string, raw: RawText): TrunkBindings | undefined {
  if (raw.kind !== 'text') return undefined
  try {
    const read = parseRecord(bindingsSchema, JSON.parse(raw.text) as object)
    return read.kind === 'value' && read.value.trunk_id === trunkId ? read.value : undefined
  } catch {
    return undefined
  }
}
