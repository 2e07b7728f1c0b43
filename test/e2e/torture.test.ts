// time limit: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findCorpora, readCorpus } from '../support/corpora.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { wait } from '../support/eventually.js'
import { openTcp, openUdp, pingOver, refusingAgent, type SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'

const Torture = suite('RFC 4475')

interface Case {
  readonly section: string
  readonly name: string
  readonly kind: string
  readonly acceptable: readonly string[]
}

/** What came of one message. */
interface Outcome {
  readonly finals: readonly SipText[]
  readonly closed: boolean
}

const T1_MS = 50
const PATIENCE_MS = 1_500
/** With nothing to be answered, how long silence is listened to. */
const SILENCE_MS = 250

let edge: TestEdge
let agent: Awaited<ReturnType<typeof refusingAgent>>

const corpora = findCorpora()
const cases =
  corpora === undefined
    ? []
    : (JSON.parse(readCorpus(corpora, 'rfc4475', 'expected.json').toString()) as { cases: Case[] }).cases

/** Whether an outcome is what one entry of `acceptable` says. */
function isAcceptable({ finals, closed }: Outcome, entry: string, protocol: 'udp' | 'tcp'): boolean {
  const statuses = finals.map(({ status }) => status)
  if (/^\d{3}$/.test(entry)) return statuses.length > 0 && statuses.every((status) => status === Number(entry))
  switch (entry) {
    case 'any':
    case 'any non-crash':
      return true
    case 'any non-400':
      return statuses.length > 0 && !statuses.includes(400)
    case 'one response, CSeq REGISTER':
      // What follows in a datagram is noise; on a stream it is the next message, which may be refused.
      return (
        finals.filter(({ method }) => method === 'REGISTER').length === 1 &&
        finals.every(({ method, status }) => method === 'REGISTER' || (protocol === 'tcp' && status >= 300))
      )
    case 'no output':
    case 'drop':
      return finals.length === 0
    case 'TCP close':
      return closed
    default:
      // "liberal accept": taken for a good request; what must not be forwarded is looked for at the agent.
      if (entry.startsWith('liberal accept')) return statuses.length > 0 && !statuses.includes(400)
      throw new Error(`what is "${entry}"?`)
  }
}

/** Sends a message and waits for its final answers, its connection's end, or for nothing. */
async function play(peer: SipPeer, bytes: Buffer, expectsSilence: boolean): Promise<Outcome> {
  peer.send(bytes)
  const end = performance.now() + (expectsSilence ? SILENCE_MS : PATIENCE_MS)
  const finals = (): SipText[] => {
    const seen = new Set<string>()
    return peer.messages.filter(({ status, raw }) => status >= 200 && !seen.has(raw) && seen.add(raw))
  }
  while (performance.now() < end && finals().length === 0 && !peer.closed) await wait(5)
  // A second answer to the same bytes would follow at once.
  if (finals().length > 0) await wait(40)
  return { finals: finals(), closed: peer.closed }
}

Torture.before(async () => {
  agent = await refusingAgent(AGENT)
  edge = await TestEdge.start({
    env: { SIGNALBOX__SIP__T1_MS: String(T1_MS), SIGNALBOX__SIP__TCP_READ_DEADLINE_S: '1' },
  })
  // The parties that the messages call: those that parse go all the way to an agent.
  for (const user of ['user', 'vivekg', 'j.user', 'watson', 't.watson', 'service', 'joe'])
    await edge.addNumber(user, 'torture', [agent.uri], { number: { kind: 'extension' } })
})

Torture.after(async () => {
  await edge.stop()
  agent.close()
})

if (cases.length === 0) Torture.skip('is tested with a corpus that is not here', () => undefined)

for (const protocol of ['udp', 'tcp'] as const)
  for (const { name, section, acceptable } of cases)
    Torture(`B1: ${section} ${name} over ${protocol.toUpperCase()}: ${acceptable.join(' or ')}`, async () => {
      const bytes = readCorpus(corpora ?? '', 'rfc4475', `${name}.dat`)
      const peer = await (protocol === 'udp' ? openUdp : openTcp)(CALLER, edge.sip)
      const expectsSilence = acceptable.every(
        (entry) => entry === 'no output' || entry === 'any' || entry === 'any non-crash',
      )
      const outcome = await play(peer, bytes, expectsSilence).finally(() => peer.close())
      const got = `${outcome.finals.map(({ startLine, method }) => `${startLine} to ${method}`).join(', ')}${outcome.closed ? ' closed' : ''}`
      assert.ok(
        acceptable.some((entry) => isAcceptable(outcome, entry, protocol)),
        `got: ${got === '' ? 'nothing' : got}`,
      )

      const pinger = await (protocol === 'udp' ? openUdp : openTcp)(CALLER, edge.sip)
      const tookMs = await pingOver(pinger, edge.sip, protocol).finally(() => pinger.close())
      assert.ok(tookMs < 500, `OPTIONS answered after ${tookMs} ms`)
      assert.is(edge.child.exit, undefined)
    })

if (cases.length > 0) {
  Torture('B1: has 49 messages', () => {
    assert.is(cases.length, 49)
  })

  Torture('reaches the agent with nothing of the malformed ones', () => {
    for (const request of agent.requests) {
      assert.match(request.startLine, /^[A-Z]+ sip:agent@[0-9.]+:\d+ SIP\/2\.0$/)
      assert.is(request.header('route'), undefined)
      assert.not.match(request.header('to') ?? '', /\?Route/i)
    }
  })

  Torture('leaves nothing behind', async () => {
    assert.equal(await edge.settle(45_000), {})
    assert.not.match(edge.output, /uncaughtException|unhandledRejection/i)
  })
}

Torture.run()
