import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'

const Changes = suite('Commands that change things')
let edge: CliEdge

Changes.before.each(async () => {
  edge = await startCliEdge()
  await edge.run(['agent', 'set', 'front', 'sip:agent@127.0.0.1:5090'])
})
Changes.after.each(async () => {
  await edge.close()
})

const trunkId = (): string => [...edge.services.trunkRecords.keys()][0] ?? ''

async function importOne(...args: string[]) {
  const made = await edge.run(
    ['number', 'import', '+14155550100', '--sip-domain', 'pbx.example.com', '--username', 'u', ...args],
    { input: 'hush-hush\n' },
  )
  assert.is(made.exitCode, 0, made.err)
  return made
}

Changes('number import takes every field, and prints what the customer must know', async () => {
  const made = await importOne(
    ...['--outbound-proxy', 'sip:192.0.2.7:5065;transport=tcp', '--register', '--password', 'hush-1'],
    ...['--inbound-auth-username', 'carrier', '--inbound-auth-password-stdin', '--inbound-auth-realm', 'r'],
    ...['--ping', '--ping-interval', '15', '--allowed-extension', '2*', '--pass-header', 'X-Ticket'],
  )
  assert.match(made.out, /\nsend calls to +sip:127\.0\.0\.1:5060;transport=udp, /)
  assert.match(made.out, /\nallow these addresses +127\.0\.0\.1\n/)
  assert.match(made.out, /\ncalls go to +sip:192\.0\.2\.7:5065;transport=tcp\n/)
  assert.match(made.out, /\nregisters at +sip:192\.0\.2\.7:5065;transport=tcp\n/)
  assert.not.match(made.out + made.err, 'hush')
  const trunk = edge.services.trunkRecords.get(trunkId())
  assert.equal(trunk?.inbound_auth, { username: 'carrier', realm: 'r' })
  assert.equal(trunk?.ping, { enabled: true, interval_s: 15 })
  assert.equal(trunk?.allowed_extensions, ['2*'])
  assert.equal(trunk?.pass_headers, ['X-Ticket'])
  assert.equal([...edge.services.secrets.values()], ['hush-1'])
  assert.equal([...edge.services.inboundSecrets.values()], ['hush-hush'])
  const both = await edge.run(['number', 'import', '+1', '--password-stdin', '--inbound-auth-password-stdin'])
  assert.is(both.exitCode, 2)
})

Changes('number import takes a termination URI for the domain', async () => {
  const made = await edge.run(['number', 'import', '+14155550100', '--termination-uri', 'sip:pbx.example.com'])
  assert.is(made.exitCode, 0, made.err)
  assert.is(edge.services.trunkRecords.get(trunkId())?.sip_domain, 'pbx.example.com')
})

Changes('number import --dry-run writes nothing', async () => {
  const would = await importOne('--dry-run')
  assert.match(would.out, 'number +14155550100 would be imported on a new trunk')
  assert.is(edge.services.numberRecords.size + edge.services.trunkRecords.size, 0)
})

Changes('number set changes what is given and nothing else', async () => {
  await importOne('--agent', 'front', '--outbound-agent', 'front', '--label', 'Main')
  const set = (...args: string[]) => edge.run(['number', 'set', '+1 415 555 0100', ...args])
  const number = () => edge.services.numberRecords.get('+14155550100')
  assert.is((await set('--disabled')).exitCode, 0)
  assert.is(number()?.enabled, false)
  assert.is(number()?.inbound_agent_id, 'front')
  assert.is((await set('--enabled', '--no-agent', '--no-outbound-agent', '--label', 'Second')).exitCode, 0)
  assert.equal(
    [number()?.enabled, number()?.inbound_agent_id, number()?.outbound_agent_ids, number()?.label],
    [true, null, [], 'Second'],
  )
  const shown = JSON.parse((await set('--agent', 'front', '--json')).out) as { inbound_agent_id: string }
  assert.is(shown.inbound_agent_id, 'front')
  await edge.run(['agent', 'set', 'back', 'sip:back@127.0.0.1'])
  const taken = await set('--agent', 'back')
  assert.match(taken.err, '(INBOUND_AGENT_TAKEN)')
  assert.is((await set('--agent', 'back', '--replace')).exitCode, 0)
  assert.is((await set()).exitCode, 2)
  assert.is((await set('--enabled', '--disabled')).exitCode, 2)
})

Changes('trunk set changes what is given, --clear takes away, a password comes by standard input', async () => {
  await importOne('--channel-limit', '3', '--outbound-proxy', '192.0.2.7')
  const id = trunkId()
  const set = (args: string[], input = '') => edge.run(['trunk', 'set', id, ...args], { input })
  const changed = await set(['--password-stdin', '--register', '--register-expires', '120'], 'hush-2\n')
  assert.is(changed.exitCode, 0, changed.err)
  assert.match(changed.out, /\nhas_password +true\n/)
  assert.not.match(changed.out, 'hush')
  assert.is(edge.services.secrets.get(id), 'hush-2')
  assert.equal(edge.services.trunkRecords.get(id)?.register, { enabled: true, expires: 120 })
  const off = await set(['--no-register', '--clear', 'channel_limit', '--clear', 'outbound_proxy', '--label', 'PBX'])
  assert.is(off.exitCode, 0, off.err)
  const trunk = edge.services.trunkRecords.get(id)
  assert.equal(trunk?.register, { enabled: false, expires: 120 })
  assert.equal([trunk?.channel_limit, trunk?.outbound_proxy, trunk?.label], [null, null, 'PBX'])
  assert.is((await set(['--clear', 'password'])).exitCode, 0)
  assert.is(edge.services.secrets.size, 0)
  for (const args of [[], ['--clear', 'nonsense'], ['--clear', 'username', '--username', 'v']])
    assert.is((await set(args)).exitCode, 2, args.join(' '))
})

Changes('trunk rm removes a trunk that no number uses', async () => {
  await importOne('--password-stdin')
  const id = trunkId()
  const used = await edge.run(['trunk', 'rm', id])
  assert.is(used.exitCode, 1)
  assert.match(used.err, '+14155550100')
  await edge.run(['number', 'rm', '+14155550100'])
  assert.is((await edge.run(['trunk', 'rm', id])).out, `trunk ${id} removed`)
  assert.is(edge.services.secrets.size, 0)
})

Changes('agent set gives an agent credentials, keeps them while other things change, and takes them away', async () => {
  const set = (args: string[], input = '') => edge.run(['agent', 'set', 'front', ...args], { input })
  const made = await set(
    ['--auth-username', 'front', '--auth-password-stdin', '--allowed-address', '192.0.2.7'],
    'hush-hush\n',
  )
  assert.is(made.exitCode, 0, made.err)
  assert.not.match(made.out, 'hush')
  assert.is((await set(['--name', 'Front'])).exitCode, 0)
  assert.is((await set(['--auth-username', 'desk'])).exitCode, 0)
  const agent = edge.services.agentRecords.get('front')
  assert.equal([agent?.auth, agent?.name, agent?.allowed_addresses], [{ username: 'desk' }, 'Front', ['192.0.2.7']])
  assert.is(edge.services.agentSecrets.get('front'), 'hush-hush')
  await set(['--auth-password-stdin'], 'hush-2')
  assert.is(edge.services.agentSecrets.get('front'), 'hush-2')
  assert.is((await set(['--no-auth'])).exitCode, 0)
  assert.is(edge.services.agentRecords.get('front')?.auth, null)
  assert.is(edge.services.agentSecrets.size, 0)
  assert.is((await set(['--auth-password-stdin'], 'x')).exitCode, 2)
})

Changes('agent set --clear takes limits and lists away, and names what cannot be', async () => {
  const set = (...args: string[]) => edge.run(['agent', 'set', 'front', ...args])
  const limits = ['--channel-limit', '2', '--cps-limit', '1.5', '--minutes-per-day', '60', '--max-call-seconds', '90']
  await set(...limits, '--ring-timeout', '20', '--allowed-address', '192.0.2.7', '--header', 'X-A: 1')
  const cleared = ['channel_limit', 'cps_limit', 'minutes_per_day', 'max_call_seconds', 'ring_timeout_s', 'headers']
  const agent = () => edge.services.agentRecords.get('front')
  assert.equal([agent()?.channel_limit, agent()?.cps_limit, agent()?.ring_timeout_s], [2, 1.5, 20])
  const done = await set(...cleared.flatMap((field) => ['--clear', field]))
  assert.is(done.exitCode, 0, done.err)
  const { channel_limit, cps_limit, minutes_per_day, max_call_seconds, ring_timeout_s, headers } = agent()!
  assert.equal([channel_limit, cps_limit, minutes_per_day, max_call_seconds, ring_timeout_s], Array(5).fill(null))
  assert.equal([headers, agent()?.allowed_addresses], [{}, ['192.0.2.7']])
  const wrong = await set('--clear', 'sip_uri')
  assert.equal([wrong.exitCode, wrong.err.includes('--clear sip_uri: no such field')], [2, true], wrong.err)
  assert.is((await set('--clear', 'channel_limit', '--channel-limit', '3')).exitCode, 2)
})

Changes.run()
