import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Agent } from '../../src/model/agent.js'
import type { Trunk } from '../../src/model/trunk.js'
import { type PeerSource, SourceBook } from '../../src/trunks/known-sources.js'
import { newAgent, newTrunk } from '../support/store-bench.js'

const Sources = suite('The known sources')
const times = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' }

type TrunkListener = Parameters<PeerSource['onTrunk']>[0]
type AgentListener = Parameters<PeerSource['onAgent']>[0]

/** Trunks and agents as the store tells of them. */
class Peers implements PeerSource {
  knowsEverybody = true
  private readonly trunkListeners = new Set<TrunkListener>()
  private readonly agentListeners = new Set<AgentListener>()

  onTrunk(listener: TrunkListener): () => void {
    this.trunkListeners.add(listener)
    return () => void this.trunkListeners.delete(listener)
  }

  onAgent(listener: AgentListener): () => void {
    this.agentListeners.add(listener)
    return () => void this.agentListeners.delete(listener)
  }

  trunk(id: string, fields: Partial<Trunk> | undefined, gone = fields === undefined): void {
    const trunk = fields && { ...newTrunk(id, fields), ...times }
    for (const listener of this.trunkListeners) listener(id, trunk, gone)
  }

  agent(id: string, fields: Partial<Agent> | undefined, gone = fields === undefined): void {
    const agent = fields && { ...newAgent(id, fields), ...times }
    for (const listener of this.agentListeners) listener(id, agent, gone)
  }
}

function startBook(): { peers: Peers; book: SourceBook } {
  const peers = new Peers()
  const book = new SourceBook(peers)
  book.start()
  return { peers, book }
}

Sources('know the addresses of trunks and agents, as they change', () => {
  const { peers, book } = startBook()
  assert.is(book.known('192.0.2.7'), false)
  peers.trunk('pbx', { allowed_addresses: ['192.0.2.0/24', '2001:db8::/32'] })
  peers.agent('front', { allowed_addresses: ['198.51.100.9'] })
  for (const address of ['192.0.2.7', '2001:db8::7', '::ffff:192.0.2.7', '198.51.100.9'])
    assert.is(book.known(address), true, address)
  for (const address of ['192.0.3.7', '2001:db9::7', '198.51.100.10', '', 'nonsense', '192.0.2.7:5060'])
    assert.is(book.known(address), false, address)
  peers.trunk('pbx', { allowed_addresses: ['203.0.113.1'] })
  assert.is(book.known('192.0.2.7'), false)
  assert.is(book.known('203.0.113.1'), true)
  peers.agent('front', undefined)
  assert.is(book.known('198.51.100.9'), false)
})

Sources('know a trunk’s servers and bindings until it goes', () => {
  const { peers, book } = startBook()
  peers.trunk('pbx', {})
  book.setBesides('pbx', 'server', ['192.0.2.1', '192.0.2.2'])
  book.setBesides('pbx', 'binding', ['192.0.2.3'])
  assert.is(book.known('192.0.2.1'), true)
  book.setBesides('pbx', 'server', ['192.0.2.2'])
  assert.is(book.known('192.0.2.1'), false)
  assert.is(book.known('192.0.2.2'), true)
  peers.trunk('pbx', undefined)
  assert.is(book.known('192.0.2.2'), false)
  assert.is(book.known('192.0.2.3'), false)
})

Sources('tell those who have registered from an address apart by port or connection, where a call has one', () => {
  const { peers, book } = startBook()
  peers.trunk('pbx', {})
  peers.trunk('carrier', {})
  book.setBesides('pbx', 'binding', ['192.0.2.3'])
  book.setBesides('carrier', 'server', ['192.0.2.3'])
  book.registeredFrom = ({ address, port, protocol }) =>
    address === '192.0.2.3' && port === 5062 && protocol === 'udp' ? ['pbx'] : []
  const at = (...where: Parameters<SourceBook['trunksAt']>): string[] =>
    book.trunksAt(...where).map(({ trunkId }) => trunkId)
  assert.equal(at('192.0.2.3', { port: 5062, protocol: 'udp' }), ['carrier', 'pbx'])
  for (const flow of [
    { port: 5063, protocol: 'udp' },
    { port: 5062, protocol: 'tcp' },
  ])
    assert.equal(at('192.0.2.3', flow), ['carrier'])
  assert.equal(at('192.0.2.3'), ['carrier', 'pbx'])
})

Sources('keep what was known of a record that does not parse any more', () => {
  const { peers, book } = startBook()
  peers.trunk('pbx', { allowed_addresses: ['192.0.2.7'] })
  peers.trunk('pbx', undefined, false)
  assert.is(book.known('192.0.2.7'), true)
})

Sources('tell whether anybody may prove by digest who it is', () => {
  const { peers, book } = startBook()
  assert.is(book.digestPossible, false)
  peers.trunk('pbx', { inbound_auth: { username: 'u', realm: 'signalbox' } })
  peers.agent('front', { auth: { username: 'u' } })
  assert.is(book.digestPossible, true)
  peers.trunk('pbx', {})
  assert.is(book.digestPossible, true)
  peers.agent('front', undefined)
  assert.is(book.digestPossible, false)
})

Sources('hear nothing any more once stopped, and are complete when the store is', () => {
  const { peers, book } = startBook()
  assert.is(book.complete, true)
  peers.knowsEverybody = false
  assert.is(book.complete, false)
  book.stop()
  peers.trunk('pbx', { allowed_addresses: ['192.0.2.7'] })
  assert.is(book.known('192.0.2.7'), false)
})

Sources.run()
