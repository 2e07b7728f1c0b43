import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveCall } from '../../src/model/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { Sipp, type Protocol } from '../support/sipp.js'

const Stopping = suite('Stopping an edge')

let redis: TestRedis

Stopping.before(async () => {
  redis = await startRedis()
})

Stopping.after(async () => {
  await redis.stop()
})

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  Stopping(
    `by ${signal} ends the calls that go on with a BYE on both legs, writes their records and exits with 0`,
    async () => {
      const edge = await TestEdge.start({ redisUrl: redis.url })
      const protocols: Protocol[] = ['udp', 'tcp']
      const parties = await Promise.all(
        protocols.map(async (protocol, i) => {
          const number = `+1415555${signal === 'SIGINT' ? 20 : 30}0${i}`
          const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, protocol })
          const transport = protocol === 'tcp' ? ';transport=tcp' : ''
          await edge.addNumber(number, `agent-${signal}-${protocol}`, [`sip:agent@${AGENT}:${uas.port}${transport}`])
          const target = edge.sip
          const uac = await Sipp.start({ scenario: 'uac-wait-bye', address: CALLER, protocol, target, service: number })
          return { number, uas, uac }
        }),
      )
      await eventually('the calls are up', async () => {
        const { items } = await edge.must<{ items: LiveCall[] }>('GET', '/v1/calls')
        return items.filter(({ state }) => state === 'answered').length === parties.length
      })

      assert.is(await edge.child.stop(signal, 15_000), 0, edge.output.slice(-2_000))
      for (const { uas, uac } of parties)
        for (const party of [uas, uac]) {
          const result = await party.finished
          assert.is(result.exitCode, 0, result.errors)
        }

      const next = await TestEdge.start({ redisUrl: redis.url })
      for (const { number } of parties) {
        const records = await next.cdrs(number)
        assert.is(records.length, 1)
        assert.is(records[0]?.ended_by, 'edge')
        assert.ok((records[0]?.duration_s ?? 0) > 0)
      }
      await next.stop()
      await edge.stop()
    },
  )

Stopping.run()
