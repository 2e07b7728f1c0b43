import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { requestsTo, responsesTo, sentBy } from '../support/call.js'
import { Child } from '../support/children.js'
import { AGENT, CALLER, commandEnvironment, commandFile, EDGE } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { freePort, isTaken } from '../support/free-port.js'
import { openUdp } from '../support/sip-peer.js'
import { runSipp, Sipp } from '../support/sipp.js'

// The usage examples of drachtio-srf, out of the installed package itself, against `signalbox engine`. Hosts, ports and the SDP
// they leave open are filled in, and what makes them fail with any server is put right; nothing else is changed.
const Examples = suite('drachtio-srf’s own usage examples')

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const library = join(root, 'node_modules', 'drachtio-srf')
const SECRET = 'cymru'
const SDP = [
  'v=0',
  `o=- 1 1 IN IP4 ${EDGE}`,
  's=-',
  `c=IN IP4 ${EDGE}`,
  't=0 0',
  'm=audio 40000 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  '',
].join('\r\n')

const folder = mkdtempSync(join(tmpdir(), 'signalbox-examples-'))
let sipPort = 0
let controlPort = 0
let engine: Child
const programs: Child[] = []

Examples.before(async () => {
  sipPort = await freePort(EDGE)
  controlPort = await freePort(EDGE)
  const flags = [
    '--contact',
    `sip:${EDGE}:${sipPort};transport=udp,tcp`,
    '--port',
    String(controlPort),
    '--secret',
    SECRET,
  ]
  engine = new Child(process.execPath, [commandFile, 'engine', ...flags], { env: commandEnvironment({}), cwd: folder })
  await eventually('the engine listens', async () => {
    if (engine.exit !== undefined) throw new Error(`the engine ended: ${engine.output}`)
    return isTaken(EDGE, controlPort, 'tcp')
  })
})

// An application that outlives its test would take the calls of the next.
Examples.after.each(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop()))
})

Examples.after(async () => {
  await engine.stop('SIGINT')
  rmSync(folder, { recursive: true, force: true })
})

/** The example in README.md under a heading. */
function fromReadme(heading: string): string {
  const readme = readFileSync(join(library, 'README.md'), 'utf8')
  const at = readme.indexOf(`*${heading}*`)
  const code = /```js\n([\s\S]*?)```/.exec(readme.slice(at))?.[1]
  if (at < 0 || code === undefined) throw new Error(`README.md has no example "${heading}"`)
  return code
}

/** The first example with a caption in the documentation of a method. */
function fromDocumentation(method: string, caption: string): string {
  const source = readFileSync(join(library, 'lib', 'srf.js'), 'utf8')
  const comment =
    source
      .slice(0, source.indexOf(`\n  ${method}(`))
      .split('/**')
      .at(-1) ?? ''
  const at = comment.indexOf(`@example <caption>${caption}</caption>`)
  if (at < 0) throw new Error(`${method} has no example "${caption}"`)
  const [, ...lines] = comment.slice(at).split('\n')
  const end = lines.findIndex((line) => /^\s*\*(\/|\s*@)/.test(line))
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
}

/** Slips of the documentation of 5.0.29, wrong whatever the server: names and an order of arguments that the library does not have, and text left over. */
const slips: readonly (readonly [RegExp, string])[] = [
  [/createUas\(/g, 'createUAS('],
  [/createUac\(/g, 'createUAC('],
  [/createB2BUA\(('[^']*'), req, res, /g, 'createB2BUA(req, res, $1, '],
  // Declared twice.
  [
    /(const Srf = require\('drachtio-srf'\);\s*const srf = new Srf\(\);[^]*)const Srf = require\('drachtio-srf'\);\s*const srf = new Srf\(\);/,
    '$1',
  ],
  // Closed once more than opened.
  [/(\n {2}\}\);)\n\}\);\s*$/, '$1\n'],
]

/** Fills in what an example leaves to its reader. */
function filledIn(example: string, callee: number): string {
  const filled = example
    .replaceAll('192.168.32.5', EDGE)
    .replace(/port: 9022/g, `port: ${controlPort}`)
    .replaceAll('sip:1234@10.10.100.1', `sip:1234@${AGENT}:${callee}`)
    .replaceAll('sip:tighthead.drachtio.org', `sip:${AGENT}:${callee}`)
    .replaceAll('const mySdp;', `const mySdp = ${JSON.stringify(SDP)};`)
  return slips.reduce((text, [slip, right]) => text.replace(slip, right), filled)
}

const CONNECTED = 'the example is connected'

const announce = `\nsrf.on('connect', () => console.log('${CONNECTED}'));\n`
const connect = (): string => `\nsrf.connect({host: '${EDGE}', port: ${controlPort}, secret: '${SECRET}'});${announce}`

/** Runs an example as the program it is. */
function run(name: string, code: string): Child {
  const file = join(folder, `${name}.cjs`)
  writeFileSync(file, code)
  const env = { ...process.env, NODE_PATH: join(root, 'node_modules') }
  const program = new Child(process.execPath, [file], { env, cwd: folder })
  programs.push(program)
  return program
}

/** The example takes INVITEs from now on. */
async function connected(program: Child): Promise<void> {
  await eventually('the example is connected', () => {
    if (program.exit !== undefined) throw new Error(`the example ended: ${program.output}`)
    return program.output.includes(CONNECTED)
  })
  // What it takes is told right behind the log-in.
  await wait(100)
}

const target = (): { address: string; port: number } => ({ address: EDGE, port: sipPort })

Examples('UAS: answers a call and sees the caller hang up', async () => {
  const example = filledIn(fromDocumentation('createUAS', 'returning a Promise'), 0)
  const program = run('uas', example + connect())
  for (const protocol of ['udp', 'tcp'] as const) {
    await connected(program)
    const caller = await runSipp({
      scenario: 'uac-basic',
      address: CALLER,
      protocol,
      target: target(),
      service: '1234',
      holdMs: 200,
    })
    assert.is(caller.exitCode, 0, caller.errors)
    assert.is(responsesTo(caller, 'INVITE').at(-1)?.body, SDP)
  }
  await eventually('the example says so', () => (program.output.match(/caller hung up/g)?.length ?? 0) === 2)
  assert.match(program.output, /dialog established, remote uri is sip:\+13125550199@127\.0\.0\.2/)
  assert.not.match(program.output, /Error/)
})

Examples('UAC: places a call and sees the called party hang up', async () => {
  for (const protocol of ['udp', 'tcp'] as const) {
    const agent = await Sipp.start({ scenario: 'uas-bye', address: AGENT, protocol, holdMs: 200 })
    const transport = protocol === 'tcp' ? ';transport=tcp' : ''
    const example = filledIn(fromDocumentation('createUAC', 'returning a Promise'), agent.port).replaceAll(
      `${AGENT}:${agent.port}`,
      `${AGENT}:${agent.port}${transport}`,
    )
    // The call itself has to wait for the connection.
    const [declared = '', call = ''] = example.split(/(?<=new Srf\(\);)/)
    const program = run(`uac-${protocol}`, `${declared}${connect()}srf.on('connect', () => {${call}});\n`)
    const seen = await agent.finished
    assert.is(seen.exitCode, 0, seen.errors + program.output)
    assert.is(requestsTo(seen, 'INVITE')[0]?.body, SDP)
    await eventually('the example says so', () => program.output.includes('called party hung up'))
    assert.match(program.output, /dialog established, call-id is \S+/)
  }
})

Examples('UAC: is told with which status a call is refused', async () => {
  const agent = await Sipp.start({ scenario: 'uas-busy', address: AGENT })
  const example = filledIn(fromDocumentation('createUAC', 'returning a Promise'), agent.port)
  const [declared = '', call = ''] = example.split(/(?<=new Srf\(\);)/)
  const program = run('uac-refused', `${declared}${connect()}srf.on('connect', () => {${call}});\n`)
  assert.is((await agent.finished).exitCode, 0)
  await eventually('the example says so', () => program.output.includes('INVITE rejected with status: 486'))
})

Examples('B2BUA: connects two parties, and hangs up the other when one does', async () => {
  const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, calls: 2 })
  const program = run('b2bua', filledIn(fromReadme('Example Back-to-back user agent'), uas.port) + announce)
  await connected(program)
  for (const protocol of ['udp', 'tcp'] as const) {
    const caller = await runSipp({
      scenario: 'uac-basic',
      address: CALLER,
      protocol,
      target: target(),
      service: '1234',
      holdMs: 200,
    })
    assert.is(caller.exitCode, 0, caller.errors)
    assert.ok(responsesTo(caller, 'INVITE').some(({ status }) => status === 200))
  }
  const agent = await uas.finished
  assert.is(agent.exitCode, 0, agent.errors)
  assert.is(requestsTo(agent, 'BYE').length, 2)
  assert.is(sentBy(agent, 'SIP/2.0 180').length, 2)
  await eventually('the example says so', () => (program.output.match(/call connected/g)?.length ?? 0) === 2)
})

Examples('B2BUA: passes a refusal on', async () => {
  const uas = await Sipp.start({ scenario: 'uas-busy', address: AGENT })
  const program = run('b2bua-busy', filledIn(fromReadme('Example Back-to-back user agent'), uas.port) + announce)
  await connected(program)
  const caller = await runSipp({ scenario: 'uac-busy', address: CALLER, target: target(), service: '1234' })
  assert.is(caller.exitCode, 0, caller.errors)
  assert.is((await uas.finished).exitCode, 0)
  await eventually('the example says so', () => program.output.includes('call failed to connect'))
})

Examples('OPTIONS ping: is sent and its answer reported', async () => {
  const peer = await openUdp(AGENT, target())
  const program = run('options', filledIn(fromReadme('Example sending a request (OPTIONS ping)'), peer.local.port))
  await eventually('the example is connected', () => program.output.includes(`${EDGE}:${sipPort}`))
  const ping = await eventually(
    'the ping',
    () => peer.messages.find(({ method, status }) => method === 'OPTIONS' && status === 0),
    15_000,
  )
  assert.is(ping.header('subject'), 'OPTIONS Ping')
  const copied = ['via', 'from', 'to', 'call-id', 'cseq'].map((name) => `${name}: ${ping.header(name) ?? ''}`)
  peer.send(['SIP/2.0 200 OK', ...copied, 'content-length: 0', '', ''].join('\r\n'))
  await eventually('the example says so', () => program.output.includes('Response to OPTIONS ping: 200'))
  peer.close()
})

Examples('with no application an INVITE gets 503', async () => {
  const caller = await runSipp({ scenario: 'uac-unavailable', address: CALLER, target: target(), service: '1234' })
  assert.is(caller.exitCode, 0, caller.errors)
})

Examples.run()
