import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatTarget, nameTarget } from '../../src/trunks/target.js'
import { readRetryAfter, TargetHealth } from '../../src/trunks/target-health.js'
import { ManualClock } from '../support/manual-clock.js'
import { brief, targetOf } from '../support/trunk-bench.js'

const one = targetOf('udp 192.0.2.1:5060')
const two = targetOf('udp 192.0.2.2:5060')
const three = targetOf('tcp 192.0.2.2:5060')
const all = [one, two, three]

function startHealth(maxRemembered?: number) {
  const clock = new ManualClock()
  const health = new TargetHealth({ clock, avoidMs: 30_000, ...(maxRemembered === undefined ? {} : { maxRemembered }) })
  const order = (trunkId = 'a'): string[] => health.order(trunkId, all).map(brief)
  return { clock, health, order }
}

const response = (status: number, headers: Record<string, string> = {}, sent = true) => ({
  status,
  sent,
  header: (name: string) => headers[name.toLowerCase()],
})

const straight = all.map(brief)
const oneLast = [two, three, one].map(brief)

const Health = suite('TargetHealth')

Health('tries a server that failed last for a while, then where it stood', () => {
  const { clock, health, order } = startHealth()
  health.failed(one)
  assert.equal(order(), oneLast)
  clock.advance(29_999)
  assert.equal(order(), oneLast)
  clock.advance(1)
  assert.equal(order(), straight)
})

Health('knows a server by address, port and transport', () => {
  const { health, order } = startHealth()
  health.failed(two)
  assert.equal(order(), [one, three, two].map(brief))
})

Health('leaves no server out, though all have failed: then the order is that of RFC 3263', () => {
  const { health, order } = startHealth()
  for (const target of [three, one, two]) health.failed(target)
  assert.equal(order(), straight)
})

Health('an answer ends it before its time, but not what Retry-After asked for', () => {
  const { clock, health, order } = startHealth()
  health.failed(one)
  health.answered(one)
  assert.equal(order(), straight)
  health.note(one, response(503, { 'retry-after': '120' }))
  health.note(one, response(200))
  assert.equal(order(), oneLast)
  clock.advance(119_999)
  assert.equal(order(), oneLast)
  clock.advance(1)
  assert.equal(order(), straight)
})

Health('honours Retry-After up to 3,600 s, and a later failure does not shorten it', () => {
  const { clock, health, order } = startHealth()
  health.note(one, response(503, { 'retry-after': '999999' }))
  health.failed(one)
  clock.advance(3_599_999)
  assert.equal(order(), oneLast)
  clock.advance(1)
  assert.equal(order(), straight)
})

Health('reads silence, transport errors and 503 out of final responses, and nothing into others', () => {
  for (const [status, sent, failed] of [
    [408, true, true],
    [503, true, true],
    [503, false, true],
    [200, true, false],
    [401, true, false],
    [404, true, false],
    [500, true, false],
    [603, true, false],
  ] as const) {
    const { health, order } = startHealth()
    health.note(one, response(status, {}, sent))
    assert.equal(order(), failed ? oneLast : straight, `${status} ${sent}`)
  }
})

Health('a Retry-After of our own 503 for a request that was not sent says nothing of the server', () => {
  const { clock, health, order } = startHealth()
  health.note(one, response(503, { 'retry-after': '600' }, false))
  clock.advance(30_000)
  assert.equal(order(), straight)
})

Health('a server that is down for one trunk is tried last by that trunk alone', () => {
  const { health, order } = startHealth()
  health.setDown('a', one, true)
  assert.equal(order('a'), oneLast)
  assert.equal(order('b'), straight)
  health.setDown('b', one, true)
  assert.is(health.downCount, 2)
  health.setDown('a', one, false)
  health.setDown('a', one, false)
  assert.is(health.downCount, 1)
  assert.equal(order('a'), straight)
  health.forget('b')
  assert.is(health.downCount, 0)
})

Health('tells what it knows: up, down, avoided and until when', () => {
  const { clock, health } = startHealth()
  assert.equal(health.stateOf('a', one), { state: 'up' })
  clock.advance(1_000)
  health.failed(one)
  clock.advance(1_000)
  const avoidedUntil = new Date('2026-01-01T00:00:31Z')
  assert.equal(health.stateOf('a', one), { state: 'avoided', avoidedUntil })
  health.setDown('a', one, true)
  assert.equal(health.stateOf('a', one), { state: 'down', avoidedUntil })
  clock.advance(30_000)
  assert.equal(health.stateOf('a', one), { state: 'down' })
})

Health('remembers so many failures and no more: the oldest goes first', () => {
  const { health } = startHealth(3)
  const servers = [1, 2, 3, 4].map((n) => targetOf(`udp 192.0.2.${n}:5060`))
  for (const server of servers) health.failed(server)
  assert.equal(
    servers.map((server) => health.stateOf('a', server).state),
    ['up', 'avoided', 'avoided', 'avoided'],
  )
})

Health('remembers no failure when it is told to avoid nothing', () => {
  const health = new TargetHealth({ clock: new ManualClock(), avoidMs: 0 })
  health.failed(one)
  assert.equal(health.order('a', all), all)
})

Health('reads Retry-After with a comment or a duration behind it, and no other text', () => {
  assert.is(readRetryAfter('18000;duration=3600'), 18_000)
  assert.is(readRetryAfter(' 120 (I am in a meeting)'), 120)
  for (const text of [undefined, '', 'soon', '-5', '99999999999', `${' '.repeat(70)}5`])
    assert.is(readRetryAfter(text), undefined)
})

Health.run()

const Form = suite('Target')

Form('leaves out UDP that nobody named, so that a large request may go over TCP (RFC 3261 18.1.1)', () => {
  assert.is(formatTarget(targetOf('udp? 192.0.2.1:5060')), 'sip:192.0.2.1:5060')
  assert.is(formatTarget(targetOf('udp 192.0.2.1:5060')), 'sip:192.0.2.1:5060;transport=udp')
  assert.is(formatTarget(targetOf('tcp? 192.0.2.1:5060')), 'sip:192.0.2.1:5060;transport=tcp')
  assert.is(formatTarget(targetOf('udp? 2001:db8::1:5060')), 'sip:[2001:db8::1]:5060')
  assert.is(nameTarget(targetOf('udp? 2001:db8::1:5060')), 'sip:[2001:db8::1]:5060;transport=udp')
})

Form.run()
