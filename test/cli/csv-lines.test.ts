import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { delimiterOf, formatCell, MAX_LINE_BYTES, readCells, readLines, type Line } from '../../src/cli/csv-lines.js'
import { trunkTls } from '../../src/model/trunk-tls.js'
import { importColumns, readHeader, readRow } from '../../src/cli/import-columns.js'
import { numberImport } from '../../src/api/import-number.js'

const Csv = suite('Rows of a CSV file')

async function linesOf(...chunks: (string | Buffer)[]): Promise<Line[]> {
  const lines: Line[] = []
  const buffers = chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
  for await (const line of readLines(Readable.from(buffers))) lines.push(line)
  return lines
}

Csv('lines end in LF or CRLF, the last in nothing; a byte order mark is not part of the first', async () => {
  assert.equal(await linesOf('\ufeffa,b\r\nc\n\nd'), [
    { number: 1, text: 'a,b' },
    { number: 2, text: 'c' },
    { number: 3, text: '' },
    { number: 4, text: 'd' },
  ])
  assert.equal(await linesOf(), [])
})

Csv('lines are the same however the bytes come', async () => {
  const text = Buffer.from('phone_number,label\r\n+14155550100,"Zürich, 1"\n+14155550101,\u{1f4de}\n')
  const whole = await linesOf(text)
  for (const size of [1, 2, 3, 7]) {
    const chunks: Buffer[] = []
    for (let at = 0; at < text.length; at += size) chunks.push(text.subarray(at, at + size))
    assert.equal(await linesOf(...chunks), whole, `chunks of ${size}`)
  }
})

Csv('a line that is too long, or no UTF-8, is refused by its number and harms no other', async () => {
  const lines = await linesOf('a\n', 'x'.repeat(MAX_LINE_BYTES), 'y\n', 'b\n', Buffer.from([0xff, 0xfe, 0x0a]), 'c\n')
  assert.equal(
    lines.map((line) => ('text' in line ? line.text : line.problem)),
    ['a', `the line is longer than ${MAX_LINE_BYTES} bytes`, 'b', 'the line is not UTF-8', 'c'],
  )
  assert.equal(
    lines.map(({ number }) => number),
    [1, 2, 3, 4, 5],
  )
})

Csv(
  'cells may be quoted, hold delimiters and doubled quotation marks; a stray one is a problem that quotes nothing',
  () => {
    assert.equal(readCells('a,"b,c","d""e",', ','), ['a', 'b,c', 'd"e', ''])
    assert.equal(readCells('a;b', ';'), ['a', 'b'])
    for (const bad of ['+1,"hush-hush', '+1,hush"hush', '+1,"hush"hush', '"']) {
      const cells = readCells(bad, ',')
      assert.ok('problem' in cells, bad)
      assert.not.match(cells.problem, 'hush')
    }
    assert.equal(readCells('a\rb,c', ','), ['a\rb', 'c'], 'refused by the API, not cut')
    assert.is(delimiterOf('a;b'), ';')
    assert.is(delimiterOf('a\tb'), '\t')
    assert.is(delimiterOf('a,b;c'), ',')
    for (const text of ['a', 'a,b', 'a"b', ' a ', 'a\nb'])
      if (!text.includes('\n')) assert.equal(readCells(formatCell(text), ','), [text])
  },
)

Csv('there is a column for every field of an import', () => {
  const fields = Object.keys(numberImport.shape).flatMap((name) => {
    if (name === 'register') return ['register.enabled', 'register.expires']
    if (name === 'ping') return ['ping.enabled', 'ping.interval_s']
    if (name === 'tls') return Object.keys(trunkTls.shape).map((field) => `tls.${field}`)
    if (name === 'inbound_auth') return ['username', 'password', 'realm'].map((field) => `inbound_auth.${field}`)
    return name === 'headers' ? [] : [name]
  })
  assert.equal(Object.keys(importColumns).sort(), fields.sort())
})

Csv(
  'a row is the request it stands for: groups, lists in one cell or several, headers; empty cells say nothing',
  () => {
    const header = readHeader(
      'phone_number,register.enabled,register.expires,allowed_addresses,allowed_addresses,headers.X-A,channel_limit,label'.split(
        ',',
      ),
    )
    const cells = ['+1', 'yes', '120', '192.0.2.1; 192.0.2.2', '192.0.2.3', 'b', '4', '']
    assert.equal(readRow(header, cells, { sip_domain: 'p.example.com', register: { enabled: false }, label: 'all' }), {
      body: {
        sip_domain: 'p.example.com',
        label: 'all',
        phone_number: '+1',
        register: { enabled: true, expires: 120 },
        allowed_addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
        headers: { 'X-A': 'b' },
        channel_limit: 4,
      },
    })
    assert.equal(readRow(header, ['+1'], {}), { body: { phone_number: '+1' } })
    assert.equal(readRow(['phone_number', 'password'], [' +1 ', ' p w '], {}), {
      body: { phone_number: '+1', password: ' p w ' },
    })
    assert.match(JSON.stringify(readRow(header, ['+1', 'perhaps'], {})), 'register.enabled: is neither true nor false')
    assert.match(JSON.stringify(readRow(header, ['+1', '', 'soon'], {})), 'register.expires: is not a number')
    assert.match(JSON.stringify(readRow(['phone_number'], ['+1', 'x'], {})), 'the row has 2 cells')
  },
)

Csv('a first row that does not name fields is refused without repeating it: it may be a row with a password', () => {
  for (const row of [
    ['+14155550100', 'hush-hush'],
    ['phone_number', 'hush-hush'],
    ['phone_number', '__proto__'],
    ['phone_number', 'username', 'username'],
    ['phone_number', 'headers.a b'],
    [],
  ]) {
    try {
      readHeader(row)
      assert.unreachable(row.join())
    } catch (error) {
      assert.not.match((error as Error).message, 'hush-hush')
      assert.is((error as { exitCode?: number }).exitCode, 2, (error as Error).message)
    }
  }
})

Csv.run()
