import { Script } from './script.js'

/** Milliseconds a call must be able to last, or to go on, for it to be worth a reservation. */
export const LEAST_MS = 1_000

/** `<day>` is whole days since 1970 in UTC, by the clock of Redis. What is older than yesterday goes with the first of a day. */
const spend = `
local function spend(key, day, field, ms)
  local total = redis.call('HINCRBY', key, field, ms)
  if total == ms then
    for _, old in ipairs(redis.call('HKEYS', key)) do
      if (tonumber(string.match(old, '^%d+')) or 0) < day - 1 then redis.call('HDEL', key, old) end
    end
  end
  redis.call('PEXPIRE', key, 172800000)
  return total
end
local function spent(key, field) return tonumber(redis.call('HGET', key, field) or 0) end
local function outbound(day) return day .. ':outbound' end`

/**
 * KEYS, for each party: channels, starts, minutes. ARGV: the call, the lease of a channel in milliseconds, the milliseconds to
 * reserve; and for each party: its channel limit or 0, the calls that may begin within the window or 0, the window in microseconds,
 * the milliseconds of a day or -1, those of calls placed or -1. All of it is taken, or nothing.
 * Answer: `channels`, `rate`, `minutes` or `outbound` and the party that has none left; or `ok`, the start in microseconds, the day,
 * and for each party what was reserved and the day's two sums.
 */
export const takeScript = new Script(`${spend}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local day = math.floor(time[1] / 86400)
local lease = tonumber(ARGV[2])
local room = {}
for i = 1, #KEYS / 3 do
  local channelsKey, startsKey, minutesKey = KEYS[i * 3 - 2], KEYS[i * 3 - 1], KEYS[i * 3]
  local at = 5 * i - 1
  local channels, starts, all, placed = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if channels > 0 then
    redis.call('ZREMRANGEBYSCORE', channelsKey, '-inf', math.floor(now / 1000))
    if redis.call('ZCARD', channelsKey) >= channels then return { 'channels', i } end
  end
  if starts > 0 then
    local oldest = redis.call('LINDEX', startsKey, starts - 1)
    if oldest and now - tonumber(oldest) < tonumber(ARGV[at + 2]) then return { 'rate', i } end
  end
  room[i] = tonumber(ARGV[3])
  if all >= 0 then
    room[i] = math.min(room[i], all - spent(minutesKey, day))
    if room[i] < ${LEAST_MS} then return { 'minutes', i } end
  end
  if placed >= 0 then
    room[i] = math.min(room[i], placed - spent(minutesKey, outbound(day)))
    if room[i] < ${LEAST_MS} then return { 'outbound', i } end
  end
end
local start = string.format('%.0f', now)
local answer = { 'ok', start, day }
for i = 1, #KEYS / 3 do
  local channelsKey, startsKey, minutesKey = KEYS[i * 3 - 2], KEYS[i * 3 - 1], KEYS[i * 3]
  local at = 5 * i - 1
  local starts, all, placed = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if starts > 0 then
    redis.call('LPUSH', startsKey, start)
    redis.call('LTRIM', startsKey, 0, starts - 1)
    redis.call('PEXPIRE', startsKey, math.ceil(ARGV[at + 2] / 1000))
  end
  if tonumber(ARGV[at]) > 0 then
    redis.call('ZADD', channelsKey, math.floor(now / 1000) + lease, ARGV[1])
    redis.call('PEXPIRE', channelsKey, lease)
  end
  answer[i * 3 + 1] = room[i]
  answer[i * 3 + 2] = all >= 0 and spend(minutesKey, day, day, room[i]) or 0
  answer[i * 3 + 3] = placed >= 0 and spend(minutesKey, day, outbound(day), room[i]) or 0
end
return answer`)

/**
 * KEYS: minutes. ARGV: the milliseconds to reserve, those of a day or -1, those of calls placed or -1.
 * Answer: `ok`, or `minutes` or `outbound` where none are left; the day, what was reserved, the day's two sums.
 */
export const extendScript = new Script(`${spend}
local day = math.floor(redis.call('TIME')[1] / 86400)
local room, all, placed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local sum, placedSum = 0, 0
if all >= 0 then
  sum = spent(KEYS[1], day)
  room = math.min(room, all - sum)
  if room < ${LEAST_MS} then return { 'minutes', day, 0, sum, 0 } end
end
if placed >= 0 then
  placedSum = spent(KEYS[1], outbound(day))
  room = math.min(room, placed - placedSum)
  if room < ${LEAST_MS} then return { 'outbound', day, 0, sum, placedSum } end
end
if all >= 0 then sum = spend(KEYS[1], day, day, room) end
if placed >= 0 then placedSum = spend(KEYS[1], day, outbound(day), room) end
return { 'ok', day, room, sum, placedSum }`)

/**
 * What a call had goes back. KEYS: channels, starts, minutes. ARGV: the call or '', the start that does not count or '', and pairs of a
 * field of the minutes and the milliseconds that it gets back; fewer than none are those it still owes.
 */
export const settleScript = new Script(`
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[1], ARGV[1]) end
if ARGV[2] ~= '' then redis.call('LREM', KEYS[2], 1, ARGV[2]) end
for i = 3, #ARGV, 2 do
  local back = tonumber(ARGV[i + 1])
  if back < 0 or redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then
    if redis.call('HINCRBY', KEYS[3], ARGV[i], -back) < 0 then redis.call('HSET', KEYS[3], ARGV[i], 0) end
    redis.call('PEXPIRE', KEYS[3], 172800000)
  end
end
return 1`)

/** KEYS: channels. ARGV: the lease in milliseconds, the calls. A call that has lost its channel meanwhile gets it back: it is there. */
export const renewScript = new Script(`
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return #ARGV - 1`)

/** KEYS: channels, minutes. Answer: the channels in use, the milliseconds of today, those of calls placed. */
export const usageScript = new Script(`
local time = redis.call('TIME')
local day = math.floor(time[1] / 86400)
return {
  redis.call('ZCOUNT', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), '+inf'),
  tonumber(redis.call('HGET', KEYS[2], day) or 0),
  tonumber(redis.call('HGET', KEYS[2], day .. ':outbound') or 0),
}`)
