import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { eventually, wait } from '../support/eventually.js'
import type { Dice } from '../support/mutations.js'
import { halfRequest, someNoise } from '../support/noise.js'
import { type Address, openUdp, optionsPing, pingOver, type SipPeer } from '../support/sip-peer.js'
import { SECRET } from '../support/srf-app.js'
import { keepCrasher, seedsOf } from './corpus.js'
import type { LiveAddress, LiveState } from './live-engine.js'
import { mutant } from './mutate.js'
import { type Defect, type Part, type Result, type Run, whyOf } from './part.js'

const PING_EVERY = 400
const MOST_PING_MS = 500
/** What a flood may leave of memory: caches are filled, and the heap is as large as it was once. */
const MOST_GROWTH_MB = 120
/** A stream whose peer has ended its side is kept for 32 s while answers on it are owed. */
const SETTLE_MS = 45_000
const STREAMS = 40
const ADDRESS = '127.0.0.1'
const FLOODER = '127.0.0.9'

/** An engine in a process of its own. */
class LiveEngine {
  private constructor(
    private readonly child: ChildProcess,
    readonly address: LiveAddress,
  ) {}

  static async start(): Promise<LiveEngine> {
    const file = fileURLToPath(new URL('./live-engine.js', import.meta.url))
    const child = fork(file, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--enable-source-maps'] })
    const [address] = (await once(child, 'message')) as [LiveAddress]
    return new LiveEngine(child, address)
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  async state(): Promise<LiveState> {
    this.child.send('gauges')
    const [state] = (await once(this.child, 'message', { signal: AbortSignal.timeout(5_000) })) as [LiveState]
    return state
  }

  stop(): void {
    if (this.alive) this.child.send('stop')
  }
}

/** A flood at one engine: datagrams, streams that end anywhere, and an application that sends nonsense. */
class Flood {
  sent = 0
  slowestMs = 0
  private readonly seeds = seedsOf('sip').map(({ bytes }) => bytes)
  private readonly commands = seedsOf('control').map(({ bytes }) => bytes)
  private readonly streams: Socket[] = []
  /** The last that was sent, for whoever wants to know what broke it. */
  readonly last: Buffer[] = []

  constructor(
    private readonly target: Address,
    private readonly control: number,
    private readonly peer: SipPeer,
    private readonly dice: Dice,
  ) {}

  /** A hundred or so of everything. */
  async round(): Promise<void> {
    for (let i = 0; i < 80; i++) this.datagram()
    if (this.streams.length < STREAMS) this.open(this.target.port, '')
    for (const socket of this.streams) if (this.dice.roll(6) === 0) this.stream(socket)
    if (this.dice.roll(20) === 0) this.application()
    if (this.dice.roll(10) === 0) this.streams.splice(0, 1)[0]?.resetAndDestroy()
    await wait(2)
    if (this.sent % PING_EVERY < 90) await this.ping()
  }

  end(): void {
    for (const socket of this.streams.splice(0)) socket.resetAndDestroy()
  }

  /** Of several pings the quickest counts: one may be slow, or lost, for another reason than the flood. */
  async ping(): Promise<void> {
    let bestMs = Infinity
    for (let tries = 4; tries > 0 && bestMs > MOST_PING_MS; tries--) bestMs = Math.min(bestMs, await this.once())
    this.slowestMs = Math.max(this.slowestMs, bestMs)
  }

  private async once(): Promise<number> {
    const pinger = await openUdp(FLOODER, this.target)
    return pingOver(pinger, this.target, 'udp', 2_000)
      .catch(() => 2_000)
      .finally(() => pinger.close())
  }

  private some(): Buffer {
    const { dice, seeds } = this
    switch (dice.roll(6)) {
      case 0:
        return someNoise(dice)
      case 1:
        return dice.pick(seeds)
      case 2:
        return Buffer.from(optionsPing(this.peer.local, this.target, 'udp').text)
      default:
        return mutant(dice.pick(seeds), dice.pick(seeds), dice)
    }
  }

  private note(bytes: Buffer): Buffer {
    this.sent++
    this.last.push(bytes)
    if (this.last.length > 200) this.last.shift()
    return bytes
  }

  private datagram(): void {
    this.peer.send(this.note(this.some()).subarray(0, 60_000))
  }

  private open(port: number, hello: string): Socket {
    const socket = connect({ host: ADDRESS, port, localAddress: FLOODER })
    socket.on('error', () => undefined)
    socket.on('data', () => undefined)
    socket.on('close', () => {
      const at = this.streams.indexOf(socket)
      if (at >= 0) this.streams.splice(at, 1)
    })
    if (hello !== '') socket.write(hello)
    if (port === this.target.port) this.streams.push(socket)
    return socket
  }

  /** A message, a part of one, a byte, several at once, or what is no SIP. */
  private stream(socket: Socket): void {
    const bytes = this.note(this.some())
    switch (this.dice.roll(5)) {
      case 0:
        return void socket.write(bytes.subarray(0, this.dice.roll(bytes.length + 1)))
      case 1:
        return void socket.write(bytes.subarray(0, 1))
      case 2:
        return void socket.write(halfRequest)
      default:
        socket.write(Buffer.concat([bytes, this.dice.pick(this.seeds)]))
    }
  }

  /** An application with the right secret that writes what no application should. */
  private application(): void {
    const hello = `x|authenticate|${SECRET}|`
    const socket = this.open(this.control, `${hello.length}#${hello}`)
    for (let i = 0; i < 5; i++) {
      const bytes = mutant(this.dice.pick(this.commands), this.dice.pick(this.commands), this.dice)
      // What is still framed is read as a command.
      const payload = bytes.toString('latin1').replace(/^\d*#/, '')
      const framed = this.dice.roll(4) > 0 && payload.length > 0
      socket.write(framed ? Buffer.from(`${payload.length}#${payload}`, 'latin1') : bytes)
      this.sent++
    }
    setTimeout(() => socket.destroy(), 100)
  }
}

/** A running engine on loopback under floods: it stays alive, answers in time, and holds nothing afterwards. */
export const live: Part = {
  name: 'live',
  unit: 'messages',
  share: 0.15,
  async run({ dice, over, progress }: Run): Promise<Result> {
    const engine = await LiveEngine.start()
    const target = { address: ADDRESS, port: engine.address.sipPort }
    const peer = await openUdp(FLOODER, target)
    const flood = new Flood(target, engine.address.controlPort, peer, dice)
    const before = await engine.state()
    const defects: Defect[] = []
    try {
      while (!over() && engine.alive) {
        await flood.round()
        progress(flood.sent)
      }
      flood.end()
      defects.push(...(await faultsOf(engine, before, flood)))
    } catch (error) {
      defects.push({ what: 'live', why: engine.alive ? whyOf(error) : 'the engine is dead' })
    } finally {
      flood.end()
      peer.close()
      engine.stop()
    }
    const kept = defects.length === 0 ? undefined : keepCrasher('live', Buffer.concat(flood.last))
    const withFile = kept === undefined ? defects : defects.map((defect) => ({ ...defect, file: kept }))
    return { count: flood.sent, facts: { slowest_ping_ms: Math.round(flood.slowestMs) }, defects: withFile }
  },
}

async function faultsOf(engine: LiveEngine, before: LiveState, flood: Flood): Promise<Defect[]> {
  await flood.ping()
  const empty = async (): Promise<boolean> => Object.values((await engine.state()).held).every((count) => count === 0)
  await eventually('the engine holds nothing', empty, SETTLE_MS).catch(() => undefined)
  const { held, residentMb, errors } = await engine.state()
  const defects: Defect[] = []
  const say = (why: string): void => void defects.push({ what: 'live', why })
  if (flood.slowestMs > MOST_PING_MS) say(`an OPTIONS took ${flood.slowestMs.toFixed(0)} ms`)
  if (Object.values(held).some((count) => count > 0)) say(`left behind: ${JSON.stringify(held)}`)
  const grown = residentMb - before.residentMb
  if (grown > MOST_GROWTH_MB) say(`grown by ${grown.toFixed(0)} MB`)
  for (const error of errors.slice(0, 5)) say(`error in the engine: ${error.slice(0, 600)}`)
  return defects
}
