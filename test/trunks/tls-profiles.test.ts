import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TlsPeer, TlsProfile } from '../../src/engine/index.js'
import type { Trunk } from '../../src/model/trunk.js'
import { trunkTls } from '../../src/model/trunk-tls.js'
import { CallError } from '../../src/model/verdict.js'
import { formatTarget } from '../../src/trunks/target.js'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { Targets } from '../../src/trunks/targets.js'
import { TrunkTlsProfiles } from '../../src/trunks/tls-profiles.js'
import { TrunkTlsStates } from '../../src/trunks/tls-state.js'
import { ManualClock } from '../support/manual-clock.js'
import { trunkOf } from '../support/trunk-bench.js'

const TrunkTls = suite('TLS towards trunks')

const certificates = new Map([
  ['shared', null],
  ['theirs', 'other'],
])

function start(engine = true) {
  const set = new Map<string, TlsProfile>()
  const clock = new ManualClock()
  const profiles = new TrunkTlsProfiles(
    engine ? { set: (id, profile) => void set.set(id, profile) } : undefined,
    certificates,
  )
  const peers = new Map<string, TlsPeer>()
  const states = new TrunkTlsStates({
    profiles,
    peers: { of: (profile, dialled) => peers.get(`${profile ?? ''} ${dialled}`) },
    clock,
  })
  const resolver = {
    resolve: ({ transport }: { transport?: string }) =>
      Promise.resolve([{ protocol: (transport ?? 'udp') as 'tls', address: '192.0.2.7', port: 5061 }]),
  }
  const targets = new Targets({ resolver, health: new TargetHealth({ clock, avoidMs: 30_000 }), profiles })
  return { set, clock, profiles, peers, states, targets }
}

const secure = (tls: Record<string, unknown> | null, more: Partial<Trunk> = {}): Trunk =>
  trunkOf('pbx-1', {
    outbound_proxy: 'sip:sip.example.com;transport=tls',
    tls: tls && trunkTls.parse(tls),
    ...more,
  })

TrunkTls('a server is dialled by its name and under the profile of the trunk; equal settings share one', async () => {
  const { targets, set } = start()
  const [plain] = await targets.of(secure(null))
  assert.is(formatTarget(plain!), 'sip:192.0.2.7:5061;transport=tls;x-signalbox-tls-name=sip.example.com')
  const [defaults] = await targets.of(secure({}))
  assert.is(defaults?.profile, undefined, 'nothing is said')
  const pin = 'AB:'.repeat(31) + 'AB'
  const [own] = await targets.of(
    secure({ server_name: 'a.example.com', pinned_sha256: [pin], client_certificate: 'shared' }),
  )
  const [same] = await targets.of(
    secure({ client_certificate: 'shared', pinned_sha256: [pin], server_name: 'a.example.com' }),
  )
  const [other] = await targets.of(secure({ server_name: 'b.example.com' }))
  assert.match(formatTarget(own!), /;x-signalbox-tls-name=sip\.example\.com;x-signalbox-tls=[A-Za-z0-9_-]{43}$/)
  assert.is(same?.profile, own?.profile)
  assert.is.not(other?.profile, own?.profile)
  assert.equal(set.get(own?.profile ?? ''), {
    serverName: 'a.example.com',
    clientCertificate: 'shared',
    pins: ['ab'.repeat(32)],
  })
  const [udp] = await targets.of(
    secure({ server_name: 'a.example.com' }, { outbound_proxy: 'sip:sip.example.com;transport=udp' }),
  )
  assert.is(udp?.profile, undefined)
})

TrunkTls('a certificate of another account, or none of that name, is not shown: the trunk cannot be used', async () => {
  const { targets, profiles } = start()
  for (const name of ['theirs', 'nobody']) {
    const outcome = await targets.of(secure({ client_certificate: name })).catch((error: unknown) => error)
    assert.instance(outcome, CallError)
    assert.is((outcome as CallError).code, 'TRUNK_NOT_USABLE')
    assert.match((outcome as CallError).message, `no certificate "${name}"`)
  }
  assert.is(
    profiles.certificateProblem({ ...secure({ client_certificate: 'theirs' }), account_id: 'other' }),
    undefined,
  )
})

TrunkTls('the state of a trunk tells whom its server proved to be, and what is wrong with it', () => {
  const { states, peers, clock, profiles } = start()
  const trunk = secure({ server_name: 'a.example.com' })
  assert.is(states.stateOf(trunk), null)
  const profile = profiles.idOf(trunk)!
  const notAfter = new Date(clock.date().getTime() + 31 * 86_400_000)
  const seen = { profile, dialled: 'sip.example.com', names: 'a.example.com', notAfter, verifiedAt: clock.date() }
  peers.set(`${profile} sip.example.com`, seen)
  assert.equal(states.stateOf(trunk), {
    peer_name: 'a.example.com',
    not_after: '2026-02-01T00:00:00.000Z',
    verified_at: '2026-01-01T00:00:00.000Z',
    problem: null,
    problem_at: null,
  })
  assert.is(states.stateOf(secure(null)), null, 'another profile')
  assert.equal(states.warningsOf(trunk), [])
  clock.advance(2 * 86_400_000)
  assert.equal(states.warningsOf(trunk), ['the certificate of its server ends at 2026-02-01T00:00:00.000Z'])
  clock.advance(30 * 86_400_000)
  assert.match(states.warningsOf(trunk)[0]!, 'ended at')
})

TrunkTls('what weakens a trunk or has no effect is warned of', () => {
  const { states } = start()
  const of = (trunk: Trunk): string => states.warningsOf(trunk).join('\n')
  assert.is(of(secure(null, { media_encryption: 'required' })), '')
  const udp = { outbound_proxy: 'sip:192.0.2.7' }
  assert.match(of(secure(null, { ...udp, media_encryption: 'required' })), 'goes over UDP: whoever reads it')
  const byDns = { outbound_proxy: 'sip.example.com', media_encryption: 'required' } as const
  assert.match(of(secure(null, byDns)), 'may go over UDP or TCP')
  assert.match(of(secure({ server_name: 'a' }, udp)), 'tls is without effect: the transport is udp')
  assert.match(of(secure({ verify: false })), 'whoever answers at its address')
  assert.is(of(secure({ verify: false, pinned_sha256: ['ab'.repeat(32)] })), '')
  assert.match(of(secure({ client_certificate: 'nobody' })), 'tls.client_certificate: there is no certificate "nobody"')
  assert.match(start(false).states.warningsOf(secure({})).join(), 'a drachtio-server deals with all servers in one way')
})

TrunkTls.run()
