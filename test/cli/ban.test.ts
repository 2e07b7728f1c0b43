import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startCliEdge, type CliEdge } from '../support/cli-run.js'

const Ban = suite('signalbox ban')
let edge: CliEdge

Ban.before.each(async () => {
  edge = await startCliEdge()
})
Ban.after.each(async () => {
  await edge.close()
})

const ban = (address: string): void => {
  while (edge.services.bans.charge(address)) continue
}

Ban('list shows each ban with its reason, times and counts, the newest first, and how many there are', async () => {
  ban('198.51.100.66')
  ban('2001:db8::7')
  edge.services.bans.isBanned('198.51.100.66')
  assert.equal((await edge.run(['ban', 'list'])).out.split('\n'), [
    'ADDRESS        REASON  SINCE                     UNTIL                     OFFENCES  DROPPED',
    '2001:db8::/64  rate    2026-01-01T00:00:00.000Z  2026-01-01T00:00:10.000Z  1         0',
    '198.51.100.66  rate    2026-01-01T00:00:00.000Z  2026-01-01T00:00:10.000Z  1         1',
    '2 bans',
  ])
  const { items, next_cursor } = JSON.parse((await edge.run(['ban', 'list', '--json'])).out) as {
    items: { address: string; seconds: number }[]
    next_cursor: null
  }
  assert.equal(
    items.map(({ address, seconds }) => [address, seconds]),
    [
      ['2001:db8::/64', 10],
      ['198.51.100.66', 10],
    ],
  )
  assert.is(next_cursor, null)
})

Ban('list without any ban shows the headings', async () => {
  assert.is((await edge.run(['ban', 'list'])).out, 'ADDRESS  REASON  SINCE  UNTIL  OFFENCES  DROPPED\n0 bans')
})

Ban('lift ends the ban of an address, or of a network as the list shows it', async () => {
  ban('198.51.100.66')
  ban('2001:db8::7')
  const lifted = await edge.run(['ban', 'lift', '198.51.100.66'])
  assert.is(lifted.exitCode, 0, lifted.err)
  assert.is(lifted.out, '198.51.100.66 is not banned any more')
  const network = await edge.run(['ban', 'lift', '2001:db8::/64', '--json'])
  assert.is((JSON.parse(network.out) as { address: string }).address, '2001:db8::/64')
  assert.is(edge.services.bans.bansActive, 0)
})

Ban('lift says in one line that there is no such ban', async () => {
  const { exitCode, out, err } = await edge.run(['ban', 'lift', '198.51.100.67'])
  assert.is(exitCode, 1)
  assert.is(out, '')
  assert.is(err, 'signalbox: this edge has no ban on "198.51.100.67" (BAN_NOT_FOUND)')
})

Ban.run()
