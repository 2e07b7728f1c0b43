import { createRequire } from 'node:module'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LibraryAgent, LibraryMessageFields, LibraryMessageMaker } from '../../src/edge/drachtio-library.js'
import { frameOf, linkedMessages, linkLibrary, ReadFields } from '../../src/edge/drachtio-link.js'
import type { LinkedSocket } from '../../src/edge/linked-socket.js'
import { ReceivedNotice, SentNotice } from '../../src/engine/control/leader.js'
import { readAppText } from '../../src/engine/dialog/app-text.js'
import { defaultLimits } from '../../src/engine/message/limits.js'
import { SipRequest, SipResponse } from '../../src/engine/message/message.js'
import { parseDatagram } from '../../src/engine/message/parse.js'
import type { SipCommand } from '../../src/engine/index.js'
import { DrachtioParser } from '../../src/edge/drachtio-parser.js'

const Link = suite('Messages that drachtio-srf and the engine in its process tell each other in their parts')

const require = createRequire(import.meta.url)
const { getHeaderName } = require('drachtio-srf/lib/sip-parser/parser') as { getHeaderName(name: string): string }
const Message = linkedMessages(require('drachtio-srf/lib/sip-parser/message') as LibraryMessageMaker)
const parser = new DrachtioParser(getHeaderName)

const ORIGIN = { source: 'network', protocol: 'udp', address: '192.0.2.9', port: 5062 } as const
const NOW = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6))
const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

const REQUEST = [
  'INVITE sip:zo%C3%AB@192.0.2.1 SIP/2.0',
  'v: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK1',
  'Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK2',
  'f: "Zoë" <sip:zoe@192.0.2.9>;tag=1',
  'To: <sip:bob@192.0.2.1>',
  'i: one@192.0.2.9',
  'CSeq: 1 INVITE',
  'Max-Forwards: 70',
  'X-Own: à',
  'P-Charging-Vector: icid-value=1',
  'Subject:',
  'c: text/plain',
]

function received(lines: readonly string[], body: string): SipRequest | SipResponse {
  const { length } = Buffer.from(body)
  const text = [...lines, `l: ${length}`, '', body].join('\r\n')
  const parsed = parseDatagram(Buffer.from(text), defaultLimits)
  if (parsed === undefined || !parsed.ok) throw new Error(`not read: ${JSON.stringify(parsed)}`)
  return parsed.message
}

/** What the library would read of the message as text. */
function asText(message: SipRequest | SipResponse): Record<string, unknown> {
  const frame = new ReceivedNotice(message, ORIGIN, 't', 'd', NOW, undefined).text()
  const text = Buffer.from(frame.slice(frame.indexOf('\r\n') + 2), 'latin1').toString('utf8')
  return { ...parser.parse(text) }
}

const present = (fields: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

Link('are read as their text is', () => {
  const messages = [
    received(REQUEST, 'grüße'),
    received(REQUEST, ''),
    received(['SIP/2.0 180 Läutet', ...REQUEST.slice(1)], ''),
    new SipResponse(200),
    new SipRequest('BYE', 'sip:a@192.0.2.1'),
  ]
  for (const message of messages) {
    const read = new ReadFields(new ReceivedNotice(message, ORIGIN, 't', 'd', NOW, undefined), parser.nameOf)
    assert.equal(present(read), present(asText(message)))
  }
})

Link('come with the fields of the first line that the library reads', () => {
  const on = { address: '2001:db8::1', port: 5060 }
  const message = received(REQUEST, '')
  const cases = [
    new ReceivedNotice(message, ORIGIN, 'txn', 'a|b', NOW, undefined),
    new ReceivedNotice(message, ORIGIN, 'txn', '', NOW, on),
    new ReceivedNotice(message, ORIGIN, undefined, 'dialog', NOW, undefined),
    new SentNotice('7', message, ORIGIN, 'txn', 'dialog', NOW),
    new SentNotice('7', new SipResponse(200), ORIGIN, 'txn', 'a|b', NOW),
  ]
  for (const notice of cases) {
    const text = notice.text()
    const written = text.slice(0, text.indexOf('\r\n')).split('|')
    const fields = notice.fields()
    const ofBytes = written[1] === 'sip' ? 3 : 5
    written[0] = written[ofBytes] = ''
    assert.equal(fields, written)
  }
})

/** A library's client that is linked, and what it commands. */
function linked(): {
  agent: LibraryAgent
  socket: LinkedSocket
  commands: (string | SipCommand)[]
  pending: Set<string>
} {
  const commands: (string | SipCommand)[] = []
  const pending = new Set<string>()
  const socket = { command: (frame: string | SipCommand) => commands.push(frame) } as unknown as LinkedSocket
  const write = function (this: LibraryAgent, first: unknown, message: unknown): unknown {
    return this.wp!.send(socket, `${String(first)}\r\n${String(message)}`)
  }
  const agent = {
    wp: { send: () => 'unlinked' },
    mapServer: new Map([[socket, { pendingRequests: pending }]]),
    sendMessage: write,
    _makeRequest: write,
  } as unknown as LibraryAgent
  linkLibrary(agent, socket)
  return { agent, socket, commands, pending }
}

const fieldsOf = (fields: object): LibraryMessageFields => Object.assign(new Message(), fields)

const COMMANDED: readonly (readonly [what: string, message: LibraryMessageFields])[] = [
  [
    'a request',
    fieldsOf({
      method: 'INVITE',
      uri: 'sip:bob@192.0.2.9',
      headers: {
        from: '"Zoë" <sip:zoe@x>',
        'call-id': ' 1@x ',
        'content-length': 12,
        Via: 'no',
        route: '<sip:r;lr>',
        'X-Own': 'Grüße',
        'X Odd': 'dropped',
        expires: 60,
      },
      body: 'v=0\r\n\r\nä',
    }),
  ],
  ['a response', fieldsOf({ status: 183, reason: 'Läutet', headers: { to: '<sip:a@b>;tag=1', rseq: '1' } })],
]

Link('are written as their text is', () => {
  for (const [what, message] of COMMANDED) {
    const { agent, commands } = linked()
    assert.is(agent.sendMessage('sip|txn|dialog', message), '1', what)
    const [command] = commands as SipCommand[]
    const written = readAppText(bytes(Message.prototype.toString.call(message)))
    assert.equal(command!.text.headers, written.headers, what)
    assert.equal([command!.text.routes, command!.text.body], [written.routes, written.body], what)
    const { status, reason, method, uri } = command!
    const startLine = status === undefined ? `${method} ${uri} SIP/2.0` : `SIP/2.0 ${status} ${reason}`
    assert.is(startLine, written.startLine, what)
    assert.equal([command!.txnId, command!.dialogId, command!.proxy], ['txn', 'dialog', ''])
  }
})

Link('go as text where they are more than text to the library, and outside what it writes for the engine', () => {
  const { agent, commands } = linked()
  const parsed = fieldsOf({ method: 'BYE', uri: { scheme: 'sip', host: 'x' }, headers: {} })
  agent._makeRequest('sip||d', parsed)
  assert.match(String(commands.pop()), /^1\|sip\|\|d\r\nBYE sip:x SIP\/2\.0\r\n/)
  assert.match(String(COMMANDED[1]![1]), /^SIP\/2\.0 183 Läutet\r\nto: /)
  agent.wp!.send({} as LinkedSocket, 'route|INVITE')
  assert.is(commands.pop(), '2|route|INVITE')
})

Link('never carry a line of their own in a value', () => {
  const { agent, commands } = linked()
  const headers = { Subject: 'a\r\nX-Evil: 1', 'X-Nul': 'a\0b', 'X-Cr': 'a\rb', 'X-Fine': 'a' }
  agent.sendMessage('sip|t|', fieldsOf({ status: 200, reason: 'OK', headers }))
  assert.equal(
    (commands[0] as SipCommand).text.headers.map(({ name }) => name),
    ['x-fine'],
  )
})

Link('are not told of as sent where the library does not wait for it', () => {
  const { agent, socket, pending } = linked()
  const sent = new SentNotice('7', new SipResponse(200), ORIGIN, 't', 'd', NOW)
  assert.is(frameOf(sent, agent, socket, parser.nameOf), undefined)
  pending.add('7')
  assert.ok(frameOf(sent, agent, socket, parser.nameOf))
})

Link.run()
