import { createSocket } from 'node:dgram'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { guardFrames } from '../../src/edge/drachtio-frames.js'
import type { LibraryWire } from '../../src/edge/drachtio-library.js'
import { Calls } from '../../src/edge/calls.js'
import { DrachtioServer } from '../../src/edge/drachtio.js'
import { Edge } from '../../src/edge/edge.js'
import { defaultEdgeSettings } from '../../src/edge/settings.js'
import { createEngine, type Engine, SystemClock } from '../../src/engine/index.js'
import type { Cdr } from '../../src/model/call.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { nextMessage, openUdp } from '../support/sip-peer.js'
import {
  type SrfDialog,
  type SrfMessage,
  type SrfReply,
  type Station,
  shortTimers,
  startStation,
} from '../support/srf-app.js'
import { Bench, NUMBER } from './bench.js'
import { ANSWER, SDP } from './scripted-server.js'

const OverEngine = suite('The edge on drachtio-srf and the engine')

const HELD = `${SDP}a=sendonly\r\n`
const SECRET = 'edge-test'

interface Middle {
  readonly engine: Engine
  readonly server: DrachtioServer
  readonly edge: Edge
  readonly calls: Calls
  readonly cdrs: Cdr[]
  readonly problems: string[]
  readonly port: number
  uri(transport?: string): string
  stop(): Promise<void>
}

/** How the edge is connected to its engine. */
const CARRIERS = ['tcp', 'memory'] as const
type CarrierName = (typeof CARRIERS)[number]
let carrier: CarrierName = 'tcp'

/** An edge on an engine of its own, which calls these addresses of the agent. */
async function startMiddle(targets: readonly string[]): Promise<Middle> {
  const port = await freePort()
  const engine = createEngine({
    contacts: [`sip:127.0.0.1:${port};transport=udp,tcp`],
    control: { host: '127.0.0.1', port: 0, secret: SECRET },
    timers: shortTimers,
    echoGapMs: 0,
  })
  const { control } = await engine.start()
  const problems: string[] = []
  const note = (fields: object, message: string): void => void problems.push(`${message} ${JSON.stringify(fields)}`)
  const quiet = (): void => {}
  const logger = { debug: quiet, info: quiet, warn: note, error: note }
  const place = carrier === 'tcp' ? control : { engine }
  const server = new DrachtioServer({ ...place, secret: SECRET, logger })
  const calls = new Calls({ maxCalls: 100 })
  const cdrs: Cdr[] = []
  const { decision } = new Bench({ targets })
  const edge = new Edge({
    srf: server,
    router: { decide: () => Promise.resolve(decision) },
    calls,
    cdrs: { append: (cdr) => void cdrs.push(cdr) },
    metrics: {
      callsTotal: { inc: quiet },
      callsActive: { inc: quiet, dec: quiet },
      inviteRelaySeconds: { observe: quiet },
      setupSeconds: { observe: quiet },
    },
    logger,
    clock: new SystemClock(),
    settings: { ...defaultEdgeSettings, ringTimeoutMs: 400, cancelWaitMs: 300, acknowledgeTimeoutMs: 1_280 },
  })
  edge.start()
  assert.equal(await server.connect(), [`udp/127.0.0.1:${port}`, `tcp/127.0.0.1:${port}`])
  return {
    engine,
    server,
    edge,
    calls,
    cdrs,
    problems,
    port,
    uri: (transport = 'udp') => `sip:${NUMBER}@127.0.0.1:${port};transport=${transport}`,
    stop: async () => {
      server.disconnect()
      await engine.stop()
    },
  }
}

type InviteHandler = (request: SrfMessage, reply: SrfReply) => void

/** A far end whose application does with the next INVITE what the test says. */
interface Agent extends Station {
  handler: InviteHandler
}

async function startAgent(): Promise<Agent> {
  const agent = Object.assign(await startStation(), { handler: (() => {}) as InviteHandler })
  agent.app.invite((request, reply) => agent.handler(request, reply))
  return agent
}

let caller: Station
let agent: Agent
let second: Agent
let middle: Middle
const middles = new Map<CarrierName, Middle>()

OverEngine.before(async () => {
  ;[caller, agent, second] = await Promise.all([startStation(), startAgent(), startAgent()])
  for (carrier of CARRIERS) middles.set(carrier, await startMiddle([agent.uri('agent'), second.uri('agent', 'tcp')]))
})

OverEngine.after(async () => {
  await Promise.all([caller, agent, second, ...middles.values()].map((station) => station.stop()))
})

const gauges = () => [caller, agent, second, middle].map(({ engine }) => engine.gauges())

/**
 * A test between a caller, an edge and an agent with two addresses, which must leave no call and no dialog behind. It is run over
 * every carrier. Not by hooks: uvu drops the rest of a suite, without a word, when one throws.
 */
function scenario(title: string, run: () => Promise<void>): void {
  for (const name of CARRIERS) scenarioOver(name, title, run)
}

function scenarioOver(name: CarrierName, title: string, run: () => Promise<void>): void {
  OverEngine(`${title} (control: ${name})`, async () => {
    carrier = name
    middle = middles.get(name)!
    middle.cdrs.length = 0
    middle.problems.length = 0
    for (const station of [agent, second]) station.handler = (_request, reply) => reply.send(500)
    await run()
    await eventually('no call and no dialog is left', () => {
      return middle.calls.size === 0 && gauges().every(({ dialogs }) => dialogs === 0)
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${middle.calls.size} calls, ${JSON.stringify(gauges())}`)
    })
    await eventually('drachtio-srf holds nothing', () => heldByLibrary(middle.server) === 0)
    assert.equal(middle.problems, [])
  })
}

/** Dialogs, requests and acknowledgements the library keeps. */
function heldByLibrary(server: DrachtioServer): number {
  const { _dialogs, app } = server.library as unknown as {
    _dialogs: Map<string, unknown>
    app: { client: { mapServer: Map<unknown, Record<string, unknown>> } }
  }
  let held = _dialogs.size
  for (const connection of app.client.mapServer.values())
    for (const name of ['pendingRequests', 'pendingSipRequests', 'pendingNetworkInvites', 'pendingAckOrPrack'])
      held += (connection[name] as Map<unknown, unknown>).size
  return held
}

const once = (dialog: SrfDialog, event: string): Promise<SrfMessage> =>
  new Promise((resolve) => dialog.once(event, ((message: SrfMessage) => resolve(message)) as never))

interface RawAgent {
  readonly uri: string
  readonly port: number
  /** Methods received, in order. */
  readonly methods: string[]
  close(): void
}

type RawAnswer = (status: string, headers?: readonly string[], body?: string, method?: string) => void

/** An agent on UDP that answers what no SIP stack would. */
async function rawAgent(receive: (request: string, answer: RawAnswer) => void): Promise<RawAgent> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port: 0 }, resolve))
  const { port } = socket.address()
  const methods: string[] = []
  socket.on('message', (bytes, from) => {
    const request = bytes.toString('latin1')
    const method = request.slice(0, request.indexOf(' '))
    if (methods.at(-1) === method) return
    methods.push(method)
    const copied = request
      .slice(0, request.indexOf('\r\n\r\n'))
      .split('\r\n')
      .filter((line) => /^(via|from|to|call-id|cseq):/i.test(line))
      .map((line) => (/^to:/i.test(line) && !line.includes('tag=') ? `${line};tag=raw` : line))
    receive(request, (status, headers = [], body = '', answers = method) => {
      const lines = copied.map((line) => (/^cseq:/i.test(line) ? line.replace(method, answers) : line))
      const text = [`SIP/2.0 ${status}`, ...lines, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n')
      socket.send(text, from.port, from.address)
    })
  })
  return { uri: `sip:agent@127.0.0.1:${port}`, port, methods, close: () => socket.close() }
}

interface Answered {
  readonly dialog: SrfDialog
  readonly request: SrfMessage
}

/** A station that answers; resolves with its dialog and the INVITE it got. */
function answering(
  station: Agent,
  prepare: (req: SrfMessage, res: SrfReply) => void | Promise<void> = () => {},
  body = ANSWER,
): Promise<Answered> {
  return new Promise((resolve) => {
    station.handler = (request, reply) => {
      void (async () => {
        await prepare(request, reply)
        const dialog = await station.app.createUAS(request, reply, { localSdp: body })
        resolve({ dialog, request })
      })().catch(() => {})
    }
  })
}

const refusing = (station: Agent, status: number): void => {
  station.handler = (_request, reply) => reply.send(status)
}

const calling = (options: object = {}, progress: object = {}, transport = 'udp'): Promise<SrfDialog> =>
  caller.app.createUAC(
    middle.uri(transport),
    { localSdp: SDP, headers: { From: '"Zoë" <sip:+13125550199@localhost>' }, ...options },
    progress,
  )

const statusOf = (call: Promise<SrfDialog>): Promise<number> =>
  call.then(
    () => 200,
    (error: { status: number }) => error.status,
  )

const theCdr = (): Promise<Cdr> => eventually('the record is there', () => middle.cdrs[0])

for (const transport of ['udp', 'tcp'])
  scenario(`a call over ${transport}: ringing, early media, answer, re-INVITE both ways, BYE`, async () => {
    const answered = answering(agent, (_request, reply) => {
      reply.send(180)
      reply.send(183, { body: ANSWER, headers: { 'X-Early': 'yes' } })
    })
    const early: [number, string][] = []
    const mine = await calling(
      {},
      { cbProvisional: (res: SrfMessage) => early.push([res.status, res.body]) },
      transport,
    )
    const { dialog: theirs, request } = await answered
    assert.equal(early, [
      [180, ''],
      [183, ANSWER],
    ])
    assert.is(mine.remote.sdp, ANSWER)
    assert.is(theirs.remote.sdp, SDP)
    assert.match(request.get('from') ?? '', `"Zoë" <sip:+13125550199@127.0.0.1:${middle.port}>`)
    assert.is(request.get('max-forwards'), '69')
    assert.is(request.get('X-Signalbox-Number'), NUMBER)
    for (const header of ['via', 'contact', 'record-route'])
      assert.not((request.get(header) ?? '').includes(String(caller.port)), header)
    theirs.on('modify', ((req: SrfMessage, res: SrfReply) =>
      res.send(200, { body: `${req.body}a=x:agent\r\n` })) as never)
    mine.on('modify', ((req: SrfMessage, res: SrfReply) =>
      res.send(200, { body: `${req.body}a=x:caller\r\n` })) as never)
    assert.is(await mine.modify(HELD), `${HELD}a=x:agent\r\n`)
    assert.is(await theirs.modify(HELD), `${HELD}a=x:caller\r\n`)
    const destroyed = once(theirs, 'destroy')
    await mine.destroy({ headers: { Reason: 'Q.850;cause=16' } })
    assert.is((await destroyed).get('reason'), 'Q.850;cause=16')
    const cdr = await theCdr()
    assert.equal([cdr.result, cdr.ended_by, cdr.leg_a_status, cdr.leg_b_status], ['answered', 'leg_a', 200, 200])
    assert.is(cdr.leg_b_call_id, request.get('call-id'))
    assert.is(middle.cdrs.length, 1)
  })

scenario('requests inside the dialog cross both ways, with their answers', async () => {
  const answered = answering(agent)
  const mine = await calling()
  const { dialog: theirs } = await answered
  for (const [near, far] of [
    [mine, theirs],
    [theirs, mine],
  ] as const) {
    const headers = {
      'Content-Type': 'text/plain',
      'X-Note': 'n',
      'Refer-To': '<sip:c@127.0.0.1>',
      Event: 'refer',
      'Subscription-State': 'active',
    }
    for (const method of ['INFO', 'MESSAGE', 'NOTIFY', 'REFER', 'UPDATE']) {
      const got: string[] = []
      far.once(method.toLowerCase(), ((req: SrfMessage, res: SrfReply) => {
        got.push(req.body, req.get('X-Note') ?? '')
        res.send(202, { headers: { 'X-Back': 'b' } })
      }) as never)
      const response = await near.request({ method, headers, body: 'héllo ☎' })
      assert.equal(got, ['héllo ☎', 'n'], method)
      assert.equal([response.status, response.get('X-Back')], [202, 'b'], method)
    }
    assert.is((await near.request({ method: 'OPTIONS' })).status, 200)
  }
  const destroyed = once(mine, 'destroy')
  await theirs.destroy()
  await destroyed
  assert.is((await theCdr()).ended_by, 'leg_b')
})

scenario('both sides hang up at once', async () => {
  const answered = answering(agent)
  const mine = await calling()
  const { dialog: theirs } = await answered
  await Promise.all([mine.destroy().catch(() => {}), theirs.destroy().catch(() => {})])
  await theCdr()
  assert.is(middle.cdrs.length, 1)
})

scenario('CANCEL reaches the agent with its Reason', async () => {
  const cancelled = new Promise<SrfMessage>((resolve) => {
    agent.handler = (req, res) => {
      req.on('cancel', ((cancel: SrfMessage) => resolve(cancel)) as never)
      res.send(180)
    }
  })
  let invite: SrfMessage | undefined
  const status = await statusOf(
    calling(
      {},
      {
        cbRequest: (_error: unknown, req: SrfMessage) => (invite = req),
        cbProvisional: () => invite?.cancel({ headers: { Reason: 'SIP;cause=200;text="elsewhere"' } }),
      },
    ),
  )
  assert.is(status, 487)
  assert.is((await cancelled).get('reason'), 'SIP;cause=200;text="elsewhere"')
  const cdr = await theCdr()
  assert.equal([cdr.result, cdr.leg_a_status, cdr.leg_b_status], ['caller_cancelled', 487, 487])
})

scenario('an agent that answers in spite of the CANCEL is acknowledged and hung up', async () => {
  const peer = await rawAgent((request, answer) => {
    if (request.startsWith('INVITE')) answer('180 Ringing')
    if (request.startsWith('CANCEL')) {
      answer('200 OK')
      answer(
        '200 OK',
        [`Contact: <sip:agent@127.0.0.1:${peer.port}>`, 'Content-Type: application/sdp'],
        ANSWER,
        'INVITE',
      )
    }
    if (request.startsWith('BYE')) answer('200 OK')
  })
  const alone = await startMiddle([peer.uri])
  let invite: SrfMessage | undefined
  const call = caller.app.createUAC(
    alone.uri(),
    { localSdp: SDP },
    {
      cbRequest: (_error: unknown, req: SrfMessage) => (invite = req),
      cbProvisional: () => invite?.cancel(),
    },
  )
  assert.is(await statusOf(call), 487)
  await eventually('ACK and BYE', () => ['ACK', 'BYE'].every((method) => peer.methods.includes(method)))
  const cdr = await eventually('the record', () => alone.cdrs[0])
  assert.equal([cdr.result, cdr.leg_a_status, cdr.leg_b_status], ['caller_cancelled', 487, 200])
  await eventually('nothing is left', () => alone.engine.gauges().dialogs === 0 && heldByLibrary(alone.server) === 0)
  peer.close()
  await alone.stop()
})

scenario('fail-over: 503, then an address that answers over TCP', async () => {
  refusing(agent, 503)
  const answered = answering(second)
  const mine = await calling()
  const { request } = await answered
  assert.match(request.get('via') ?? '', 'SIP/2.0/TCP')
  await mine.destroy()
  const cdr = await theCdr()
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [503, 200],
  )
})

scenario('fail-over: an address that rings too long is cancelled, the next one answers', async () => {
  const cancelled = new Promise<void>((resolve) => {
    agent.handler = (req, res) => {
      req.on('cancel', () => resolve())
      res.send(180)
    }
  })
  const answered = answering(second)
  const mine = await calling()
  await Promise.all([cancelled, answered])
  await mine.destroy()
  const cdr = await theCdr()
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [487, 200],
  )
})

scenario('fail-over: nobody at the first address', async () => {
  const nobody = await freePort()
  const alone = await startMiddle([`sip:agent@127.0.0.1:${nobody};transport=tcp`, second.uri('agent')])
  const answered = answering(second)
  const mine = await caller.app.createUAC(alone.uri(), { localSdp: SDP })
  await answered
  await mine.destroy()
  const cdr = await eventually('the record', () => alone.cdrs[0])
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [0, 200],
  )
  await alone.stop()
})

for (const [status, toCaller] of [
  [486, 486],
  [603, 603],
  [404, 480],
  [488, 488],
  [407, 480],
] as const)
  scenario(`an agent's ${status} is the caller's ${toCaller}, and nobody else is called`, async () => {
    refusing(agent, status)
    let other = 0
    second.handler = (_req, res) => {
      other += 1
      res.send(500)
    }
    assert.is(await statusOf(calling()), toCaller)
    assert.is(other, 0)
    assert.is((await theCdr()).leg_b_status, status)
  })

scenario(
  'a delayed offer: the agent’s in the 200, the caller’s answer in the ACK, and so again in a re-INVITE',
  async () => {
    const answered = answering(agent, undefined, ANSWER)
    const offer = (await calling({ localSdp: undefined, noAck: true })) as unknown as {
      sdp: string
      ack(sdp: string): Promise<SrfDialog>
    }
    assert.is(offer.sdp, ANSWER)
    const mine = await offer.ack(SDP)
    const { dialog: theirs } = await answered
    await eventually('the answer is at the agent', () => theirs.remote.sdp === SDP)
    theirs.on('modify', ((_req: SrfMessage, res: SrfReply) =>
      res.send(200, { body: `${ANSWER}a=x:again\r\n` })) as never)
    const again = (await (
      mine as unknown as { modify(options: object): Promise<{ sdp: string; ack(sdp: string): void }> }
    ).modify({ noAck: true })) as { sdp: string; ack(sdp: string): void }
    assert.is(again.sdp, `${ANSWER}a=x:again\r\n`)
    again.ack(HELD)
    await eventually('the second answer is at the agent', () => theirs.remote.sdp === HELD)
    const destroyed = once(theirs, 'destroy')
    await mine.destroy()
    await destroyed
  },
)

scenario('reliable provisional responses on both legs', async () => {
  let pracks = 0
  const answered = answering(agent, async (_request, reply) => {
    await new Promise<void>((resolve) =>
      (reply as unknown as { send(...args: unknown[]): void }).send(
        183,
        'Session Progress',
        { headers: { Require: '100rel' }, body: ANSWER },
        undefined,
        () => {
          pracks += 1
          resolve()
        },
      ),
    )
  })
  const reliable: (string | undefined)[] = []
  const mine = await calling(
    { headers: { Require: '100rel', Supported: '100rel' } },
    { cbProvisional: (res: SrfMessage) => reliable.push(res.get('rseq')) },
  )
  await answered
  assert.is(pracks, 1)
  assert.equal(reliable, ['1'])
  assert.is(mine.remote.sdp, ANSWER)
  await mine.destroy()
})

scenario('a caller that never acknowledges is gone, and the agent is hung up', async () => {
  const answered = answering(agent)
  const peer = await openUdp('127.0.0.1', { address: '127.0.0.1', port: middle.port })
  peer.send(
    [
      `INVITE sip:${NUMBER}@127.0.0.1:${middle.port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${peer.local.port};branch=z9hG4bKnever`,
      'Max-Forwards: 70',
      'From: <sip:ann@127.0.0.1>;tag=a1',
      `To: <sip:${NUMBER}@127.0.0.1>`,
      'Call-ID: never-acked',
      'CSeq: 1 INVITE',
      `Contact: <sip:ann@127.0.0.1:${peer.local.port}>`,
      'Content-Type: application/sdp',
      `Content-Length: ${SDP.length}`,
      '',
      SDP,
    ].join('\r\n'),
  )
  const { dialog } = await answered
  await once(dialog, 'destroy')
  assert.equal([(await theCdr()).result, (await theCdr()).end_reason], ['caller_gone', 'ACK timeout'])
  const bye = await nextMessage(peer, 'the BYE', (message) => message.startLine.startsWith('BYE'))
  peer.send(
    [
      'SIP/2.0 200 OK',
      ...bye.headers
        .filter(([name]) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name))
        .map(([n, v]) => `${n}: ${v}`),
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )
  peer.close()
})

scenario('an agent’s 200 without Contact is ended at the agent, and the next address is called', async () => {
  const peer = await rawAgent((request, answer) => {
    if (request.startsWith('INVITE')) answer('200 OK', ['Content-Type: application/sdp'], ANSWER)
    if (request.startsWith('BYE')) answer('200 OK')
  })
  const alone = await startMiddle([peer.uri, second.uri('agent')])
  const answered = answering(second)
  const mine = await caller.app.createUAC(alone.uri(), { localSdp: SDP })
  await answered
  await eventually('the BYE', () => peer.methods.includes('BYE'))
  await mine.destroy()
  const cdr = await eventually('the record', () => alone.cdrs[0])
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [200, 200],
  )
  await eventually('the engine is empty', () => alone.engine.gauges().dialogs === 0)
  peer.close()
  await alone.stop()
})

for (const how of ['answers', 'hangs up'] as const)
  scenario(`an offer of the agent’s without a Contact is hung up when the caller ${how}`, async () => {
    const peer = await rawAgent((request, answer) => {
      if (request.startsWith('INVITE')) answer('200 OK', ['Content-Type: application/sdp'], ANSWER)
      if (request.startsWith('BYE')) answer('200 OK')
    })
    const alone = await startMiddle([peer.uri])
    const offer = (await caller.app.createUAC(alone.uri(), { localSdp: undefined, noAck: true })) as unknown as {
      ack(sdp: string): Promise<SrfDialog>
      destroy(): Promise<void>
    }
    if (how === 'answers') {
      const mine = await offer.ack(SDP)
      await once(mine, 'destroy')
    } else await offer.destroy()
    await eventually('the BYE', () => peer.methods.includes('BYE'))
    await eventually('the record', () => alone.cdrs[0])
    await eventually('nothing is left', () => alone.engine.gauges().dialogs === 0 && heldByLibrary(alone.server) === 0)
    peer.close()
    await alone.stop()
  })

// In memory it ends with the engine alone.
scenarioOver(
  'tcp',
  'the connection to the server is lost: the call ends, both ends are told when it is back',
  async () => {
    const answered = answering(agent)
    const mine = await calling()
    const { dialog: theirs } = await answered
    const gone = Promise.all([once(mine, 'destroy'), once(theirs, 'destroy')])
    const client = (
      middle.server.library as unknown as { app: { client: { mapServer: Map<{ destroy(): void }, unknown> } } }
    ).app.client
    for (const socket of client.mapServer.keys()) socket.destroy()
    const cdr = await theCdr()
    assert.equal([cdr.result, cdr.end_reason], ['internal_error', 'connection to the SIP server lost'])
    await gone
    const renewed = answering(agent)
    const next = await calling()
    await renewed
    await next.destroy()
    await eventually('the second record', () => middle.cdrs.length === 2)
    middle.problems.length = 0
  },
)

scenario('statuses that are not in the library’s table cross as they are', async () => {
  const peer = await rawAgent((request, answer) => {
    const contact = `Contact: <sip:agent@127.0.0.1:${peer.port}>`
    if (request.startsWith('INVITE')) {
      answer('110 Looking around')
      answer('200 OK', [contact, 'Content-Type: application/sdp'], ANSWER)
    }
    if (request.startsWith('INFO')) answer('469 Bad Info Package', ['Recv-Info: dtmf'])
    if (request.startsWith('BYE')) answer('200 OK')
  })
  const alone = await startMiddle([peer.uri])
  const provisional: [number, string][] = []
  const mine = await caller.app.createUAC(
    alone.uri(),
    { localSdp: SDP },
    { cbProvisional: (res: SrfMessage) => provisional.push([res.status, res.reason]) },
  )
  assert.equal(provisional, [[110, 'Looking around']])
  const refused = await mine.request({ method: 'INFO', headers: { 'Info-Package': 'x' } })
  assert.equal([refused.status, refused.reason, refused.get('recv-info')], [469, 'Bad Info Package', 'dtmf'])
  await mine.destroy()
  await eventually('nothing is left', () => alone.engine.gauges().dialogs === 0 && heldByLibrary(alone.server) === 0)
  peer.close()
  await alone.stop()
})

scenario('what a caller smuggles or folds reaches the agent as one harmless line, or not at all', async () => {
  let invite = ''
  const peer = await rawAgent((request, answer) => {
    if (!request.startsWith('INVITE')) return
    invite = request
    answer('486 Busy Here')
  })
  const alone = await startMiddle([peer.uri])
  const from = await openUdp('127.0.0.1', { address: '127.0.0.1', port: alone.port })
  from.send(
    [
      `INVITE sip:${NUMBER}@127.0.0.1:${alone.port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${from.local.port};branch=z9hG4bKsmuggler`,
      'Max-Forwards: 70',
      'From: "a\\"b" <sip:%0d%0aX-Evil%3b@127.0.0.1>;tag=a1',
      `To: <sip:${NUMBER}@127.0.0.1>`,
      'Call-ID: smuggler',
      'CSeq: 1 INVITE',
      `Contact: <sip:ann@127.0.0.1:${from.local.port}>`,
      'X-Folded: a',
      ' X-Evil: 1',
      'x-signalbox-number: evil',
      'X-Signalbox%2DNumber: evil',
      'X%2DSignalbox-Caller: evil',
      'X-Twice: 1',
      'X-Twice: 2',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )
  await nextMessage(from, 'the 486', (message) => message.startLine.startsWith('SIP/2.0 486'))
  const lines = invite.split('\r\n')
  assert.not(lines.some((line) => /^\s*x-evil/i.test(line)))
  assert.not(invite.includes('evil'))
  assert.ok(lines.includes('X-Folded: a X-Evil: 1'))
  assert.ok(lines.includes('X-Twice: 1,2'))
  assert.ok(lines.includes(`X-Signalbox-Number: ${NUMBER}`))
  assert.ok(lines.some((line) => line.startsWith('From: "a\\"b" <sip:X-Evil%3B@127.0.0.1:')))
  await eventually('nothing is left', () => heldByLibrary(alone.server) === 0)
  from.close()
  peer.close()
  await alone.stop()
})

scenario('a body that the library would take seconds to take apart costs nothing, and crosses untouched', async () => {
  const body = `--a\r\n\r\n\r\nContent-Type:${' '.repeat(30_000)}`
  let got = ''
  const answered = answering(agent)
  const mine = await calling()
  const { dialog: theirs } = await answered
  // The library of the agent's test application would stall as well: it gets its frames by the same guard.
  for (const station of [caller, agent])
    guardFrames((station.app as unknown as { app: { client: { wp: LibraryWire } } }).app.client.wp)
  theirs.on('message', ((req: SrfMessage, res: SrfReply) => {
    got = req.body
    res.send(200)
  }) as never)
  const started = performance.now()
  const headers = { 'Content-Type': `multipart/mixed;boundary=a` }
  const response = await mine.request({ method: 'MESSAGE', headers, body })
  assert.is(response.status, 200)
  assert.is(got, body)
  assert.ok(performance.now() - started < 400, `${performance.now() - started} ms`)
  await mine.destroy()
})

scenario('stops: a ringing caller is refused, an answered one hung up', async () => {
  const answered = answering(agent)
  const mine = await calling()
  await answered
  const destroyed = once(mine, 'destroy')
  await middle.edge.stop(0)
  assert.match((await destroyed).get('reason') ?? '', 'the edge is stopping')
  assert.is(await statusOf(calling()), 503)
  assert.equal(
    middle.cdrs.map(({ result }) => result),
    ['answered', 'edge_stopping'],
  )
})

scenario('in the end no transaction and no timer is left anywhere', async () => {
  await eventually('all is over', () => gauges().every((left) => left.transactions + left.timers === 0))
})

OverEngine.run()
