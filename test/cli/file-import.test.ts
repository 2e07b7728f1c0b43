import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreError } from '../../src/store/errors.js'
import { runCli, startCliEdge, type CliEdge } from '../support/cli-run.js'
import { freePort } from '../support/free-port.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const FileImport = suite('signalbox number import --file')
const folder = temporaryFolder()
const file = join(folder, 'numbers.csv')
let edge: CliEdge

FileImport.before.each(async () => {
  edge = await startCliEdge()
  await edge.run(['agent', 'set', 'front', 'sip:agent@127.0.0.1:5090'])
})
FileImport.after.each(async () => {
  await edge.close()
})

const write = (...lines: string[]): void => writeFileSync(file, `${lines.join('\r\n')}\r\n`)
const bulk = (...args: string[]) => edge.run(['number', 'import', '--file', file, ...args])

const HEADER = 'phone_number,sip_domain,username,password,register.enabled,allowed_addresses,inbound_agent_id'
const rowOf = (n: number, more = ''): string =>
  `+1415555${String(n).padStart(4, '0')},pbx.example.com,u,hush-hush,true,192.0.2.1;192.0.2.2,front${more}`

FileImport('imports each row, on one trunk where the fields are equal; comments and empty lines are none', async () => {
  write(
    '\ufeff# our numbers',
    HEADER,
    rowOf(100),
    '',
    '# the second',
    rowOf(101),
    `"+1415555 0102",other.example.com,,,,,`,
  )
  const { exitCode, out, err } = await bulk()
  assert.is(exitCode, 0, err + out)
  assert.is(out, '3 rows: 3 imported, 0 refused')
  assert.equal([...edge.services.numberRecords.keys()].sort(), ['+14155550100', '+14155550101', '+14155550102'])
  assert.is(edge.services.trunkRecords.size, 2)
  const trunk = [...edge.services.trunkRecords.values()].find(({ username }) => username === 'u')
  assert.equal(trunk?.allowed_addresses, ['192.0.2.1', '192.0.2.2'])
  assert.is(trunk?.register.enabled, true)
  assert.equal([...edge.services.secrets.values()], ['hush-hush'])
})

FileImport(
  'a refused row is told with its line, number, code and reason; the others go on; the exit code is 1',
  async () => {
    await edge.run(['number', 'import', '+14155550100', '--allowed-address', '192.0.2.9'])
    write(
      HEADER,
      rowOf(100),
      rowOf(101),
      rowOf(102, ',too much'),
      `+14155550103,pbx.example.com,u,"hush-hush,true,,`,
      `+1,pbx.example.com,,,,,`,
      `+14155550104,pbx.example.com,,,perhaps,,`,
      `+14155550105,pbx.example.com,,,,,nobody`,
      `(415) 555-0106,pbx.example.com,,,,,`,
      `+1 415 5550101,pbx.example.com,,,,,`,
      rowOf(107),
    )
    const report = join(folder, 'refused.csv')
    const { exitCode, out, err } = await bulk('--report', report, '--concurrency', '1')
    assert.is(exitCode, 1)
    assert.is(err, 'signalbox: 8 of 10 rows refused')
    const lines = out.split('\n')
    assert.is(lines.at(-1), '10 rows: 2 imported, 8 refused')
    for (const [line, code] of [
      [2, 'NUMBER_TAKEN'],
      [4, 'ROW_UNREADABLE'],
      [5, 'ROW_UNREADABLE'],
      [6, 'NUMBER_IMPOSSIBLE'],
      [7, 'ROW_UNREADABLE'],
      [8, 'AGENT_UNKNOWN'],
      [9, 'NUMBER_IMPOSSIBLE'],
      [10, 'DUPLICATE_IN_FILE'],
    ] as const)
      assert.ok(
        lines.some((text) => text.startsWith(`line ${line}  `) && text.includes(`  ${code}  `)),
        `${line} ${code}: ${out}`,
      )
    assert.match(out, 'line 3 has this number too')
    const rows = readFileSync(report, 'utf8').trim().split('\n')
    assert.is(rows[0], 'line,phone_number,code,reason')
    assert.is(rows.length, 9)
    assert.match(rows.join('\n'), /\n8,\+14155550105,AGENT_UNKNOWN,"?inbound_agent_id: there is no agent/)
    assert.is(statSync(report).mode & 0o777, 0o600)
    for (const text of [out, err, rows.join('\n')]) assert.not.match(text, 'hush-hush')
    assert.equal([...edge.services.numberRecords.keys()].sort(), ['+14155550100', '+14155550101', '+14155550107'])
  },
)

FileImport('a row is imported wholly or not at all', async () => {
  write(
    `${HEADER},outbound_proxy`,
    rowOf(100, ',sips:p.example.com'),
    `+14155550101,x.example.com,u,hush-hush,,,nobody,`,
  )
  assert.is((await bulk()).exitCode, 1)
  const { numberRecords, trunkRecords, secrets } = edge.services
  assert.is(numberRecords.size + trunkRecords.size + secrets.size, 0)
})

FileImport('a dry run checks each row at the edge and writes nothing', async () => {
  write(HEADER, rowOf(100), rowOf(100), `+1,x,,,,,`)
  const { exitCode, out } = await bulk('--dry-run')
  assert.is(exitCode, 1)
  assert.match(out, '3 rows: 1 would be imported, 2 refused')
  assert.match(out, 'DUPLICATE_IN_FILE')
  assert.is(edge.services.numberRecords.size + edge.services.trunkRecords.size, 0)
})

FileImport('--json prints one object a refused row, and one for the whole at the end', async () => {
  write(HEADER, rowOf(100), `+1,x,,,,,`)
  const { out } = await bulk('--json')
  const lines = out.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.is(lines[0]?.line, 3)
  assert.is(lines[0]?.code, 'NUMBER_IMPOSSIBLE')
  assert.equal(lines.at(-1), { file, dry_run: false, rows: 2, imported: 1, refused: 1, next_line: null })
})

FileImport('options hold for every row that says nothing else', async () => {
  write('phone_number;sip_domain', '+14155550100;', '+14155550101;other.example.com', '0014155550102;')
  const { exitCode, err } = await bulk('--sip-domain', 'pbx.example.com', '--agent', 'front')
  assert.is(exitCode, 0, err)
  const domains = [...edge.services.numberRecords.values()].map(
    ({ trunk_id }) => edge.services.trunkRecords.get(trunk_id)?.sip_domain,
  )
  assert.equal(domains.sort(), ['other.example.com', 'pbx.example.com', 'pbx.example.com'])
  assert.ok([...edge.services.numberRecords.values()].every((number) => number.inbound_agent_id === 'front'))
})

FileImport('a thousand rows show a bar on a terminal, and none elsewhere', async () => {
  write(HEADER, ...Array.from({ length: 1_000 }, (_, n) => rowOf(n)))
  const shown = await edge.run(['number', 'import', '--file', file, '--concurrency', '16'], { terminal: true })
  assert.is(shown.exitCode, 0, shown.err)
  assert.match(shown.shown.join('\n'), /\[=+-*\] +\d+ % \d+ rows, 0 refused/)
  assert.is(shown.out, '1000 rows: 1000 imported, 0 refused')
  assert.is(edge.services.numberRecords.size, 1_000)
  assert.is(edge.services.trunkRecords.size, 1)
})

FileImport('Ctrl-C ends it after the rows under way and tells where to go on; that completes it', async () => {
  write(HEADER, ...Array.from({ length: 200 }, (_, n) => rowOf(n)))
  const stop = new AbortController()
  const { create } = edge.services.numbers
  Object.assign(edge.services.numbers, {
    create: async (...args: Parameters<typeof create>) => {
      if (edge.services.numberRecords.size === 50) stop.abort()
      return create(...args)
    },
  })
  const first = await edge.run(['number', 'import', '--file', file, '--concurrency', '4'], { stop: stop.signal })
  assert.is(first.exitCode, 1)
  const next = /stopped: every row before line (\d+) is done; go on with --from-line \1/.exec(first.err)?.[1]
  assert.ok(next !== undefined, first.err)
  const done = edge.services.numberRecords.size
  assert.ok(done >= 50 && done < 60, String(done))
  assert.is(Number(next), done + 2)
  const second = await bulk('--from-line', next)
  assert.is(second.exitCode, 0, second.err)
  assert.is(second.out, `${200 - done} rows: ${200 - done} imported, 0 refused`)
})

FileImport('an edge that goes away ends it, and the first row without an answer is named', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  write(HEADER, rowOf(100), rowOf(101))
  const { exitCode, err } = await runCli(['number', 'import', '--file', file, '--url', url, '--token', 'x'])
  assert.is(exitCode, 1)
  assert.match(err, `no edge answers at ${url}`)
  assert.match(err, 'go on with --from-line 2')
  const wrong = await runCli(['number', 'import', '--file', file, '--url', edge.url, '--token', 'wrong'])
  assert.match(wrong.err, 'does not accept this token')
})

FileImport('a store that is away for a moment is asked again', async () => {
  write(HEADER, rowOf(100))
  edge.services.nextError = new StoreError('UNAVAILABLE', 'Redis is away')
  const { exitCode, err } = await bulk()
  assert.is(exitCode, 0, err)
})

FileImport('a file that is none, or has no header row, is named in one line with exit code 2', async () => {
  for (const [text, why] of [
    [undefined, 'cannot be read'],
    ['', 'has no rows'],
    ['# nothing\n', 'has no rows'],
    ['+14155550100,hush-hush\n', 'must name the columns'],
    ['phone_number,hush-hush\n', 'column 2 of the first row'],
  ] as const) {
    const path = join(folder, text === undefined ? 'none.csv' : 'some.csv')
    if (text !== undefined) writeFileSync(path, text)
    const { exitCode, err } = await edge.run(['number', 'import', '--file', path])
    assert.is(exitCode, 2, err)
    assert.match(err, why)
    assert.not.match(err, 'hush-hush')
    assert.is(err.split('\n').length, 1)
  }
  for (const args of [
    ['number', 'import'],
    ['number', 'import', '+14155550100', '--file', file],
    ['number', 'import', '--file', file, '--concurrency', '0'],
  ])
    assert.is((await edge.run(args)).exitCode, 2, args.join(' '))
})

FileImport.run()
