import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linearTicks, logarithmicTicks, p99Chart } from './chart.js'
import { describeStep } from './measure.js'
import { Progress } from './progress.js'
import { fullPlan, parseOptions, quickPlan } from './options.js'
import { heldOf, stepOf, systemOf } from './samples.js'
import { markdownTable, ratesTable, systemsTable } from './table.js'

const Report = suite('Report of the benchmark')

const systems = [
  systemOf(
    'signalbox',
    [
      stepOf(100),
      stepOf(300, { p99_ms: 4 }),
      stepOf(600, { cpu_ms_per_call: 1.25 }),
      stepOf(700, { clean: false, failed: 2, repeated: 40, p99_ms: 300 }),
    ],
    { held: heldOf() },
  ),
  systemOf('kamailio', [stepOf(100), stepOf(1_000)], { knee: { clean: 1_000, troubled: null } }),
  systemOf('direct', [stepOf(300, { p99_ms: 1.5 })], { knee: { clean: null, troubled: null } }),
]

Report('the table has a row a system: knee, figures at half of it, what is added, held calls', () => {
  const [, , signalbox, kamailio, end] = systemsTable(systems).split('\n')
  const cells = (line = ''): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  assert.equal(cells(signalbox), [
    ...['signalbox', '600 clean, trouble at 700', '1.00 at 300/s', '1.00 / 4.00', '2.50', '16.8 (6000)', '1.50 / 1.50'],
  ])
  assert.equal(cells(kamailio).slice(0, 5), ['kamailio', 'over 1000', '1.00 at 100/s', '1.00 / 3.00', '-'])
  assert.is(end, undefined)
})

Report('the table of rates shows failures in place of figures, and nothing where nothing was run', () => {
  const lines = ratesTable(systems).split('\n')
  assert.is(lines.length, 2 + 5)
  assert.match(
    lines.find((line) => line.startsWith('| 700'))!,
    /\| 2 failed, 40 repeated +\| +\| +\|$/,
  )
  assert.match(
    lines.find((line) => line.startsWith('| 600'))!,
    '1.25 CPU, 1.00 / 3.00',
  )
})

Report('tables are aligned', () => {
  assert.is(markdownTable(['a', 'b'], [['1', 'longer']]), '| a   | b      |\n| --- | ------ |\n| 1   | longer |')
})

Report('a run is told in one line, with what went wrong', () => {
  assert.is(
    describeStep(stepOf(300)),
    '300 calls/s: clean, 1.00 ms CPU a call (node 0.90, redis-server 0.10), p50 1.00 ms, p99 3.00 ms',
  )
  const dropped = { system: 12, caller: 0, agent: 0 }
  const unread_kb = { system: 900, caller: 0, agent: 1 }
  const troubled = stepOf(700, { clean: false, failed: 2, repeated: 40, dropped, unread_kb, loop_delay_ms: 211 })
  assert.match(
    describeStep(troubled),
    '2 failed, 40 repeated, 12 datagrams dropped at system, 900 kB unread at system, 1 kB unread at agent, event loop late by 211 ms',
  )
  assert.match(describeStep(stepOf(900, { clean: false, reached_rate: 700 })), 'only 700 calls/s reached')
})

Report('the chart has a line a system, a cross for each rate with trouble, labels and a legend', () => {
  const svg = p99Chart(systems, 'A <machine> & "more"')
  assert.is(svg.match(/stroke-linejoin/g)?.length, 3)
  assert.is(svg.match(/l10 10m0-10l-10 10/g)?.length, 1)
  assert.match(svg, 'A &lt;machine&gt; &amp; &quot;more&quot;')
  for (const text of [
    'calls a second',
    'milliseconds',
    'Signalbox, the whole edge',
    'Kamailio',
    'SIPp direct',
    'cross:',
  ])
    assert.match(svg, text)
  assert.not.match(svg, /NaN|Infinity|undefined/)
  assert.is(svg.match(/<(?!\/|\?)[^>]*[^/]>/g)!.length, svg.match(/<\//g)!.length, 'every element is closed')
})

Report('higher delays stand higher in the chart, faster rates further right, and nothing leaves the plot', () => {
  const steps = [1, 10, 100, 1_000].map((p99_ms, i) => stepOf((i + 1) * 200, { p99_ms }))
  const svg = p99Chart([systemOf('signalbox', steps)], '')
  const points = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3.5"/g)].slice(0, 4)
  const [xs, ys] = [points.map(([, x]) => Number(x)), points.map(([, , y]) => Number(y))]
  assert.equal(
    xs,
    [...xs].sort((a, b) => a - b),
  )
  assert.equal(
    ys,
    [...ys].sort((a, b) => b - a),
  )
  assert.ok(Math.min(...ys) >= 72 && Math.max(...ys) <= 364 && Math.max(...xs) <= 736, `${xs} ${ys}`)
})

Report('a chart of nothing is a chart all the same', () => {
  assert.not.match(p99Chart([], ''), /NaN|Infinity/)
  const unanswered = systemOf('signalbox', [stepOf(100, { p99_ms: Number.NaN, clean: false })])
  assert.not.match(p99Chart([unanswered], ''), /NaN|Infinity/)
})

Report('ticks are round and cover what is shown', () => {
  assert.equal(logarithmicTicks(1.4, 300), [1, 2, 5, 10, 20, 50, 100, 200, 500])
  assert.equal(logarithmicTicks(0.3, 4), [0.2, 0.5, 1, 2, 5])
  assert.equal(linearTicks(700), [0, 100, 200, 300, 400, 500, 600, 700])
  assert.equal(linearTicks(1_500).at(-1), 1_600)
})

Report('the command line is read, and what it cannot mean is refused', () => {
  const read = (...args: string[]) => parseOptions(args, 'out', true)
  assert.equal(read().plan, fullPlan)
  assert.equal(read().systems, ['signalbox', 'kamailio', 'drachtio', 'direct'])
  assert.is(read().soak, undefined)
  const given = read('--quick', '--systems', 'direct,signalbox', '--rates', '200,50', '--held', '0', '--json')
  assert.equal(given.systems, ['signalbox', 'direct'])
  assert.equal(given.plan, { ...quickPlan, rates: [50, 200], resolution: 0, halfS: 0, held: 0 })
  assert.equal([given.json, given.out], [true, 'out'])
  assert.equal(read('--soak', '--rate', '300').soak, { minutes: 10, rate: 300 })
  for (const args of [
    ['--rates', '0'],
    ['--rates', '100,x'],
    ['--rates', ''],
    ['--systems', 'asterisk'],
    ['--held', '-1'],
    ['--minutes', '0'],
    ['more'],
    ['--unknown'],
  ])
    assert.throws(() => read(...args), /./, args.join(' '))
})

Report('progress goes by the time each part should take, never back, never to the end too early', () => {
  let now = 0
  const shown: string[] = []
  const lines: string[] = []
  const io = {
    out: () => {},
    err: (line: string) => void lines.push(line),
    status: (line: string) => void shown.push(line),
    readInput: () => Promise.resolve(''),
    stopSignal: () => new AbortController().signal,
  }
  const parts = [
    { name: 'a', seconds: 30 },
    { name: 'b', seconds: 70 },
  ]
  const progress = new Progress(io, parts, () => now)
  assert.is(progress.share, 0)
  progress.begin('a')
  now = 15_000
  assert.is(progress.share, 0.15)
  progress.tell('half of a')
  now = 500_000
  assert.ok(progress.share < 0.3)
  progress.begin('b')
  assert.is(progress.share, 0.3)
  now = 535_000
  assert.is(progress.share, 0.65)
  progress.line('a line')
  assert.match(shown[0]!, /15 % +0:15 {2}half of a/)
  assert.equal([shown.at(-1), lines], ['', ['a line']])
})

Report.run()
