import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { supportedIn, timerAnswer, timerOffer, withLongerTimer } from '../../src/edge/session-timers.js'
import { Message } from './scripted-server.js'

const Timers = suite('The session timers that the edge asks for (RFC 4028)')

const edge = { expiresS: 1800, minSeS: 90, refresher: 'edge' } as const
const peer = { ...edge, refresher: 'peer' } as const

Timers('leg B is offered one that we refresh, or the far end; where it may challenge us, the far end', () => {
  assert.equal(timerOffer(edge, false), { 'Session-Expires': '1800;refresher=uac' })
  assert.equal(timerOffer(peer, false), { 'Session-Expires': '1800;refresher=uas' })
  assert.equal(timerOffer(edge, true), { 'Session-Expires': '1800;refresher=uas' })
  assert.equal(timerOffer({ ...edge, minSeS: 300 }, false), {
    'Session-Expires': '1800;refresher=uac',
    'Min-SE': '300',
  })
  assert.equal(timerOffer(null, false), {})
  assert.equal(
    [supportedIn(edge, true), supportedIn(edge, false), supportedIn(null, true), supportedIn(null, false)],
    ['100rel, timer', 'timer', '100rel', undefined],
  )
})

Timers(
  'leg A gets what table 2 allows: its own interval when that is shorter, its own refresher when it names one',
  () => {
    const rows: ReadonlyArray<readonly [Record<string, string>, typeof edge | typeof peer, boolean, string, boolean]> =
      [
        [{}, peer, false, '1800;refresher=uas', false],
        [{ Supported: 'timer' }, edge, false, '1800;refresher=uas', true],
        [{ Supported: '100rel, Timer' }, peer, false, '1800;refresher=uac', true],
        [{ Supported: 'timer' }, edge, true, '1800;refresher=uac', true],
        [{ Require: 'timer', 'Session-Expires': '600' }, edge, false, '600;refresher=uas', true],
        [{ Supported: 'timer', 'Session-Expires': '7200 ; refresher=UAC' }, edge, false, '1800;refresher=uac', true],
        [{ Supported: 'timer', 'Session-Expires': '7200', 'Min-SE': '3600' }, edge, false, '3600;refresher=uas', true],
        [{ 'Session-Expires': '30;refresher=uas' }, edge, false, '90;refresher=uas', false],
        [{ 'Session-Expires': 'soon' }, edge, false, '1800;refresher=uas', false],
      ]
    for (const [asks, policy, challenges, expected, required] of rows)
      assert.equal(
        timerAnswer(policy, new Message(asks), challenges),
        required ? { 'Session-Expires': expected, Require: 'timer' } : { 'Session-Expires': expected },
        JSON.stringify(asks),
      )
    assert.equal(timerAnswer(null, new Message({ 'Session-Expires': '600' }), false), {})
  },
)

Timers('a 422 is answered with the interval it asks for, unless that is no longer, or longer than a day', () => {
  const headers = { 'Session-Expires': '1800;refresher=uac', To: 'x' }
  assert.equal(withLongerTimer(headers, new Message({ 'Min-SE': '3600' })), {
    'Session-Expires': '3600;refresher=uac',
    'Min-SE': '3600',
    To: 'x',
  })
  for (const minSe of ['1800', '90', '86401', '99999999999', 'long', ''])
    assert.is(withLongerTimer(headers, new Message({ 'Min-SE': minSe })), undefined, minSe)
  assert.is(withLongerTimer({ To: 'x' }, new Message({ 'Min-SE': '3600' })), undefined)
  assert.is(withLongerTimer(headers, new Message({})), undefined)
})

Timers.run()
