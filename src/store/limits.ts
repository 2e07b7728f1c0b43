import type { Clock, Timer } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { keys } from './keys.js'
import { Script } from './script.js'
import { StartTimes, windowOf } from './start-times.js'

/** Whether a call may go on, or which limit of its trunk it met. */
export type Taken = 'ok' | 'channels' | 'rate'

/** What of a trunk limits its calls. */
export type Limited = Pick<Trunk, 'id' | 'channel_limit' | 'cps_limit'>

export interface TrunkLimitsOptions {
  readonly connection: Connection
  readonly clock: Clock
  /** Milliseconds after which the channel of a call that nobody renews is free again. Default 60,000. */
  readonly leaseMs?: number
  /** Milliseconds between renewals of the channels this edge has. Default 20,000. */
  readonly renewMs?: number
}

/**
 * KEYS: channels, starts. ARGV: the call, its channel limit or 0, the calls that may begin within the window or 0, the window in
 * microseconds, the lease in milliseconds. A call that has its channel already keeps it.
 */
const takeScript = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local channels, starts, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
if channels > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', math.floor(now / 1000))
  if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= channels then return 'channels' end
end
if starts > 0 then
  local oldest = redis.call('LINDEX', KEYS[2], starts - 1)
  if oldest and now - tonumber(oldest) < tonumber(ARGV[4]) then return 'rate' end
  redis.call('LPUSH', KEYS[2], string.format('%.0f', now))
  redis.call('LTRIM', KEYS[2], 0, starts - 1)
  redis.call('PEXPIRE', KEYS[2], math.ceil(ARGV[4] / 1000))
end
if channels > 0 then
  redis.call('ZADD', KEYS[1], math.floor(now / 1000) + lease, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], lease)
end
return 'ok'`)

/** KEYS: channels. ARGV: the lease in milliseconds, the calls. A call that has lost its channel meanwhile gets it back: it is there. */
const renewScript = new Script(`
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return #ARGV - 1`)

/** Calls renewed by one command. */
const RENEW_CHUNK = 500

interface Hold {
  readonly trunkId: string
}

/**
 * `channel_limit` and `cps_limit` of trunks, counted for all edges together in Redis; while Redis is away each edge counts its own
 * calls. A channel is a lease that the edge which has the call renews, so that those of an edge that died come back. Nothing here
 * rejects, or takes longer than the command deadline of Redis.
 */
export class TrunkLimits {
  private readonly options: Required<TrunkLimitsOptions>
  /** The calls of this edge that have, or are asking for, a channel. */
  private readonly holds = new Map<string, Hold>()
  /** Those that have one, by trunk. */
  private readonly calls = new Map<string, Set<string>>()
  private readonly starts = new StartTimes()
  private timer: Timer | undefined
  private renewing: Promise<unknown> | undefined
  private stopped = false
  private readonly stopListening: () => void

  constructor(options: TrunkLimitsOptions) {
    this.options = { leaseMs: 60_000, renewMs: 20_000, ...options }
    this.stopListening = options.connection.onChange((up) => {
      if (up) this.renew()
    })
  }

  /** Takes a channel, and a place among the calls of the second, for a call of ours to the trunk. All or nothing; `release` gives the channel back. */
  take(trunk: Limited, callId: string): Promise<Taken> {
    return this.acquire(trunk, callId, trunk.cps_limit)
  }

  /** Takes a channel for a call from the trunk: `cps_limit` is about calls to it. */
  takeInbound(trunk: Limited, callId: string): Promise<Taken> {
    return this.acquire(trunk, callId, null)
  }

  /** The call has ended. Safe for calls that have nothing; while it is still asked for, what then comes is given back. */
  release(callId: string): void {
    const hold = this.holds.get(callId)
    if (hold === undefined) return
    this.drop(callId, hold)
    this.giveBack(callId, hold)
  }

  /** Calls of this edge that have a channel of the trunk. */
  held(trunkId: string): number {
    return this.calls.get(trunkId)?.size ?? 0
  }

  /** Renews nothing any more. Channels that are still taken come back when their leases end. */
  stop(): void {
    this.stopped = true
    this.stopListening()
    this.timer?.cancel()
    this.timer = undefined
  }

  private acquire(trunk: Limited, callId: string, cps: number | null): Promise<Taken> {
    const { channel_limit: channels, id: trunkId } = trunk
    if (channels === null && cps === null) return Promise.resolve('ok')
    const hold: Hold | undefined = channels === null ? undefined : { trunkId }
    if (hold !== undefined) {
      if (this.holds.get(callId)?.trunkId !== trunkId) this.release(callId)
      this.holds.set(callId, hold)
    }
    const settle = (taken: Taken, told: boolean): Taken => {
      if (taken === 'ok' && cps !== null) this.starts.add(trunkId, this.options.clock.now(), windowOf(cps))
      if (hold !== undefined) this.settleHold(callId, hold, taken, told)
      this.schedule()
      return taken
    }
    return this.ask(trunk, callId, cps).then(
      (taken) => settle(taken, true),
      // At once, so that calls which find Redis away together are counted one after the other.
      () => settle(this.judgeAlone(trunk, callId, cps), false),
    )
  }

  private settleHold(callId: string, hold: Hold, taken: Taken, told: boolean): void {
    const wanted = this.holds.get(callId) === hold
    if (wanted && taken === 'ok') return this.keep(callId, hold)
    const had = this.calls.get(hold.trunkId)?.has(callId) === true
    if (wanted) this.drop(callId, hold)
    // Redis may have given what it could not tell in time, or what nobody waits for any more.
    if (taken === 'ok' || !told || had) this.giveBack(callId, hold)
  }

  private async ask(trunk: Limited, callId: string, cps: number | null): Promise<Taken> {
    const { connection, leaseMs } = this.options
    const window = cps === null ? undefined : windowOf(cps)
    const where = [keys.trunkChannels(trunk.id), keys.trunkCallStarts(trunk.id)]
    const how = [callId, trunk.channel_limit ?? 0, window?.calls ?? 0, Math.round((window?.ms ?? 0) * 1000), leaseMs]
    const answer = await connection.ask('limits', (client) => takeScript.run(client, where, how))
    if (answer === 'ok' || answer === 'channels' || answer === 'rate') return answer
    throw new StoreError('INVALID', 'Redis: unexpected answer')
  }

  /** What the calls of this edge alone say. */
  private judgeAlone({ id, channel_limit: channels }: Limited, callId: string, cps: number | null): Taken {
    const calls = this.calls.get(id)
    if (channels !== null && (calls?.size ?? 0) >= channels && calls?.has(callId) !== true) return 'channels'
    return cps !== null && this.starts.full(id, this.options.clock.now(), windowOf(cps)) ? 'rate' : 'ok'
  }

  private keep(callId: string, { trunkId }: Hold): void {
    const calls = this.calls.get(trunkId)
    if (calls === undefined) this.calls.set(trunkId, new Set([callId]))
    else calls.add(callId)
  }

  private drop(callId: string, { trunkId }: Hold): void {
    this.holds.delete(callId)
    const calls = this.calls.get(trunkId)
    if (calls?.delete(callId) === true && calls.size === 0) this.calls.delete(trunkId)
  }

  /** What cannot be told now comes back when the lease ends. */
  private giveBack(callId: string, { trunkId }: Hold): void {
    const tell = async (): Promise<void> => {
      // A renewal under way may name the call.
      await this.renewing
      // The same call may have taken a channel of the same trunk anew.
      if (this.holds.get(callId)?.trunkId === trunkId) return
      await this.options.connection.ask('limits', (client) => client.zrem(keys.trunkChannels(trunkId), callId))
    }
    tell().catch(() => undefined)
  }

  private schedule(): void {
    if (this.stopped || this.timer !== undefined) return
    if (this.holds.size === 0 && this.starts.size === 0) return
    this.timer = this.options.clock.after(this.options.renewMs, () => {
      this.timer = undefined
      this.starts.prune(this.options.clock.now())
      this.renew()
      this.schedule()
    })
  }

  /** Renews every channel of this edge, in one round trip. */
  private renew(): void {
    if (this.calls.size === 0 || this.renewing !== undefined || this.stopped) return
    const { connection, leaseMs } = this.options
    const renewals: { key: string; calls: string[] }[] = []
    for (const [trunkId, calls] of this.calls) {
      const all = [...calls]
      for (let i = 0; i < all.length; i += RENEW_CHUNK)
        renewals.push({ key: keys.trunkChannels(trunkId), calls: all.slice(i, i + RENEW_CHUNK) })
    }
    this.renewing = connection
      .ask(
        'limits',
        (client) => Promise.all(renewals.map(({ key, calls }) => renewScript.run(client, [key], [leaseMs, ...calls]))),
        { patient: true },
      )
      .catch(() => undefined)
      .finally(() => {
        this.renewing = undefined
      })
  }
}
