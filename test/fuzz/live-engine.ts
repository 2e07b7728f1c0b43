/**
 * An engine in a process of its own, with an application that answers what it gets in one way or another, for floods. Tells its
 * parent where it listens; to the message `gauges` it answers with what it holds, its memory and the errors it has reported.
 */
import { connectApp, SECRET, type SrfMessage, type SrfReply } from '../support/srf-app.js'
import { createEngine } from '../../src/engine/index.js'
import { freePort } from '../support/free-port.js'

export interface LiveAddress {
  readonly sipPort: number
  readonly controlPort: number
}

export interface LiveState {
  readonly held: Readonly<Record<string, number>>
  readonly residentMb: number
  readonly errors: readonly string[]
}

const ADDRESS = '127.0.0.1'
const SDP = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const T1_MS = 20
const errors: string[] = []

const sipPort = await freePort(ADDRESS)
const engine = createEngine({
  contacts: [`sip:${ADDRESS}:${sipPort};transport=udp,tcp`],
  control: { host: ADDRESS, port: 0, secret: SECRET },
  timers: { t1Ms: T1_MS, t2Ms: 8 * T1_MS, t4Ms: 10 * T1_MS },
  appAnswerTimeoutMs: 2_000,
  transport: { idleTimeoutMs: 5_000, readDeadlineMs: 1_000, connectTimeoutMs: 1_000 },
  onError: (error) => errors.push((error as Error).stack ?? String(error)),
})
const { control } = await engine.start()
const app = await connectApp(control, SECRET)

let answered = 0
app.invite((req: SrfMessage, res: SrfReply) => {
  answered++
  if (answered % 7 === 0) return
  if (answered % 3 === 0) return res.send(486)
  app.createUAS(req, res, { localSdp: SDP }).then(
    (dialog) => void setTimeout(() => dialog.destroy().catch(() => undefined), 200),
    () => undefined,
  )
})
app.options((_req: SrfMessage, res: SrfReply) => res.send(200))
app.message((_req: SrfMessage, res: SrfReply) => res.send(200))
// What the library throws at odd messages harms the application, not the engine.
process.on('uncaughtException', (error: Error) => {
  if (!/drachtio-srf/.test(error.stack ?? '')) errors.push(error.stack ?? error.message)
})

process.on('message', (asked: unknown) => {
  if (asked === 'stop') process.exit(0)
  const { dialogs, transactions, timers, connections } = engine.gauges()
  const residentMb = process.memoryUsage().rss / 1e6
  process.send?.({ held: { dialogs, transactions, timers, connections }, residentMb, errors } satisfies LiveState)
})
process.send?.({ sipPort, controlPort: control.port } satisfies LiveAddress)
