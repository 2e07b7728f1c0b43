import { Script } from './script.js'

/**
 * Makes an edge the owner of a trunk. KEYS: the record. ARGV: the edge, the owner it may replace ('' for none), Call-ID and CSeq to begin
 * with, the highest CSeq, the gap left at a change of owner, bytes of `state` that are read. What others wrote where numbers belong
 * counts as none.
 */
export const claimScript = new Script(`
local key, me, former = KEYS[1], ARGV[1], ARGV[2]
local kind = redis.call('TYPE', key).ok
if kind ~= 'none' and kind ~= 'hash' then redis.call('DEL', key) end
local function number(field) return math.floor(tonumber(redis.call('HGET', key, field) or '') or 0) end
local function text(field, most)
  if redis.call('HSTRLEN', key, field) > most then return '' end
  return redis.call('HGET', key, field) or ''
end
local owner = text('owner', 128)
if owner ~= '' and owner ~= me and owner ~= former then return {'held', owner} end
local fence = number('fence') + 1
local call = text('call_id', 128)
local cseq = math.max(number('cseq'), tonumber(ARGV[4]))
if owner ~= '' and owner ~= me then cseq = cseq + tonumber(ARGV[6]) end
if call == '' or cseq < 0 or cseq >= tonumber(ARGV[5]) then
  call = ARGV[3]
  if cseq < 0 or cseq >= tonumber(ARGV[5]) then cseq = 0 end
end
redis.call('HSET', key, 'owner', me, 'fence', string.format('%.0f', fence), 'call_id', call, 'cseq', string.format('%.0f', cseq))
return {'won', fence, call, cseq, text('contact', 1024), text('aor', 1024), text('held', 128), text('state', tonumber(ARGV[7]))}`)

/** The next CSeq, for the owner alone. ARGV: the edge, its fence, the highest CSeq it knows to be used. 0: it is not the owner. */
export const nextCSeqScript = new Script(`
local fields = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'cseq')
if fields[1] ~= ARGV[1] or fields[2] ~= ARGV[2] then return 0 end
local cseq = math.max(math.floor(tonumber(fields[3] or '') or 0), tonumber(ARGV[3])) + 1
redis.call('HSET', KEYS[1], 'cseq', string.format('%.0f', cseq))
return cseq`)

/** Writes fields, for the owner alone. ARGV: the edge, its fence, then names and values; an empty value takes the field away. */
export const saveScript = new Script(`
local fields = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if fields[1] ~= ARGV[1] or fields[2] ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return 1`)

/** Gives a trunk up or takes its record away. ARGV: the edge, its fence ('' for any), `release` or `remove`. */
export const releaseScript = new Script(`
local fields = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if (fields[1] or '') ~= ARGV[1] or (ARGV[2] ~= '' and fields[2] ~= ARGV[2]) then return 0 end
if ARGV[3] == 'remove' then redis.call('DEL', KEYS[1]) else redis.call('HDEL', KEYS[1], 'owner') end
return 1`)

/** Takes a request away when it is still the one that was read. */
export const takeRequestScript = new Script(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])`)
