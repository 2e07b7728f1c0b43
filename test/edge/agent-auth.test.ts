import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AgentAuth } from '../../src/edge/agent-auth.js'
import { DigestSession } from '../../src/trunks/digest/session.js'
import { DigestVerifier } from '../../src/trunks/digest/verifier.js'
import { ManualClock } from '../support/manual-clock.js'
import { RoutingBench } from '../support/routing-bench.js'
import { AgentIdentifier } from '../../src/routing/identify-agent.js'
import { Bench } from './bench.js'

const Agents = suite('The credentials of agents')

Agents('[A4] an unknown user is as much work as a wrong password, however many agents have the name', async () => {
  const bench = new RoutingBench()
  for (const id of ['one', 'two', 'three']) bench.addAgent(id, { auth: { username: 'shared' } })
  bench.addAgent('front', { auth: { username: 'front-user' } })
  const verifier = new DigestVerifier({ clock: new ManualClock() })
  let work = 0
  const auth = new AgentAuth({
    verifier: {
      challenge: (realm, how) => verifier.challenge(realm, how),
      verify: (request, passwordOf) => ((work += 1), verifier.verify(request, passwordOf)),
    },
    behind: (username, listed) => new AgentIdentifier(bench).behind(username, listed),
    passwordOf: () => Promise.resolve('geheim'),
  })
  const invite = (username: string, password: string) => {
    const uri = 'sip:+14155550100@127.0.0.1'
    const exchange = new DigestSession().begin({ method: 'INVITE', uri, body: '' }, { username, password })
    const [challenge] = verifier.challenge('signalbox', { source: '127.0.0.1' })
    exchange.challenged({ status: 401, header: (name) => (name === 'WWW-Authenticate' ? challenge : undefined) })
    return Bench.invite({ Authorization: exchange.headers['Authorization'] ?? '' }, '')
  }
  const outcomes = new Map<string, number>()
  for (const [username, password] of [
    ['nobody', 'geheim'],
    ['front-user', 'wrong'],
    ['shared', 'wrong'],
  ] as const) {
    work = 0
    outcomes.set(JSON.stringify(await auth.prove(invite(username, password), [])), work)
  }
  assert.equal([...outcomes], [['{"result":"refused","why":"the user name or the password is wrong"}', 4]])
  const proven = await auth.prove(invite('front-user', 'geheim'), [])
  assert.is(proven.result, 'agent')
})

Agents.run()
