// time limit: 180 s
import { createSocket } from 'node:dgram'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LIES, withLength } from '../fuzz/framing.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { Dice } from '../support/mutations.js'
import { halfRequest, noise, someNoise } from '../support/noise.js'
import {
  followUp,
  inviteOver,
  inviteText,
  nextMessage,
  openTcp,
  openUdp,
  optionsPing,
  pingOver,
  refusingAgent,
  type SipPeer,
} from '../support/sip-peer.js'
import { SipText } from '../support/sip-text.js'

const BadInput = suite('Bad input')

const NUMBER = '+14155550100'
const LOOPED = '+14155550101'
const PING_MS = 500

let edge: TestEdge
let agent: Awaited<ReturnType<typeof refusingAgent>>

BadInput.before(async () => {
  agent = await refusingAgent(AGENT)
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '50', SIGNALBOX__SIP__TCP_READ_DEADLINE_S: '1' } })
  await edge.addNumber(NUMBER, 'busy', [agent.uri])
})

BadInput.after(async () => {
  await edge.stop()
  agent.close()
})

const open = (protocol: 'udp' | 'tcp'): Promise<SipPeer> => (protocol === 'udp' ? openUdp : openTcp)(CALLER, edge.sip)

async function assertAlive(): Promise<void> {
  const peer = await open('udp')
  const tookMs = await pingOver(peer, edge.sip, 'udp').finally(() => peer.close())
  assert.ok(tookMs < PING_MS, `OPTIONS answered after ${tookMs} ms`)
  assert.is(edge.child.exit, undefined)
}

/** An INVITE to the agent, marked so that it is known again there. */
const invite = (peer: SipPeer, protocol: 'udp' | 'tcp', mark: string, more: readonly string[] = []): string =>
  inviteText({
    ...{ from: peer.local, target: edge.sip, protocol, number: NUMBER },
    headers: [`X-Mark: ${mark}`, ...more],
  }).text

const reached = (mark: string): SipText[] => agent.requests.filter((request) => request.header('x-mark') === mark)

const residentMb = async (): Promise<number> => ((await edge.metrics()).sum('process_resident_memory_bytes') ?? 0) / 1e6

/** The first final answer within a while; undefined when the connection is closed, or nothing comes. */
async function finalOf(peer: SipPeer, timeoutMs = 3_000): Promise<SipText | undefined> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const found = peer.messages.find(({ status }) => status >= 200)
    if (found !== undefined || peer.closed || performance.now() > end) return found
    await wait(5)
  }
}

BadInput(
  'B5: over TCP a Content-Length that lies gets 4xx or 5xx, or the connection is closed; nothing behind it is read',
  async () => {
    const before = await residentMb()
    await Promise.all(
      LIES.map(async (length, i) => {
        const peer = await open('tcp')
        const second = Buffer.from(invite(peer, 'tcp', `lie-second-${i}`))
        peer.send(Buffer.concat([withLength(Buffer.from(invite(peer, 'tcp', `lie-${i}`)), length), second]))
        const answer = await finalOf(peer)
        assert.ok(answer === undefined ? peer.closed : answer.status >= 400, `${length}: ${answer?.startLine}`)
        await eventually(`the connection is closed after ${length}`, () => peer.closed, 4_000)
        peer.close()
        for (const mark of [`lie-${i}`, `lie-second-${i}`]) assert.is(reached(mark).length, 0, length)
      }),
    )
    assert.ok((await residentMb()) - before < 60, 'memory does not follow the declared size')
    await assertAlive()
  },
)

BadInput('B5: over UDP it gets 400 or 413, and no call is made of it', async () => {
  for (const [i, length] of LIES.entries()) {
    const peer = await open('udp')
    peer.send(withLength(Buffer.from(invite(peer, 'udp', `udp-lie-${i}`)), length))
    const answer = await finalOf(peer, 1_000)
    peer.close()
    assert.ok(
      answer === undefined || (answer.status >= 400 && answer.status !== 486),
      `${length}: ${answer?.startLine}`,
    )
    assert.is(reached(`udp-lie-${i}`).length, 0, length)
  }
})

BadInput('B6: a message cut in two at every byte is the same message', async () => {
  const peer = (await open('tcp')) as Awaited<ReturnType<typeof openTcp>>
  const { text } = optionsPing(peer.local, edge.sip, 'tcp')
  const texts: string[] = []
  for (let at = 1; at < text.length; at++) texts.push(optionsPing(peer.local, edge.sip, 'tcp').text)
  for (const [i, one] of texts.entries()) {
    peer.socket.setNoDelay(true)
    peer.send(one.slice(0, i + 1))
    await new Promise((resolve) => setImmediate(resolve))
    peer.send(one.slice(i + 1))
  }
  await eventually('each is answered', () => peer.messages.length >= texts.length)
  assert.is(peer.messages.length, texts.length)
  assert.ok(peer.messages.every(({ status }) => status === 200))
  peer.close()
})

BadInput('B6: ten messages in one segment, keep-alives between them, are ten messages', async () => {
  const peer = await open('tcp')
  const texts = Array.from({ length: 10 }, () => optionsPing(peer.local, edge.sip, 'tcp').text)
  peer.send(texts.join('\r\n\r\n'))
  await eventually('each is answered', () => peer.messages.length >= 10)
  assert.is(new Set(peer.messages.map(({ callId }) => callId)).size, 10)
  assert.ok(peer.messages.every(({ status }) => status === 200))
  peer.close()
})

BadInput('B6: lines that end in LF alone are refused alike over UDP and TCP', async () => {
  for (const protocol of ['udp', 'tcp'] as const) {
    const peer = await open(protocol)
    peer.send(invite(peer, protocol, `lf-${protocol}`).replaceAll('\r\n', '\n'))
    assert.is((await finalOf(peer))?.status, 400, protocol)
    assert.is(reached(`lf-${protocol}`).length, 0)
    peer.close()
  }
})

BadInput('B7: messages past the limits get 4xx or 513, or their connection is closed', async () => {
  const many = (count: number, line: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => line(i))
  const cases: ReadonlyArray<[string, readonly string[]]> = [
    ['257 headers', many(257, (i) => `X-N-${i}: ${i}`)],
    ['a line of 8 kB and one byte', [`Subject: ${'x'.repeat(8_193 - 'Subject: '.length)}`]],
    ['1,000 Vias', many(1_000, (i) => `Via: SIP/2.0/UDP v${i};branch=z9hG4bK${i}`)],
    ['1,000 Routes', many(1_000, (i) => `Route: <sip:r${i}.example;lr>`)],
    ['64 kB and one byte', many(70, (i) => `X-N-${i}: ${'x'.repeat(1_000)}`)],
  ]
  for (const [what, lines] of cases)
    for (const protocol of ['udp', 'tcp'] as const) {
      const peer = await open(protocol)
      const text = invite(peer, protocol, 'large', lines)
      // More than that no datagram holds.
      if (protocol === 'tcp' || text.length < 65_000) {
        peer.send(text)
        const answer = await finalOf(peer)
        const refused = answer !== undefined && (answer.status === 513 || (answer.status >= 400 && answer.status < 500))
        assert.ok(refused || peer.closed, `${what} over ${protocol}: ${answer?.startLine}`)
      }
      peer.close()
    }
  assert.is(reached('large').length, 0)
  await assertAlive()
})

BadInput(
  'B8: no spelling of our own headers, nor of those that route or identify, reaches the agent from a caller',
  async () => {
    const names = [
      'X-Signalbox-Call-Id',
      'X-Signalbox-Number',
      'X-Signalbox-Caller',
      'P-Asserted-Identity',
      'Diversion',
    ]
    const spellings = names.flatMap((name) => [
      `${name}:\tevil`,
      `${name} : evil`,
      `${name}\t:evil`,
      `${name.toLowerCase()}: evil`,
      `${name.toUpperCase()}: evil`,
      `${name}:\r\n evil`,
      `${name.replaceAll('-', '_')}: evil`,
      `${name.replaceAll('-', '.')}: evil`,
      `${name.replaceAll('-', '')}: evil`,
      `${name.replace('-', '\u2010')}: evil`,
      `${name.replace('S', '\u0405')}: evil`,
      `${name.replace('-', '%2D')}: evil`,
      `X-Ok: fine\r\n\r\n ${name}: evil`,
    ])
    for (const [i, line] of spellings.entries()) {
      const mark = `smuggled-${i}`
      const peer = await open('udp')
      peer.send(Buffer.from(invite(peer, 'udp', mark, [line]), 'utf8').toString('latin1'))
      await finalOf(peer)
      peer.close()
      for (const { head } of reached(mark)) assert.not.match(head, /evil/, line)
    }
    assert.ok(agent.requests.some((request) => request.header('x-mark')?.startsWith('smuggled-')))
  },
)

BadInput('B9: session descriptions that make no sense are answered in time, and hurt nobody', async () => {
  const head = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n'
  const audio = 'm=audio 4000 RTP/AVP 0\r\n'
  const bodies: ReadonlyArray<[string, string, string?]> = [
    ['no final line end', `${head}m=audio 4000 RTP/AVP 0`],
    ['b= without a colon', `${head}b=64\r\n${audio}`],
    ['2,400 streams', head + audio.repeat(2_400)],
    ['3,000 formats', `${head}m=audio 4000 RTP/AVP${' 0'.repeat(3_000)}\r\n`],
    ['port 65536', `${head}m=audio 65536 RTP/AVP 0\r\n`],
    ['ptime 0', `${head}${audio}a=ptime:0\r\n`],
    ['ptime 2^31', `${head}${audio}a=ptime:2147483648\r\n`],
    ['NULs', `${head}${audio}a=\0\0\0\r\n`],
    [
      'a multipart that does not end',
      `--x\r\nContent-Type: application/sdp\r\n\r\n${head}`,
      'multipart/mixed;boundary=x',
    ],
    ['a multipart of a thousand beginnings', '--x\r\n'.repeat(1_000), 'multipart/mixed;boundary="x"'],
  ]
  for (const [what, body, contentType] of bodies) {
    const peer = await open('udp')
    const startMs = performance.now()
    const fields = { target: edge.sip, protocol: 'udp', number: NUMBER, body } as const
    const answer = await inviteOver(peer, contentType === undefined ? fields : { ...fields, contentType })
    peer.close()
    assert.ok(answer.status >= 400, `${what}: ${answer.startLine}`)
    assert.ok(performance.now() - startMs < 1_000, `${what} took ${performance.now() - startMs} ms`)
  }
  await assertAlive()
})

BadInput('B10: what is no SIP gets no answer over UDP, and its connection closed over TCP', async () => {
  const peer = await open('udp')
  for (const bytes of noise) peer.send(bytes)
  const dice = new Dice(7)
  for (let i = 0; i < 4_000; i++) {
    peer.send(someNoise(dice))
    if (i % 200 === 0) await wait(5)
  }
  await assertAlive()
  assert.equal(
    peer.messages.map(({ startLine }) => startLine),
    [],
  )
  peer.close()
  await Promise.all(
    [...noise, halfRequest].map(async (bytes, i) => {
      const stream = await open('tcp')
      stream.send(bytes)
      const isKeepAlive = /^[\r\n]+$/.test(bytes.toString('latin1'))
      await eventually(`connection ${i} is closed`, () => stream.closed || isKeepAlive, 5_000)
      assert.ok(stream.messages.every(({ status }) => status >= 400))
      stream.close()
    }),
  )
  await assertAlive()
})

BadInput('B15: responses to nothing, and to a real call with another branch, are dropped and counted', async () => {
  const silent = createSocket('udp4')
  await new Promise<void>((resolve) => silent.bind({ address: '127.0.0.6', port: 0 }, resolve))
  const asked: SipText[] = []
  silent.on('message', (bytes) => asked.push(new SipText(bytes.toString('latin1'))))
  await edge.addNumber('+14155550102', 'silent', [`sip:agent@127.0.0.6:${silent.address().port}`])
  const caller = await open('udp')
  const { text } = inviteText({ from: caller.local, target: edge.sip, protocol: 'udp', number: '+14155550102' })
  caller.send(text)
  const sent = await eventually('the agent is called', () => asked.find(({ method }) => method === 'INVITE'))
  const counted = async (): Promise<number> =>
    (await edge.metrics()).count('signalbox_sip_messages_total', { direction: 'in' })
  const before = await counted()
  const forger = await open('udp')
  const forged = (status: string, branch: string): string =>
    [
      `SIP/2.0 ${status}`,
      `Via: SIP/2.0/UDP ${EDGE}:${edge.sipPort};branch=${branch}`,
      `From: ${sent.header('from')}`,
      `To: ${sent.header('to')};tag=forged`,
      `Call-ID: ${sent.callId}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:forger@${CALLER}:${forger.local.port}>`,
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
  const most = 3_000
  for (let i = 0; i < most; i++) {
    forger.send(
      forged(['200 OK', '486 Busy', '180 Ringing', '302 Moved'][i % 4]!, `z9hG4bK${i.toString(16).padStart(24, '0')}`),
    )
    if (i % 100 === 99) await wait(2)
  }
  await assertAlive()
  assert.ok((await counted()) - before > most * 0.8, 'they are counted')
  assert.ok(
    caller.messages.every(({ status }) => status === 100),
    caller.messages.at(-1)?.startLine,
  )
  assert.equal(forger.messages, [])
  caller.send(followUp(text, 'CANCEL'))
  const end = await nextMessage(caller, 'the 487', ({ status, method }) => status === 487 && method === 'INVITE')
  caller.send(followUp(text, 'ACK', end))
  silent.close()
  forger.close()
  caller.close()
})

BadInput('B16: a request that may take no hop gets 483; each leg takes one', async () => {
  const peer = await open('udp')
  const hops = (text: string, left: number): string => text.replace(/^Max-Forwards: 70/m, `Max-Forwards: ${left}`)
  const none = hops(invite(peer, 'udp', 'no-hop'), 0)
  peer.send(none)
  const answer = await finalOf(peer)
  assert.is(answer?.status, 483)
  peer.send(followUp(none, 'ACK', answer))
  peer.send(hops(invite(peer, 'udp', 'ten-hops'), 10))
  const [seen] = await eventually('the agent is called', () => reached('ten-hops').length > 0 && reached('ten-hops'))
  assert.is(seen?.header('max-forwards'), '9')
  assert.is(reached('no-hop').length, 0)
  peer.close()
})

BadInput('a request that claims to be in a dialog, and a Route over us, reaches nobody in our name', async () => {
  const peer = await open('udp')
  const here = `${edge.sip.address}:${edge.sip.port}`
  peer.send(
    invite(peer, 'udp', 'routed', [`Route: <sip:${here};lr>`])
      .replace(/^INVITE \S+/, `INVITE ${agent.uri}`)
      .replace(/^(To: .*)$/m, '$1;tag=of-others'),
  )
  assert.is((await finalOf(peer))?.status, 481)
  assert.is(reached('routed').length, 0)
  peer.close()
})

BadInput('B16: a number that leads back to itself ends the call after at most 70 hops', async () => {
  // Something between us sends our call back to us, as an outbound proxy may.
  const loop = createSocket('udp4')
  await new Promise<void>((resolve) => loop.bind({ address: '127.0.0.7', port: 0 }, resolve))
  let invites = 0
  loop.on('message', (bytes, from) => {
    const text = bytes.toString('latin1')
    if (text.startsWith('SIP/2.0')) {
      const message = text.replace(/^Via: SIP\/2\.0\/UDP 127\.0\.0\.7[^\r\n]*\r\n/im, '')
      const next = /^Via: SIP\/2\.0\/UDP ([\d.]+):(\d+)/im.exec(message)
      if (next !== null) loop.send(Buffer.from(message, 'latin1'), Number(next[2]), next[1]!)
      return
    }
    if (text.startsWith('INVITE')) invites++
    const branch = /branch=([^;\r\n]+)/.exec(text)?.[1] ?? ''
    const via = `Via: SIP/2.0/UDP 127.0.0.7:${loop.address().port};branch=${branch}-loop\r\n`
    const line = text.indexOf('\r\n') + 2
    const start = text.slice(0, line).replace(/sip:[^ ]+/, `sip:${LOOPED}@${EDGE}:${edge.sipPort}`)
    loop.send(Buffer.from(start + via + text.slice(line), 'latin1'), from.port, from.address)
  })
  await edge.addNumber(LOOPED, 'looped', [`sip:agent@127.0.0.7:${loop.address().port}`], {
    number: { allowed_addresses: [`${CALLER}/32`, '127.0.0.7/32'] },
  })
  const peer = await open('udp')
  const answer = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number: LOOPED }, 20_000)
  assert.ok(answer.status >= 400, answer.startLine)
  assert.ok(invites > 0 && invites <= 140, `${invites} INVITEs, repeats included`)
  peer.close()
  await assertAlive()
  await edge.settle(20_000)
  loop.close()
})

BadInput('leaves nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
  assert.not.match(edge.output, /uncaughtException|unhandledRejection/i)
})

BadInput.run()
