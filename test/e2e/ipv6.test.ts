// time limit: 60 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshNumber, onlyCdr, requestsTo, responsesTo } from '../support/call.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { freePort } from '../support/free-port.js'
import { runSipp, Sipp, type Protocol, type SippResult } from '../support/sipp.js'
import { hasIpv6 } from '../support/transport-bench.js'

const Ipv6 = suite('Calls over IPv6')

let edge: TestEdge

Ipv6.before(async () => {
  if (!hasIpv6) return
  const sipPort = await freePort('::1')
  const both = [EDGE, '[::1]'].map((host) => `sip:${host}:${sipPort};transport=udp,tcp`)
  edge = await TestEdge.start({ sipPort, env: { SIGNALBOX__SIP__T1_MS: '100', SIP_CONTACTS: both.join(',') } })
})

Ipv6.after(async () => {
  if (hasIpv6) await edge.stop()
})

const told = (result: SippResult): string =>
  `${result.errors}\n${result.trace.map((m) => `${m.sent ? '->' : '<-'} ${m.startLine} [${m.header('cseq') ?? ''}]`).join('\n')}`

/** A call between these versions of IP, as both ends saw it. */
async function call(legA: 4 | 6, legB: 4 | 6, protocol: Protocol, scenarios: readonly [string, string]) {
  const number = freshNumber()
  const agentAddress = legB === 6 ? '::1' : AGENT
  const uas = await Sipp.start({ scenario: scenarios[1], address: agentAddress, protocol })
  const host = legB === 6 ? '[::1]' : AGENT
  const suffix = protocol === 'tcp' ? ';transport=tcp' : ''
  await edge.addNumber(number, `agent-${number.slice(1)}`, [`sip:agent@${host}:${uas.port}${suffix}`], {
    number: { allowed_addresses: [legA === 6 ? '::1/128' : `${CALLER}/32`] },
  })
  const caller = await runSipp({
    scenario: scenarios[0],
    address: legA === 6 ? '::1' : CALLER,
    protocol,
    target: { address: legA === 6 ? '::1' : EDGE, port: edge.sipPort },
    service: number,
    holdMs: 100,
  })
  const agent = caller.exitCode === 0 ? await uas.finished : await uas.stop()
  const legs = `IPv${legA} to IPv${legB} over ${protocol}`
  assert.is(caller.exitCode, 0, `caller, ${legs}: ${told(caller)}`)
  assert.is(agent.exitCode, 0, `agent, ${legs}: ${told(agent)}`)
  return { caller, agent, legs, cdr: await onlyCdr(edge, number) }
}

const scenarios = { caller: ['uac-basic', 'uas-basic'], agent: ['uac-wait-bye', 'uas-bye'] } as const

for (const [legA, legB] of [
  [6, 6],
  [4, 6],
  [6, 4],
] as const)
  Ipv6(`INVITE, ACK and BYE of either side pass from IPv${legA} to IPv${legB}, over UDP and TCP`, async () => {
    if (!hasIpv6) return
    const seen = await Promise.all(
      (['udp', 'tcp'] as const).flatMap((protocol) => [
        call(legA, legB, protocol, scenarios.caller),
        call(legA, legB, protocol, scenarios.agent),
      ]),
    )
    for (const { caller, agent, legs, cdr } of seen) {
      const addressOf = (family: 4 | 6): string => (family === 6 ? `[::1]:${edge.sipPort}` : `${EDGE}:${edge.sipPort}`)
      const [invite] = requestsTo(agent, 'INVITE')
      const ok = responsesTo(caller, 'INVITE').at(-1)
      assert.ok(invite?.header('contact')?.includes(addressOf(legB)), `${legs}: ${invite?.header('contact')}`)
      assert.ok(invite?.header('via')?.includes(addressOf(legB)), `${legs}: ${invite?.header('via')}`)
      assert.ok(ok?.header('contact')?.includes(addressOf(legA)), `${legs}: ${ok?.header('contact')}`)
      assert.is(requestsTo(agent, 'ACK').length, 1, legs)
      assert.equal([cdr.result, cdr.leg_a_status, cdr.leg_b_status], ['answered', 200, 200], legs)
      assert.is(cdr.source_address, legA === 6 ? '::1' : CALLER, legs)
    }
  })

Ipv6('hold and resume, PRACK and REFER pass over IPv6 too', async () => {
  if (!hasIpv6) return
  await Promise.all([
    call(6, 6, 'udp', ['uac-reinvite-hold-resume', 'uas-reinvite']),
    call(6, 4, 'udp', ['uac-reliable-early-media', 'uas-reliable-early-media']),
    call(4, 6, 'udp', ['uac-refer', 'uas-refer']),
  ])
})

Ipv6('nothing is left', async () => {
  if (hasIpv6) assert.equal(await edge.settle(15_000), {})
})

Ipv6.run()
