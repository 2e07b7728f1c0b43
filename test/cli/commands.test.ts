import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { importBody } from '../../src/cli/number-import.js'
import { createProgram } from '../../src/cli/program.js'
import { refusedDecision, sampleCdr, TOKEN } from '../support/api-fakes.js'
import { runCli, startCliEdge, type CliEdge } from '../support/cli-run.js'
import { freePort } from '../support/free-port.js'

const Commands = suite('Commands')
let edge: CliEdge

Commands.before.each(async () => {
  edge = await startCliEdge()
})

Commands.after.each(async () => {
  await edge.close()
})

const io = { out: () => {}, err: () => {}, readInput: async () => '', stopSignal: () => new AbortController().signal }

/** Every command with the words that name it. */
function commandsOf(command: Command, words: string[] = []): [string[], Command][] {
  return command.commands.flatMap((inner) => {
    const path = [...words, inner.name()]
    return [[path, inner] as [string[], Command], ...commandsOf(inner, path)]
  })
}

Commands('every command has a help with an example that begins with its own name', async () => {
  const all = commandsOf(createProgram(io))
  assert.ok(all.length > 15)
  for (const [words] of all) {
    const { exitCode, out } = await runCli([...words, '--help'])
    assert.is(exitCode, 0, words.join(' '))
    assert.match(out, /Examples?:\n/)
    assert.match(out, new RegExp(`signalbox ${words.join(' ')}`), words.join(' '))
  }
})

Commands('every command that does something takes --json, every one that asks an edge --url and --token', () => {
  for (const [words, command] of commandsOf(createProgram(io))) {
    if (command.commands.length > 0) continue
    const options = command.options.map((option) => option.long)
    assert.ok(options.includes('--json'), words.join(' '))
    if (['serve', 'engine'].includes(words[0] ?? '')) continue
    assert.ok(options.includes('--url') && options.includes('--token'), words.join(' '))
  }
})

Commands('wrong usage is named in one line with exit code 2', async () => {
  for (const [args, what] of [
    [['agent', 'list', '--loud'], "unknown option '--loud'"],
    [['agent', 'show'], "missing required argument 'id'"],
    [['nothing'], "unknown command 'nothing'"],
    [['agent', 'set', 'front', '--header', 'no colon'], '"no colon" is not "Name: value"'],
    [['agent', 'set', 'front', '--ring-timeout', 'soon'], '--ring-timeout soon is not a number'],
    [['agent', 'list', '--url', 'not a url'], 'is not a URL'],
    [['number', 'import', '+14155550100', '--transport', 'ws'], 'Allowed choices are udp, tcp, tls'],
  ] as const) {
    const { exitCode, err, out } = await runCli(args)
    assert.is(exitCode, 2, args.join(' '))
    assert.match(err, `${what}`)
    assert.match(err, /^signalbox: /)
    assert.is(err.split('\n').length, 1, err)
    assert.is(out, '')
  }
})

Commands('when no edge answers, that is said in one line with exit code 1', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { exitCode, err } = await runCli(['agent', 'list', '--url', url, '--token', 'x'])
  assert.is(exitCode, 1)
  assert.is(err, `signalbox: no edge answers at ${url}: is \`npm start\` running?`)
})

Commands('a wrong token, something that is no edge, and a redirect are told apart', async () => {
  const wrong = await runCli(['agent', 'list', '--url', edge.url, '--token', 'wrong'])
  assert.is(wrong.exitCode, 1)
  assert.is(wrong.err, `signalbox: the edge at ${edge.url} does not accept this token`)
  const asked: string[] = []
  const other = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url?.includes('front') === true) response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()
    else response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>hello</h1>')
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  try {
    const strange = await runCli(['agent', 'list', '--url', url, '--token', 'x'])
    assert.is(strange.err, `signalbox: ${url} answered 404: is it an edge?`)
    const redirected = await runCli(['agent', 'show', 'front', '--url', url, '--token', 'x'])
    assert.is(redirected.exitCode, 1)
    assert.match(redirected.err, 'cannot be asked')
  } finally {
    other.closeAllConnections()
    other.close()
  }
})

Commands('agent set creates, changes what is given and keeps the rest; list, show and rm follow', async () => {
  const without = await edge.run(['agent', 'set', 'front', '--name', 'Front desk'])
  assert.is(without.exitCode, 2)
  assert.match(without.err, 'give --sip-uri')
  const made = await edge.run([
    'agent',
    'set',
    'front',
    '--name',
    'Front desk',
    '--sip-uri',
    'sip:agent@127.0.0.1:5090',
  ])
  assert.is(made.exitCode, 0, made.err)
  assert.is(made.out, 'agent front created: sip:agent@127.0.0.1:5090')
  const changed = await edge.run([
    ...['agent', 'set', 'front', '--fallback-sip-uri', 'sip:b@127.0.0.1', '--fallback-sip-uri', 'sip:c@127.0.0.1'],
    ...['--ring-timeout', '20', '--channel-limit', '3', '--header', 'X-A: b: c', '--allowed-address', '127.0.0.1/32'],
  ])
  assert.is(changed.out, 'agent front changed: sip:agent@127.0.0.1:5090')
  const kept = edge.services.agentRecords.get('front')
  assert.equal(
    {
      name: kept?.name,
      fallback_sip_uris: kept?.fallback_sip_uris,
      ring_timeout_s: kept?.ring_timeout_s,
      channel_limit: kept?.channel_limit,
      headers: kept?.headers,
      allowed_addresses: kept?.allowed_addresses,
    },
    {
      name: 'Front desk',
      fallback_sip_uris: ['sip:b@127.0.0.1', 'sip:c@127.0.0.1'],
      ring_timeout_s: 20,
      channel_limit: 3,
      headers: { 'X-A': 'b: c' },
      allowed_addresses: ['127.0.0.1/32'],
    },
  )
  assert.is((await edge.run(['agent', 'set', 'back', 'sip:back@127.0.0.1'])).exitCode, 0)
  const listed = await edge.run(['agent', 'list'])
  assert.match(listed.out, /^AGENT +NAME +SIP URI/)
  assert.match(listed.out, /\nfront +Front desk +sip:agent@127\.0\.0\.1:5090 +2 +3\n2 agents$/)
  const json = JSON.parse((await edge.run(['agent', 'list', '--json'])).out) as {
    items: { id: string }[]
    next_cursor: null
  }
  assert.equal(
    json.items.map(({ id }) => id),
    ['back', 'front'],
  )
  assert.is(json.next_cursor, null)
  assert.match((await edge.run(['agent', 'show', 'front'])).out, /\nname +Front desk\n/)
  assert.is((await edge.run(['agent', 'rm', 'front'])).out, 'agent front removed')
  const gone = await edge.run(['agent', 'rm', 'front'])
  assert.is(gone.exitCode, 1)
  assert.is(gone.err, 'signalbox: there is no agent "front" (AGENT_NOT_FOUND)')
})

Commands('lists follow the cursor and stop at --limit', async () => {
  for (let n = 1; n <= 5; n++) await edge.run(['agent', 'set', `a${n}`, `sip:a${n}@127.0.0.1`])
  const cut = await edge.run(['agent', 'list', '--limit', '3'])
  assert.match(cut.out, /\n3 agents\nThere are more: raise --limit\.$/)
  const page = JSON.parse((await edge.run(['agent', 'list', '--limit', '3', '--json'])).out) as { next_cursor: string }
  assert.type(page.next_cursor, 'string')
})

Commands('number import says every field of the import form', async () => {
  const options = {
    agent: 'front',
    outboundAgent: ['front', 'back'],
    replace: true,
    extension: true,
    disabled: true,
    label: 'Main',
    sipDomain: 'pbx.example.com',
    username: 'u',
    authUsername: 'a',
    outboundProxy: 'sip:127.0.0.1:5065;transport=tcp',
    fromUser: 'f',
    fromDomain: 'd.example.com',
    country: 'US',
    transport: 'tcp',
    callerId: 'p-asserted-identity',
    numberFormat: 'e164',
    passwordStdin: true,
    registerExpires: '300',
    allowedAddress: ['127.0.0.1/32'],
    require: ['address', 'digest'],
    trustIdentity: true,
    didFrom: ['to', 'header:X-Did'],
    channelLimit: '4',
    cpsLimit: '0.5',
    header: ['X-A: b'],
  }
  const body = await importBody('desk-1', options, { ...io, readInput: async () => 'p w\n' })
  assert.equal(body, {
    phone_number: 'desk-1',
    kind: 'extension',
    inbound_agent_id: 'front',
    outbound_agent_ids: ['front', 'back'],
    replace: true,
    enabled: false,
    label: 'Main',
    sip_domain: 'pbx.example.com',
    username: 'u',
    auth_username: 'a',
    outbound_proxy: 'sip:127.0.0.1:5065;transport=tcp',
    from_user: 'f',
    from_domain: 'd.example.com',
    country: 'US',
    transport: 'tcp',
    caller_id: 'p-asserted-identity',
    number_format: 'e164',
    password: 'p w',
    register: { enabled: true, expires: 300 },
    allowed_addresses: ['127.0.0.1/32'],
    require: ['address', 'digest'],
    trust_identity: true,
    did_from: ['to', 'header:X-Did'],
    channel_limit: 4,
    cps_limit: 0.5,
    headers: { 'X-A': 'b' },
  })
  assert.equal(await importBody('+14155550100', { trunk: 'pbx' }, io), {
    phone_number: '+14155550100',
    trunk_id: 'pbx',
  })
})

Commands('number import, list, show and rm, and the trunk it made', async () => {
  await edge.run(['agent', 'set', 'front', 'sip:agent@127.0.0.1'])
  const made = await edge.run(
    [
      ...[
        'number',
        'import',
        '+1 (415) 555-0100',
        '--agent',
        'front',
        '--sip-domain',
        'pbx.example.com',
        '--username',
        'u',
      ],
      ...['--outbound-proxy', 'sip:127.0.0.1:5065;transport=tcp', '--password-stdin', '--allowed-address', '127.0.0.1'],
    ],
    { input: 'hush-hush\n' },
  )
  assert.is(made.exitCode, 0, made.err)
  assert.match(made.out, /^number \+14155550100 imported on trunk trunk-[0-9a-f]+\n/)
  assert.match(made.out, 'sip:127.0.0.1:5060;transport=udp, sip:127.0.0.1:5060;transport=tcp')
  assert.match(made.out, 'sip:127.0.0.1:5065;transport=tcp')
  const trunk = [...edge.services.trunkRecords.keys()][0] ?? ''
  assert.is(edge.services.secrets.get(trunk), 'hush-hush')
  assert.match((await edge.run(['number', 'list'])).out, /\n\+14155550100 +- +front +0 +trunk-\w+ +yes\n1 number$/)
  assert.match((await edge.run(['number', 'list', '--agent', 'other'])).out, /\n0 numbers$/)
  const shown = await edge.run(['number', 'show', '0014155550100'])
  assert.match(shown.out, /\ntrunk\.sip_domain +pbx\.example\.com\n/)
  assert.match(
    (await edge.run(['trunk', 'list'])).out,
    /pbx\.example\.com +sip:127\.0\.0\.1:5065;transport=tcp +127\.0\.0\.1\n1 trunk$/,
  )
  const trunkShown = await edge.run(['trunk', 'show', trunk])
  assert.match(trunkShown.out, /\nhas_password +true/)
  const servers = await edge.run(['trunk', 'servers', trunk])
  assert.match(servers.out, /\nsip:192\.0\.2\.7:5060;transport=udp +up/)
  for (const { out } of [made, shown, trunkShown]) assert.not.match(out, 'hush-hush')
  const taken = await edge.run([
    'number',
    'import',
    '+14155550100',
    '--agent',
    'front',
    '--allowed-address',
    '127.0.0.1',
  ])
  assert.is(taken.exitCode, 1)
  assert.match(taken.err, '(NUMBER_TAKEN)')
  assert.is((await edge.run(['number', 'rm', '+14155550100'])).exitCode, 0)
})

Commands('a refusal of many fields names them all in one line', async () => {
  const bad = await edge.run([
    ...['agent', 'set', 'front', 'nonsense', '--name', 'a\nb', '--ring-timeout', '0', '--channel-limit', '0'],
    ...['--header', 'Via: x'],
  ])
  assert.is(bad.exitCode, 1)
  for (const field of ['sip_uri', 'name', 'ring_timeout_s', 'channel_limit', 'headers.Via'])
    assert.match(bad.err, `${field}: `)
  assert.is(bad.err.split('\n').length, 1)
  assert.match(bad.err, /\(VALIDATION_FAILED\)$/)
})

Commands('route test shows the outcome first and how it came about; a refusal is an answer', async () => {
  edge.services.decision = {
    ...refusedDecision('127.0.0.66'),
    code: 'NUMBER_NOT_ON_TRUNK',
    sip_status: 403,
    trace: {
      ...refusedDecision('127.0.0.66').trace,
      trunks_tried: [{ trunk_id: 'pbx-1', matched: false, why: 'source not in allowed_addresses' }],
      nearest_miss: '+14155550100 is on trunk pbx-1\u001b[2J',
    },
  }
  const refused = await edge.run(['route', 'test', '+14155550100', '--from', '+13125550199', '--source', '127.0.0.66'])
  assert.is(refused.exitCode, 0)
  assert.match(refused.out, /^refused: NUMBER_NOT_ON_TRUNK, SIP 403\n/)
  assert.match(refused.out, /\nnearest miss +\+14155550100 is on trunk pbx-1\?\[2J\n/)
  assert.match(refused.out, /\ntrunk pbx-1 +does not match: source not in allowed_addresses\n/)
  assert.match(refused.out, /\nread request-uri +\+14155550100 as \+14155550100, not found\n/)
  assert.is(edge.services.decided[0]?.sourceAddress, '127.0.0.66')
  edge.services.decision = {
    ...refusedDecision('::1'),
    outcome: 'agent',
    code: null,
    agent_id: 'front',
    targets: ['sip:a@b'],
  }
  assert.match((await edge.run(['route', 'test', '+14155550100'])).out, /^to agent front\n/)
  const json = JSON.parse((await edge.run(['route', 'test', '+14155550100', '--json'])).out) as { agent_id: string }
  assert.is(json.agent_id, 'front')
})

Commands('cdr list shows the records', async () => {
  edge.services.cdrRecords.set('c1', sampleCdr('c1'))
  edge.services.cdrRecords.set(
    'c2',
    sampleCdr('c2', { phone_number: 'other', result: 'agent_busy', from: 'evil\u001b]0;x\u0007' }),
  )
  const all = await edge.run(['cdr', 'list'])
  assert.match(all.out, /^ENDED +CALL +FROM +TO +AGENT +RESULT/)
  assert.match(all.out, /\n2 records$/)
  assert.not.match(all.out, /[\u001b\u0007]/)
  const one = await edge.run(['cdr', 'list', '--number', '+14155550100', '--json'])
  assert.is((JSON.parse(one.out) as { items: unknown[] }).items.length, 1)
})

Commands('the token is never printed', async () => {
  for (const args of [
    ['agent', 'list'],
    ['agent', 'show', 'none'],
    ['number', 'show', '+1'],
  ]) {
    const { out, err } = await edge.run(args)
    assert.not.match(out + err, TOKEN)
  }
})

Commands.run()
