import type { Redis } from 'ioredis'
import { StoreError } from './errors.js'
import { Script } from './script.js'

/** What stands in a key that should be a string. */
export type RawText =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unusable'; readonly why: string }

const readScript = new Script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'string' then return {kind} end
if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[1]) then return {'long'} end
return {kind, redis.call('GET', KEYS[1])}`)

/** ARGV: '-' or '=' and the text read, the new text (absent: none). */
const writeScript = new Script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then return 'changed' end
local now = redis.call('GET', KEYS[1])
if ARGV[1] ~= (now and '=' .. now or '-') then return 'changed' end
if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('DEL', KEYS[1]) end
return 'written'`)

export const textScripts = [readScript, writeScript] as const

/** Reads a string of at most `maxBytes`; a longer one stays where it is. */
export async function readText(client: Redis, key: string, maxBytes: number): Promise<RawText> {
  const answer = await readScript.run(client, [key], [maxBytes])
  if (!Array.isArray(answer)) throw new StoreError('INVALID', 'Redis: unexpected answer')
  const [kind, text] = answer as unknown[]
  if (kind === 'none') return { kind }
  if (kind === 'long') return { kind: 'unusable', why: `is longer than ${maxBytes} bytes` }
  if (kind !== 'string' || typeof text !== 'string')
    return { kind: 'unusable', why: `the key holds a ${String(kind).slice(0, 20)}, not a string` }
  return { kind: 'text', text }
}

/** Writes `next` (null: removes it), if the key still holds what was read (null: nothing). False when another writer came between. */
export async function writeText(
  client: Redis,
  key: string,
  read: string | null,
  next: string | null,
): Promise<boolean> {
  const args = [read === null ? '-' : `=${read}`, ...(next === null ? [] : [next])]
  return (await writeScript.run(client, [key], args)) === 'written'
}
