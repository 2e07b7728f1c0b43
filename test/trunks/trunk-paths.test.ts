import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { type ResolvedTarget, Targets } from '../../src/trunks/targets.js'
import { type RegisteredPath, TrunkPaths } from '../../src/trunks/trunk-paths.js'
import { ManualClock } from '../support/manual-clock.js'
import { brief, targetOf, trunkOf } from '../support/trunk-bench.js'

const trunk = trunkOf('pbx-1', { sip_domain: 'pbx.example.com' })
const servers: ResolvedTarget[] = ['192.0.2.1', '192.0.2.2'].map((address) => ({
  protocol: 'udp',
  address,
  port: 5060,
}))

function startPaths(
  registered: TrunkPathsRegistered = () => undefined,
  resolve = (): Promise<ResolvedTarget[]> => Promise.resolve(servers),
) {
  const clock = new ManualClock()
  const health = new TargetHealth({ clock, avoidMs: 30_000 })
  const paths = new TrunkPaths({ targets: new Targets({ resolver: { resolve }, health }), health, registered })
  const of = async () => {
    const { targets, routes } = await paths.of(trunk)
    return { targets: targets.map(brief), routes }
  }
  return { paths, health, clock, of }
}

type TrunkPathsRegistered = (trunkId: string) => RegisteredPath | undefined | Promise<RegisteredPath | undefined>

const accepted: RegisteredPath = { target: targetOf('udp 192.0.2.2:5060'), serviceRoute: ['<sip:edge.example.com;lr>'] }

const Paths = suite('TrunkPaths')

Paths('of a trunk that is not registered are its targets, without routes', async () => {
  const { of } = startPaths()
  assert.equal(await of(), { targets: ['udp? 192.0.2.1:5060', 'udp? 192.0.2.2:5060'], routes: [] })
})

Paths(
  'begin with the server that accepted the REGISTER, its transport settled, and carry its Service-Route',
  async () => {
    const { of } = startPaths(() => Promise.resolve(accepted))
    assert.equal(await of(), { targets: ['udp 192.0.2.2:5060', 'udp? 192.0.2.1:5060'], routes: accepted.serviceRoute })
  },
)

Paths('keep the registrar first though the name does not lead to it any more, or cannot be resolved', async () => {
  const elsewhere = { target: targetOf('tcp 192.0.2.9:5065'), serviceRoute: [] }
  assert.equal((await startPaths(() => elsewhere).of()).targets, [
    'tcp 192.0.2.9:5065',
    'udp? 192.0.2.1:5060',
    'udp? 192.0.2.2:5060',
  ])
  const silent = startPaths(
    () => elsewhere,
    () => Promise.reject(new Error('no answer')),
  )
  assert.equal((await silent.of()).targets, ['tcp 192.0.2.9:5065'])
})

Paths('try a registrar that has just failed after the others, and alone when there are none', async () => {
  const { of, health, clock } = startPaths(() => accepted)
  health.failed(accepted.target)
  assert.equal((await of()).targets, ['udp? 192.0.2.1:5060', 'udp 192.0.2.2:5060'])
  clock.advance(30_000)
  assert.equal((await of()).targets, ['udp 192.0.2.2:5060', 'udp? 192.0.2.1:5060'])
  const alone = startPaths(
    () => accepted,
    () => Promise.resolve([]),
  )
  alone.health.failed(accepted.target)
  assert.equal((await alone.of()).targets, ['udp 192.0.2.2:5060'])
})

Paths('have 16 targets at most, the registrar among them', async () => {
  const many = Array.from({ length: 20 }, (_, n): ResolvedTarget => ({
    protocol: 'udp',
    address: `192.0.2.${n + 10}`,
    port: 5060,
  }))
  const { of } = startPaths(
    () => accepted,
    () => Promise.resolve(many),
  )
  const { targets } = await of()
  assert.equal([targets.length, targets[0]], [16, 'udp 192.0.2.2:5060'])
})

Paths('are those of a trunk that is not registered when nobody can say whether it is', async () => {
  const { of } = startPaths(() => Promise.reject(new Error('Redis is away')))
  assert.equal((await of()).targets, ['udp? 192.0.2.1:5060', 'udp? 192.0.2.2:5060'])
})

Paths('tell the state of each server', async () => {
  const { paths, health } = startPaths()
  health.failed(targetOf('udp 192.0.2.1:5060'))
  health.setDown('pbx-1', targetOf('udp 192.0.2.2:5060'), true)
  assert.equal(await paths.states(trunk), [
    { target: 'sip:192.0.2.1:5060;transport=udp', state: 'avoided', avoided_until: '2026-01-01T00:00:30.000Z' },
    { target: 'sip:192.0.2.2:5060;transport=udp', state: 'down', avoided_until: null },
  ])
})

Paths.run()
