import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier } from '../support/carrier.js'
import { runCommand, TestEdge } from '../support/edge.js'
import { digestParams } from '../support/far-digest.js'
import { uriOf } from '../support/far-registrar.js'
import { agentOn, callOut, nextCall, registrationIn } from '../support/trunk-edge.js'

// One command makes a customer's trunk work: registered, called and calling by way of its outbound proxy.
const Imported = suite('A trunk that one import brings')

const NUMBER = '+14155550180'
const DOMAIN = 'pbx.example.com'
const PASSWORD = 'of the imported trunk'

let edge: TestEdge
let proxy: Carrier
let agent: Carrier
let trunkId = ''

Imported.before(async () => {
  proxy = await Carrier.open({
    address: '127.0.0.1',
    protocols: ['tcp'],
    auth: { realm: 'pbx', users: { 'auth-4711': PASSWORD }, algorithms: ['SHA-256', 'MD5'], opaque: 'a,b' },
  })
  edge = await TestEdge.start()
  agent = await agentOn(edge, 'front')
})

Imported.after(async () => {
  await edge?.stop()
  await agent?.close()
  await proxy?.close()
})

Imported('`signalbox number import` answers with the next hop, and says no password', async () => {
  const { exitCode, output } = await runCommand([
    ...['number', 'import', NUMBER, '--agent', 'front', '--outbound-agent', 'front', '--sip-domain', DOMAIN],
    ...['--username', '4711', '--auth-username', 'auth-4711', '--password', PASSWORD, '--register'],
    ...['--outbound-proxy', `sip:127.0.0.1:${proxy.port};transport=tcp`, '--url', edge.url, '--token', edge.token],
  ])
  assert.is(exitCode, 0, output)
  assert.ok(output.includes(`sip:127.0.0.1:${proxy.port};transport=tcp`), output)
  assert.not(output.includes(PASSWORD))
  const number = await edge.must<{ trunk_id: string }>('GET', `/v1/numbers/${encodeURIComponent(NUMBER)}`)
  trunkId = number.trunk_id
})

Imported(
  'it registers at the proxy over TCP, for the domain, as its user, with the credentials of its auth user',
  async () => {
    const registration = await registrationIn(edge, trunkId, ['registered'])
    assert.is(registration.registrar, `sip:127.0.0.1:${proxy.port};transport=tcp`)
    assert.is(registration.transport, 'tcp')
    assert.is(registration.last_code, 200)
    assert.ok((registration.granted_expires_s ?? 0) > 0)
    assert.is(registration.failures, 0)

    const [first, second, ...more] = proxy.requests('REGISTER')
    assert.is(more.length, 0, 'one REGISTER, and one with credentials')
    assert.ok(first && second)
    for (const { message, protocol } of [first, second]) {
      assert.is(protocol, 'tcp')
      assert.is(message.requestUri, `sip:${DOMAIN}`)
      assert.is(uriOf(message.header('to') ?? ''), `sip:4711@${DOMAIN}`)
      assert.is(uriOf(message.header('from') ?? ''), `sip:4711@${DOMAIN}`)
      assert.is(message.callId, first.message.callId)
    }
    assert.is(first.connection, second.connection, 'on one connection')
    const credentials = digestParams(second.message.header('authorization') ?? '')
    assert.is(credentials.get('username'), 'auth-4711')
    assert.is(credentials.get('algorithm'), 'SHA-256')
    assert.is(credentials.get('uri'), `sip:${DOMAIN}`)
    assert.equal(proxy.complaints, [])
    const contact = uriOf(second.message.header('contact') ?? '')
    assert.ok(contact.includes(`@127.0.0.1:${edge.sipPort}`), contact)
    assert.match(contact, /[A-Za-z0-9_-]{20}/, 'a token that cannot be guessed')
  },
)

Imported('a call to what it registered reaches the agent, over the connection of the registration', async () => {
  const binding = await proxy.registered(`sip:4711@${DOMAIN}`)
  const call = proxy.call(binding, { from: `+13125550199@${DOMAIN}`, to: `${NUMBER}@${DOMAIN}` })
  await call.answered(200)
  const atAgent = await nextCall(agent, new Set())
  assert.not(atAgent.invite.head.includes(binding.uri), 'the Contact token does not reach the agent')
  call.send('BYE')
  await call.final('BYE')
  await atAgent.heard('BYE')
  const cdr = await edge.cdrOfLegA(call.callId)
  assert.is(cdr.trunk_id, trunkId)
  assert.is(cdr.phone_number, NUMBER)
  assert.equal([cdr.explanation?.trace.identified_by, cdr.identified_by], ['token', 'contact-token'])
})

Imported('a call of the agent leaves by the proxy over that connection, its credentials accepted there', async () => {
  const call = await callOut(agent, edge, { from: NUMBER, to: '+13125550199' })
  assert.is(call.status, 200)
  const atProxy = [...proxy.dialogs.values()].at(-1)
  assert.ok(atProxy)
  const invites = proxy.requests('INVITE')
  const register = proxy.requests('REGISTER')[0]
  for (const { message, protocol, connection } of invites) {
    assert.is(protocol, 'tcp')
    assert.is(connection, register?.connection)
    assert.is(message.requestUri, `sip:+13125550199@${DOMAIN}`)
    assert.ok(uriOf(message.header('to') ?? '').endsWith(`@${DOMAIN}`))
    assert.ok(uriOf(message.header('from') ?? '').endsWith(`@${DOMAIN}`))
  }
  assert.is(proxy.withCredentials('INVITE').length, 1)
  assert.equal(proxy.complaints, [])
  call.send('BYE')
  await call.final('BYE')
  await atProxy.heard('BYE')
})

Imported('the password is in no log line', () => {
  assert.not(edge.output.includes(PASSWORD))
})

Imported.run()
