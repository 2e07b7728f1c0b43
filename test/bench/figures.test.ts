import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clockTime, figure, percentile } from './figures.js'
import { firstError, parseTimes } from './load.js'
import { halves } from './soak.js'
import { procAddress, udpSockets } from './udp-sockets.js'

const Figures = suite('Figures of the benchmark')

Figures('a percentile is the value that the share does not exceed, whatever the order', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  assert.is(percentile(hundred, 0.5), 50)
  assert.is(percentile(hundred, 0.99), 99)
  assert.is(percentile(hundred, 1), 100)
  assert.is(percentile([7], 0.99), 7)
  assert.is(percentile([9, 100, 10], 0.5), 10, 'numbers are not sorted as text')
  assert.ok(Number.isNaN(percentile([], 0.5)))
})

Figures('are shown with three digits at most, and as a dash when there are none', () => {
  assert.equal([0.427, 4.271, 42.71, 427.1, -3.2].map(figure), ['0.43', '4.27', '42.7', '427', '-3.20'])
  assert.equal([Number.NaN, null, undefined].map(figure), ['-', '-', '-'])
  assert.equal([0, 61.9, 3_600].map(clockTime), ['0:00', '1:01', '60:00'])
})

Figures('times of calls are read to the microsecond, over a change of the second, and half a line is left out', () => {
  const times = parseTimes(
    '1795519565.000000 709681.000000 1795519565.000000 710962.000000\n' +
      '1795519565.000000 999900.000000 1795519566.000000 100.000000\n1795519565.000000 7',
  )
  assert.equal(
    times.map(({ tookMs }) => Math.round(tookMs * 1_000)),
    [1_281, 200],
  )
  assert.is(times[1]!.startMs - times[0]!.startMs > 290, true)
})

Figures('what SIPp says first of its errors is told in one line', () => {
  const text =
    'The following events occurred:\n2026-11-24\t12:43:41.918935\t1795524221.918935: Aborting call on unexpected message ' +
    "for Call-Id '1-15857@127.0.0.2': while expecting '100' (index 2), received 'SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP x\r\n"
  assert.is(
    firstError(text),
    "Aborting call on unexpected message: while expecting '100' (index 2), received 'SIP/2.0 486 Busy Here",
  )
  assert.is(firstError(''), null)
})

Figures('datagrams dropped or unread are those of the address and port alone', () => {
  const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  415: 0100007F:13C4 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 1 2 00 17
  416: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 00 3
  417: 0300007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 00 99
`
  assert.is(procAddress('127.0.0.1', 5060), '0100007F:13C4')
  assert.equal(udpSockets(table, '127.0.0.1', 5060), { drops: 20, waiting: 2_560 })
  assert.equal(udpSockets(table, '127.0.0.1', 5061), { drops: 0, waiting: 0 })
})

Figures('a soak compares the means of its halves', () => {
  const samples = [10, 12, 20, 22].map((edge_kb, i) => ({ at_s: i * 5, edge_kb, redis_kb: 1 }))
  assert.equal(
    halves(samples, ({ edge_kb }) => edge_kb),
    { first: 11, second: 21 },
  )
})

Figures.run()
