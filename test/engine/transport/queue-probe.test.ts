import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { QueueProbe } from '../../../src/engine/transport/queue-probe.js'

const Probe = suite('The wait in the queue of a socket')

const MESSAGE = Buffer.from('OPTIONS sip:edge@127.0.0.1 SIP/2.0\r\n\r\n')

/** A probe, the queue of its socket, and the time. */
class Bench {
  nowMs = 1_000
  readonly queue: Buffer[] = []
  readonly probe = new QueueProbe()

  measure(): number {
    return this.probe.measure(this.nowMs, (bytes) => this.queue.push(Buffer.from(bytes)))
  }

  /** A message arrives and is read. */
  arrive(): void {
    assert.is(this.take(MESSAGE), false)
  }

  /** The next datagram in the queue is read. */
  read(): boolean {
    const bytes = this.queue.shift()
    if (bytes === undefined) throw new Error('the queue is empty')
    return this.take(bytes)
  }

  take(bytes: Buffer): boolean {
    return this.probe.take(bytes, () => this.nowMs)
  }
}

Probe('is 0, and nothing is sent, while nothing arrives', () => {
  const bench = new Bench()
  for (let n = 0; n < 3; n++) {
    assert.is(bench.measure(), 0)
    bench.nowMs += 100
  }
  assert.is(bench.queue.length, 0)
})

Probe('is how long the last probe waited behind messages, once', () => {
  const bench = new Bench()
  bench.arrive()
  assert.is(bench.measure(), 0)
  assert.is(bench.queue.length, 1)
  bench.nowMs += 40
  assert.is(bench.read(), true)
  bench.nowMs += 60
  assert.is(bench.measure(), 40)
  bench.nowMs += 100
  assert.is(bench.measure(), 0)
})

Probe('a probe that comes back is no arrival: another is not sent for it', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  bench.read()
  bench.measure()
  assert.is(bench.queue.length, 0)
  bench.arrive()
  bench.measure()
  assert.is(bench.queue.length, 1)
})

Probe('grows while a probe has not come back, and counts from the oldest of them', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  for (const waitedMs of [100, 200, 300]) {
    bench.nowMs += 100
    bench.arrive()
    assert.is(bench.measure(), waitedMs)
  }
  assert.is(bench.queue.length, 4)
  bench.read()
  assert.is(bench.measure(), 200, 'the second one was sent 100 ms later')
})

Probe('a probe that comes back takes those before it along: the system dropped them', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  bench.nowMs += 100
  bench.arrive()
  bench.measure()
  bench.queue.shift()
  bench.nowMs += 10
  assert.is(bench.read(), true)
  assert.is(bench.measure(), 10)
  assert.is(bench.measure(), 0)
})

Probe('a probe that has been away for 5 s is given up', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  bench.nowMs += 4_999
  assert.is(bench.measure(), 4_999)
  bench.nowMs += 1
  assert.is(bench.measure(), 0)
})

Probe('is never less than 0, should the clock differ', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  bench.nowMs -= 5
  bench.read()
  assert.is(bench.measure(), 0)
})

Probe('nobody else can send a probe: it must hold what this socket alone knows', () => {
  const bench = new Bench()
  bench.arrive()
  bench.measure()
  const [own] = bench.queue
  const other = new Bench()
  other.arrive()
  other.measure()
  const changed = (at: number): Buffer => {
    const bytes = Buffer.from(own!)
    bytes[at]! ^= 1
    return bytes
  }
  bench.nowMs += 50
  for (const forged of [other.queue[0]!, changed(0), changed(1), changed(16), own!.subarray(0, -1), Buffer.alloc(0)])
    assert.is(bench.take(forged), false)
  assert.is(bench.measure(), 50, 'its own has not come back')
  assert.is(bench.take(own!), true)
})

Probe.run()
