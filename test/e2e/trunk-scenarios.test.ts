// time limit: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { requestsTo, responsesTo } from '../support/call.js'
import { AGENT, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { runSipp, Sipp, type Protocol, type SippResult } from '../support/sipp.js'
import { registrationIn } from '../support/trunk-edge.js'

// The scenarios of trunks, as the page on them says to play them, over UDP and TCP.
const Scenarios = suite('Scenarios of trunks')

const FAR = '127.0.0.4'
const CALLED = '+13125550199'
const protocols: readonly Protocol[] = ['udp', 'tcp']

let edge: TestEdge
let numbers = 0

Scenarios.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '100' } })
  await edge.must('PUT', '/v1/agents/front', {
    name: 'Front desk',
    sip_uri: `sip:agent@${AGENT}:5090`,
    allowed_addresses: [`${AGENT}/32`],
  })
})

Scenarios.after(async () => {
  await edge.stop()
})

/** A number on a trunk of its own whose far end is that SIPp. */
async function addTrunk(
  port: number,
  protocol: Protocol,
  register: boolean,
): Promise<{ number: string; trunkId: string }> {
  const number = `+1415555${String(3_000 + ++numbers)}`
  const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: 'carrier.example.com',
    username: 'sipp-user',
    auth_username: 'sipp-auth',
    password: 'sipp-password',
    outbound_proxy: `sip:${FAR}:${port}${protocol === 'tcp' ? ';transport=tcp' : ''}`,
    register: { enabled: register, expires: 300 },
    outbound_agent_ids: ['front'],
  })
  return { number, trunkId: view.trunk.id }
}

const told = (result: SippResult): string =>
  `${result.errors}\n${result.trace.map((m) => `${m.sent ? '->' : '<-'} ${m.startLine} [${m.header('cseq') ?? ''}]`).join('\n')}`

interface RegistrarCase {
  readonly state: 'registered' | 'refused'
  readonly registers: number
  readonly check?: (registration: Awaited<ReturnType<typeof registrationIn>>) => void
}

const registrars: Record<string, RegistrarCase> = {
  'registrar-challenge': { state: 'registered', registers: 3 },
  'registrar-challenge-sha256': { state: 'registered', registers: 3 },
  'registrar-423': {
    state: 'registered',
    registers: 3,
    check: (registration) => assert.is(registration.min_expires_s, 600),
  },
  'registrar-403': {
    state: 'refused',
    registers: 1,
    check: (registration) => assert.is(registration.last_code, 403),
  },
  'registrar-challenge-loop': {
    state: 'refused',
    registers: 2,
    check: (registration) => assert.is(registration.last_code, 401),
  },
}

for (const [scenario, expected] of Object.entries(registrars))
  Scenarios(`${scenario}: the registration is ${expected.state}, over UDP and TCP`, async () => {
    await Promise.all(
      protocols.map(async (protocol) => {
        const registrar = await Sipp.start({ scenario, address: FAR, protocol })
        const { trunkId } = await addTrunk(registrar.port, protocol, true)
        const registration = await registrationIn(edge, trunkId, [expected.state])
        expected.check?.(registration)
        if (expected.state === 'registered') await edge.must('POST', `/v1/trunks/${trunkId}/unregister`)
        const result = await registrar.finished
        assert.is(result.exitCode, 0, `${protocol}: ${told(result)}`)
        const registers = requestsTo(result, 'REGISTER')
        assert.is(registers.length, expected.registers, told(result))
        for (const register of registers) assert.is(register.requestUri, 'sip:carrier.example.com')
        if (expected.state === 'registered') await registrationIn(edge, trunkId, ['stopped'])
      }),
    )
  })

interface CallCase {
  readonly agent: string
  readonly carrier: string
  readonly invites: number
  readonly status: number
}

const calls: readonly CallCase[] = [
  { agent: 'uac-agent-call', carrier: 'carrier-challenge', invites: 2, status: 200 },
  { agent: 'uac-agent-early-media', carrier: 'carrier-challenge', invites: 2, status: 200 },
  { agent: 'uac-agent-delayed-offer', carrier: 'carrier-challenge', invites: 2, status: 200 },
  { agent: 'uac-agent-wait-bye', carrier: 'carrier-challenge-bye', invites: 2, status: 200 },
  { agent: 'uac-agent-call', carrier: 'carrier-302', invites: 2, status: 200 },
  { agent: 'uac-agent-busy', carrier: 'carrier-486', invites: 1, status: 486 },
  { agent: 'uac-agent-unavailable', carrier: 'carrier-503', invites: 1, status: 503 },
]

for (const { agent, carrier, invites, status } of calls)
  Scenarios(`${agent} with ${carrier}: the agent hears ${status}, over UDP and TCP`, async () => {
    await Promise.all(
      protocols.map(async (protocol) => {
        const far = await Sipp.start({ scenario: carrier, address: FAR, protocol })
        const { number } = await addTrunk(far.port, protocol, false)
        const caller = await runSipp({
          scenario: agent,
          address: AGENT,
          protocol,
          target: edge.sip,
          service: CALLED,
          args: ['-key', 'number', number],
        })
        // When the caller has failed the carrier may wait for long.
        const result = caller.exitCode === 0 ? await far.finished : await far.stop()
        assert.is(caller.exitCode, 0, `agent over ${protocol}: ${told(caller)}\ncarrier: ${told(result)}`)
        assert.is(result.exitCode, 0, `carrier over ${protocol}: ${told(result)}`)
        assert.is(responsesTo(caller, 'INVITE').at(-1)?.status, status)
        const asked = requestsTo(result, 'INVITE')
        assert.is(asked.length, invites, told(result))
        assert.is(asked[0]?.requestUri, `sip:${CALLED}@carrier.example.com`)
        for (const message of result.trace.filter(({ sent }) => !sent))
          assert.not(message.head.includes(AGENT), `the agent's address reached the carrier in\n${message.head}`)
        for (const message of caller.trace.filter(({ sent }) => !sent))
          assert.not(message.head.includes(FAR), `the carrier's address reached the agent in\n${message.head}`)
        const cdr = await eventually('its record', async () => (await edge.cdrs(number))[0])
        assert.is(cdr.direction, 'outbound')
        assert.is(cdr.agent_id, 'front')
        assert.is(cdr.to, CALLED)
      }),
    )
  })

Scenarios('leave nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
})

Scenarios.run()
