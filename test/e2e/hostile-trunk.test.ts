// time limit: 150 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import type { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { wait } from '../support/eventually.js'
import { FarEnd, responseText, type Heard } from '../support/far-end.js'
import { sdp } from '../support/far-call.js'
import { agentOn, callOut, registrationIn } from '../support/trunk-edge.js'

// Far ends that answer with what no honest one sends: one trunk is harmed, with a reason in words, and nothing else.
const Hostile = suite('A hostile far end of a trunk')

const PASSWORD = 'of a hostile trunk'
const NOTHING: readonly Registration['state'][] = ['retrying', 'refused']

let edge: TestEdge
let agent: Carrier
const opened: (Carrier | FarEnd)[] = []
let numbers = 0

Hostile.before(async () => {
  edge = await TestEdge.start({
    env: {
      SIGNALBOX__SIP__T1_MS: '100',
      SIGNALBOX__REGISTRATION__RESPONSE_TIMEOUT_MS: '1500',
      SIGNALBOX__REGISTRATION__RETRY_BASE_S: '60',
    },
  })
  agent = await agentOn(edge, 'front')
})

Hostile.after(async () => {
  await edge?.stop()
  await agent?.close()
  for (const far of opened) await far.close()
})

async function farEnd(onRequest: (end: FarEnd, heard: Heard) => void): Promise<FarEnd> {
  const end = await FarEnd.open({ address: '127.0.0.90' })
  end.onRequest = (heard) => onRequest(end, heard)
  opened.push(end)
  return end
}

async function addTrunk(far: FarEnd, register: boolean): Promise<{ number: string; trunkId: string }> {
  const number = `+1415558${String(1_000 + ++numbers)}`
  const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: `hostile${numbers}.example.com`,
    username: 'user',
    password: PASSWORD,
    outbound_proxy: `sip:${far.local.address}:${far.local.port};transport=tcp`,
    register: { enabled: register, expires: 60 },
    outbound_agent_ids: ['front'],
  })
  return { number, trunkId: view.trunk.id }
}

const contactOf = ({ message }: Heard): string => message.header('contact') ?? ''
const challenge = (text: string): string => `WWW-Authenticate: Digest ${text}`

/** Answers to a REGISTER, each of a trunk of its own, and the states that may come of it. */
const answers: Record<
  string,
  { states: readonly Registration['state'][]; answer: (end: FarEnd, heard: Heard) => void }
> = {
  'a 200 with 300 Contacts and ours among them': {
    states: ['registered', ...NOTHING],
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', {
        headers: [
          ...Array.from({ length: 240 }, (_, i) => `Contact: <sip:d${i}@192.0.2.1>;expires=60`),
          `Contact: ${contactOf(heard)}`,
        ],
      }),
  },
  'a 200 without any Contact': { states: NOTHING, answer: (end, heard) => end.answer(heard, 200, 'OK') },
  'a 200 with the Contact of another': {
    states: NOTHING,
    answer: (end, heard) => end.answer(heard, 200, 'OK', { headers: ['Contact: <sip:other@192.0.2.1>;expires=60'] }),
  },
  'a 200 that grants nothing': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', {
        headers: [contactOf(heard).replace(/expires=\d+/, 'expires=0')].map((c) => `Contact: ${c}`),
      }),
  },
  'a 200 that grants for ever': {
    states: ['registered'],
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', {
        headers: [`Contact: ${contactOf(heard).replace(/expires=\d+/, 'expires=99999999999999999999')}`],
      }),
  },
  'a 200 that grants less than nothing': {
    states: ['registered', ...NOTHING],
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', { headers: [`Contact: ${contactOf(heard).replace(/expires=\d+/, 'expires=-1')}`] }),
  },
  'a 200 that grants one second': {
    states: ['registered'],
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', { headers: [`Contact: ${contactOf(heard).replace(/expires=\d+/, 'expires=1')}`] }),
  },
  'a Service-Route that is none': {
    states: ['registered', ...NOTHING],
    answer: (end, heard) =>
      end.answer(heard, 200, 'OK', {
        headers: [`Contact: ${contactOf(heard)}`, 'Service-Route: <<<sip:;;,', 'Path: tel:1'],
      }),
  },
  'a 423 without Min-Expires': {
    states: NOTHING,
    answer: (end, heard) => end.answer(heard, 423, 'Interval Too Brief'),
  },
  'a 423 for a hundred years': {
    states: NOTHING,
    answer: (end, heard) => end.answer(heard, 423, 'Interval Too Brief', { headers: ['Min-Expires: 3153600000'] }),
  },
  'a 423 that rises each time': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 423, 'Interval Too Brief', {
        headers: [`Min-Expires: ${Number(heard.message.header('expires')) + 1}`],
      }),
  },
  'a 503 to be tried again in a thousand years': {
    states: NOTHING,
    answer: (end, heard) => end.answer(heard, 503, 'Service Unavailable', { headers: ['Retry-After: 31536000000'] }),
  },
  'a 401 without a challenge': { states: NOTHING, answer: (end, heard) => end.answer(heard, 401, 'Unauthorized') },
  'a 401 with a hundred challenges': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 401, 'Unauthorized', {
        headers: Array.from({ length: 100 }, (_, i) => challenge(`realm="r${i}", nonce="n${i}", algorithm=MD5`)),
      }),
  },
  'a 401 whose nonce is 8 kB long': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 401, 'Unauthorized', { headers: [challenge(`realm="r", nonce="${'n'.repeat(8_000)}"`)] }),
  },
  'a 401 with an algorithm nobody knows': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 401, 'Unauthorized', { headers: [challenge('realm="r", nonce="n", algorithm=ROT13')] }),
  },
  'a 401 with a line break that is quoted': {
    states: NOTHING,
    answer: (end, heard) =>
      end.answer(heard, 401, 'Unauthorized', { headers: [challenge('realm="r\\\r\n X", nonce="n\\"\\\\"')] }),
  },
  'a 302 to somebody else': {
    states: NOTHING,
    answer: (end, heard) => end.answer(heard, 302, 'Moved Temporarily', { headers: ['Contact: <sip:127.0.0.91>'] }),
  },
  'a response that no SIP has': {
    states: NOTHING,
    answer: (end, heard) => void end.send('HTTP/1.1 200 OK\r\n\r\n', heard),
  },
  'a hundred provisional responses and nothing else': {
    states: NOTHING,
    answer: (end, heard) => {
      for (let i = 0; i < 100; i++) end.send(responseText(heard.message, 100, 'Trying'), heard)
    },
  },
  'a 200 for another request': {
    states: NOTHING,
    answer: (end, heard) =>
      void end.send(
        responseText(heard.message, 200, 'OK', { headers: [`Contact: ${contactOf(heard)}`] }).replace(
          /branch=[^;\s]+/,
          'branch=z9hG4bKother',
        ),
        heard,
      ),
  },
}

for (const [what, { states, answer }] of Object.entries(answers))
  Hostile(
    `that answers REGISTER with ${what} leaves the registration ${states.join(' or ')}, and a few REGISTERs sent`,
    async () => {
      const far = await farEnd((end, heard) => (heard.message.method === 'REGISTER' ? answer(end, heard) : undefined))
      const { trunkId } = await addTrunk(far, true)
      const registration = await registrationIn(edge, trunkId, states)
      assert.ok(registration.reason.length > 5, registration.reason)
      assert.not(JSON.stringify(registration).includes(PASSWORD))
      await wait(300)
      const count = far.requests('REGISTER').length
      assert.ok(count <= 4, `${count} REGISTERs`)
      assert.is((await edge.ready()).status, 200)
      await edge.must('POST', `/v1/trunks/${trunkId}/unregister`)
    },
  )

const ok = (heard: Heard, tag: string, contact = '<sip:callee@127.0.0.90>'): string =>
  responseText(heard.message, 200, 'OK', { toTag: tag, body: sdp('127.0.0.90'), headers: [`Contact: ${contact}`] })

/** What an INVITE is met with, and what the agent may hear of it. */
const calls: Record<string, { heard: readonly number[]; answer: (end: FarEnd, heard: Heard) => void }> = {
  'a challenge without end': {
    heard: [503],
    answer: (end, heard) =>
      end.answer(heard, 407, 'Proxy Authentication Required', {
        headers: [`Proxy-Authenticate: Digest realm="r", nonce="${Math.random()}", stale=true`],
      }),
  },
  'a redirection without end': {
    heard: [503],
    answer: (end, heard) =>
      end.answer(heard, 302, 'Moved Temporarily', {
        headers: [`Contact: <sip:u${Math.floor(Math.random() * 1e9)}@there.example.com>`],
      }),
  },
  'a redirection to a hundred places, none of which can be called': {
    heard: [503],
    answer: (end, heard) =>
      end.answer(heard, 300, 'Multiple Choices', {
        headers: Array.from({ length: 100 }, () => 'Contact: <mailto:a@b.c>'),
      }),
  },
  'a 200 without Contact and without SDP': {
    heard: [200, 480, 500, 502, 503],
    answer: (end, heard) => end.answer(heard, 200, 'OK'),
  },
  'two 200s of two dialogs': {
    heard: [200],
    answer: (end, heard) => {
      end.send(ok(heard, 'one'), heard)
      end.send(ok(heard, 'two'), heard)
    },
  },
  'a refusal right after the 200': {
    heard: [200],
    answer: (end, heard) => {
      end.send(ok(heard, 'one'), heard)
      end.send(responseText(heard.message, 486, 'Busy Here', { toTag: 'one' }), heard)
    },
  },
  'two hundred early dialogs, then busy': {
    heard: [486],
    answer: (end, heard) => {
      for (let i = 0; i < 200; i++)
        end.send(
          responseText(heard.message, 183, 'Session Progress', { toTag: `t${i}`, body: sdp('127.0.0.90') }),
          heard,
        )
      end.answer(heard, 486, 'Busy Here')
    },
  },
  'a route of fifty hops': {
    heard: [200, 480, 500, 502, 503],
    answer: (end, heard) => {
      const hops = Array.from({ length: 50 }, (_, i) => `Record-Route: <sip:h${i}.invalid;lr>`)
      end.send(
        responseText(heard.message, 200, 'OK', {
          toTag: 'r',
          body: sdp('127.0.0.90'),
          headers: ['Contact: <sip:c@127.0.0.90>', ...hops],
        }),
        heard,
      )
    },
  },
  'a status of 699 and a reason of 4 kB': {
    heard: [480, 500, 503, 603, 699],
    answer: (end, heard) => end.answer(heard, 699, 'x'.repeat(4_000)),
  },
}

for (const [what, { heard, answer }] of Object.entries(calls))
  Hostile(`that meets an INVITE with ${what} ends the call with ${heard.join(' or ')}, soon`, async () => {
    const far = await farEnd((end, request) => {
      if (request.message.method === 'INVITE') answer(end, request)
      else if (request.message.method !== 'ACK') end.answer(request, 200, 'OK')
    })
    const { number } = await addTrunk(far, false)
    const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
    assert.ok(heard.includes(call.status), `the agent heard ${call.status}`)
    assert.ok(far.requests('INVITE').length <= 6, `${far.requests('INVITE').length} INVITEs`)
    if (call.status === 200) {
      call.send('BYE')
      await call.final('BYE')
    }
    assert.is((await edge.ready()).status, 200)
  })

Hostile('leaves nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
  const errors = edge.output.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line))
  assert.equal(errors, [])
  assert.not(edge.output.includes(PASSWORD))
})

Hostile.run()
