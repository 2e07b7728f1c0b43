import type { Redis } from 'ioredis'
import { StoreError } from './errors.js'
import { Script } from './script.js'

/** What stands in a key that should be a hash. Field values are text; a field that is not there is null. */
export type RawHash =
  | { readonly kind: 'none' }
  | { readonly kind: 'hash'; readonly fields: ReadonlyMap<string, string | null> }
  | { readonly kind: 'unusable'; readonly why: string }

/** A field's name and the bytes of it that are read at most. */
export type FieldLimit = readonly [field: string, bytes: number]

/** Reads the wanted fields and nothing else: neither fields of others nor a value beyond its limit crosses the wire. */
const readScript = new Script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' then return {kind} end
local answer = {kind}
for i = 1, #ARGV, 2 do
  if redis.call('HSTRLEN', KEYS[1], ARGV[i]) > tonumber(ARGV[i + 1]) then return {'long', ARGV[i], ARGV[i + 1]} end
  answer[#answer + 1] = redis.call('HGET', KEYS[1], ARGV[i])
end
return answer`)

/** Writes when every field still holds what was read: ARGV has, for each, its name, '-' or '=' and the value read, and the new value. */
const writeScript = new Script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return 'changed' end
for i = 1, #ARGV, 3 do
  local now = redis.call('HGET', KEYS[1], ARGV[i])
  if ARGV[i + 1] ~= (now and '=' .. now or '-') then return 'changed' end
end
for i = 1, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
return 'written'`)

export const hashScripts = [readScript, writeScript] as const

export async function readHash(client: Redis, key: string, limits: readonly FieldLimit[]): Promise<RawHash> {
  const answer = await readScript.run(client, [key], limits.flat())
  if (!Array.isArray(answer)) throw new StoreError('INVALID', 'Redis: unexpected answer')
  const [kind, ...values] = answer as unknown[]
  if (kind === 'none') return { kind }
  if (kind === 'long')
    return { kind: 'unusable', why: `${String(values[0])}: is longer than ${String(values[1])} bytes` }
  if (kind !== 'hash') return { kind: 'unusable', why: `the key holds a ${String(kind).slice(0, 20)}, not a hash` }
  const fields = new Map<string, string | null>()
  limits.forEach(([field], i) => {
    const value = values[i]
    fields.set(field, typeof value === 'string' ? value : null)
  })
  return { kind, fields }
}

/**
 * Writes `next`, if the hash still holds what was read; other fields stay.
 * @returns false when another writer came between
 */
export async function writeHash(
  client: Redis,
  key: string,
  read: ReadonlyMap<string, string | null>,
  next: ReadonlyMap<string, string>,
): Promise<boolean> {
  const args: string[] = []
  for (const [field, value] of next) {
    const before = read.get(field) ?? null
    args.push(field, before === null ? '-' : `=${before}`, value)
  }
  return (await writeScript.run(client, [key], args)) === 'written'
}
