import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { freePort } from '../support/free-port.js'
import { hasKamailio, Kamailio } from '../support/kamailio.js'
import { agentOn, callOut, callsOf, nextCall, registrationIn } from '../support/trunk-edge.js'

const PROXY = '127.0.0.40'
const GATEWAY = '127.0.0.41'
const DOMAIN = 'kamailio.example.com'
const NUMBER = '+14155550170'

// A proxy that is not ours, end to end: registrar and proxy that challenge REGISTER and INVITE, a gateway behind it.
const Chain = suite('A trunk by way of Kamailio')

for (const [transport, algorithm] of [
  ['tcp', 'SHA-256'],
  ['udp', 'MD5'],
] as const) {
  let kamailio: Kamailio
  let gateway: Carrier
  let edge: TestEdge
  let agent: Carrier
  let trunkId: string

  const start = async (): Promise<void> => {
    const port = await freePort(PROXY)
    gateway = await Carrier.open({ address: GATEWAY })
    gateway.calls.recordRoute = null
    kamailio = await Kamailio.start({
      listen: { address: PROXY, port },
      gateway: gateway.end.local,
      domain: DOMAIN,
      user: 'line1',
      authUser: 'auth-line1',
      password: 'of Kamailio',
      algorithm,
    })
    edge = await TestEdge.start()
    agent = await agentOn(edge, 'front')
    const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
      phone_number: NUMBER,
      sip_domain: DOMAIN,
      username: 'line1',
      auth_username: 'auth-line1',
      password: 'of Kamailio',
      outbound_proxy: `sip:${PROXY}:${port}${transport === 'tcp' ? ';transport=tcp' : ''}`,
      register: { enabled: true, expires: 120 },
      inbound_agent_id: 'front',
      outbound_agent_ids: ['front'],
    })
    trunkId = view.trunk.id
  }

  const stop = async (): Promise<void> => {
    await edge?.stop()
    await agent?.close()
    await kamailio?.stop()
    await gateway?.close()
  }

  /** A call of the gateway to the number. */
  const callIn = () =>
    gateway.place(
      `sip:${NUMBER}@${DOMAIN}`,
      { protocol: 'udp', remote: { address: PROXY, port: kamailio.port }, connection: 0 },
      { from: `+13125550199@${GATEWAY}`, to: `${NUMBER}@${DOMAIN}` },
    )

  Chain(
    `over ${transport}, challenged with ${algorithm}: registers, takes and places calls, hangs up, un-registers`,
    async () => {
      if (!hasKamailio()) return console.log('skipped: the Debian package kamailio is not installed')
      try {
        await start()
        const registered = await registrationIn(edge, trunkId, ['registered'])
        assert.is(registered.granted_expires_s, 120)
        assert.is(registered.registrar, `sip:${PROXY}:${kamailio.port};transport=${transport}`)

        const inbound = callIn()
        await inbound.answered(200)
        const atAgent = await nextCall(agent, new Set())
        inbound.send('BYE')
        await inbound.final('BYE')
        await atAgent.heard('BYE')

        const before = callsOf(agent)
        const second = callIn()
        await second.answered(200)
        const there = await nextCall(agent, before)
        there.send('BYE')
        await there.final('BYE')
        await second.heard('BYE')

        const out = await callOut(agent, edge, { from: NUMBER, to: '+13125550199' })
        assert.is(out.status, 200)
        const atGateway = await nextCall(gateway, new Set([inbound.callId, second.callId]))
        assert.is(atGateway.invite.requestUri, `sip:+13125550199@${DOMAIN}`)
        out.send('BYE')
        assert.is((await out.final('BYE')).message.status, 200)
        await atGateway.heard('BYE')

        const gatewayCalls = callsOf(gateway)
        const outAgain = await callOut(agent, edge, { from: NUMBER, to: '+13125550199' })
        assert.is(outAgain.status, 200)
        const hangsUp = await nextCall(gateway, gatewayCalls)
        hangsUp.send('BYE')
        assert.is((await hangsUp.final('BYE')).message.status, 200)
        await outAgain.heard('BYE')

        await edge.must('POST', `/v1/trunks/${trunkId}/unregister`)
        await registrationIn(edge, trunkId, ['stopped'])
        const refused = callIn()
        await refused.final('INVITE')
        assert.is(refused.status, 404, 'Kamailio has no Contact any more')
      } catch (error) {
        throw new Error(
          `${String(error)}\n${kamailio?.output.slice(-2_000) ?? ''}\n${edge?.output.slice(-4_000) ?? ''}`,
        )
      } finally {
        await stop()
      }
    },
  )
}

Chain.run()
