import { createRequire } from 'node:module'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DrachtioParser, quickenLibrary } from '../../src/edge/drachtio-parser.js'

interface LibraryParser {
  parseSipMessage(text: string, lazy: boolean): Record<string, unknown> | undefined
  getHeaderName(name: string): string
}

const require = createRequire(import.meta.url)
const library = require('drachtio-srf/lib/sip-parser/parser') as LibraryParser
// As the library has them, before anything takes their place.
const { parseSipMessage, getHeaderName } = library
const parser = new DrachtioParser(getHeaderName)

const FIELDS = ['method', 'uri', 'version', 'status', 'reason', 'headers', 'body'] as const

function fieldsOf(message: object | undefined): Record<string, unknown> | undefined {
  if (message === undefined) return undefined
  const fields = message as Record<string, unknown>
  return Object.fromEntries(FIELDS.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])))
}

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n'
const lines = (...all: string[]): string => all.join('\r\n')

const MESSAGES: readonly (readonly [what: string, text: string])[] = [
  [
    'a request with a body',
    lines(
      'INVITE sip:+14155550100@127.0.0.1:5060;transport=udp SIP/2.0',
      'Via: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK1',
      'From: "A, B" <sip:a@127.0.0.2>;tag=1',
      'To: <sip:+14155550100@127.0.0.1>',
      'Call-ID: 1@127.0.0.2',
      'CSeq: 1 INVITE',
      'X-Own-Header: Some Value ',
      'P-Asserted-Identity: <tel:+1>',
      'P-Charging-Vector: icid-value=1',
      'Diversion: <sip:b@c>',
      'Content-Type: application/sdp',
      `Content-Length: ${SDP.length}`,
      '',
      SDP,
    ),
  ],
  [
    'compact names, lines of one name, folds, space before a colon and none behind it',
    lines(
      'OPTIONS sip:a@b SIP/2.0',
      'v: SIP/2.0/UDP a;branch=z9hG4bK1',
      'Via: SIP/2.0/UDP b;branch=z9hG4bK2',
      'f:<sip:a@b>;tag=1',
      't : <sip:a@b>',
      'i: 1',
      'cseq: 1 OPTIONS',
      'Subject: one',
      ' two',
      '\tthree',
      'Empty:',
      'X-A: 1',
      'X-A: 2',
      'l: 0',
      '',
      '',
    ),
  ],
  ['a response', lines('SIP/2.0 180 Ringing', 'To: <sip:a@b>;tag=2', 'Content-Length: 0', '', '')],
  ['a response without a reason', lines('SIP/2.0 200 ', 'To: <sip:a@b>;tag=2', 'Content-Length: 0', '', '')],
  ['a body that is longer than it says', lines('SIP/2.0 200 OK', 'Content-Length: 3', '', 'abcdef')],
  ['a body that is shorter than it says', lines('SIP/2.0 200 OK', 'Content-Length: 30', '', 'abc')],
  ['a body with empty lines', lines('SIP/2.0 200 OK', 'Content-Length: 13', '', 'abc\r\n\r\ndef\r\n\r\n')],
  ['a body of no stated length', lines('SIP/2.0 200 OK', 'To: <sip:a@b>', '', 'abc\r\n\r\ndef')],
  ['a body in UTF-8', lines('SIP/2.0 200 OK', 'Content-Length: 8', '', 'äöü€')],
  ['a length that is no number', lines('SIP/2.0 200 OK', 'Content-Length: many', '', 'abc')],
  ['no empty line', lines('SIP/2.0 200 OK', 'To: <sip:a@b>')],
  ['a start line alone', 'BYE sip:a@b SIP/2.0'],
  ['headers called like parts of objects', lines('SIP/2.0 200 OK', '__proto__: 1', 'hasOwnProperty: 2', '', '')],
  ['a line that is no header', lines('SIP/2.0 200 OK', 'To <sip a@b>', '', '')],
  ['a name with space in it', lines('SIP/2.0 200 OK', 'My Name: 1', '', '')],
  ['no SIP', 'GET / HTTP/1.1\r\n\r\n'],
  ['nothing', ''],
]

const Parser = suite('Messages from the SIP server')

for (const [what, text] of MESSAGES)
  Parser(`are read as the library reads them: ${what}`, () => {
    assert.equal(fieldsOf(parser.parse(text)), fieldsOf(parseSipMessage(text, true)))
  })

Parser('have names of headers as the library has them, also of those met before', () => {
  for (const name of ['Via', 'v', 'CALL-ID', 'X-Own', 'x-own', 'P-Called-Party-ID', 'P-Asserted-Identity', 'Diversion'])
    for (let time = 0; time < 2; time++) assert.is(parser.nameOf(name), getHeaderName(name), name)
})

Parser('are read in time that grows no faster than they do', () => {
  const timeOf = (size: number): number => {
    const text = lines('SIP/2.0 200 OK', `X: ${' '.repeat(size)}`, `${'a'.repeat(size)}`, '', '')
    const startedMs = performance.now()
    parser.parse(text)
    return performance.now() - startedMs
  }
  timeOf(1_000)
  assert.ok(timeOf(200_000) < 100)
})

Parser('give the library itself what they gave it before', () => {
  type Message = {
    headers: Record<string, string>
    get(name: string): string | undefined
    has(name: string): boolean
    set(name: string | Record<string, string>, value?: string): Message
  }
  const SipMessage = require('drachtio-srf/lib/sip-parser/message') as new (text?: string) => Message
  const ask = (): unknown => {
    const message = new SipMessage(MESSAGES[0]![1])
    message.set('X-New', '1').set({ Supported: '100rel', k: 'timer' }).set('Call-ID', '2')
    const names = [
      'Call-ID',
      'i',
      'FROM',
      'x-own-header',
      'X-Own-Header',
      'X-OWN-HEADER',
      'diversion',
      'supported',
      'Nothing',
    ]
    return { headers: message.headers, asked: names.map((name) => [message.get(name), message.has(name)]) }
  }
  const before = ask()
  quickenLibrary()
  assert.is.not(library.parseSipMessage, parseSipMessage)
  assert.equal(ask(), before)
})

Parser.run()
