import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineOptions } from '../../src/engine/index.js'
import { eventually } from '../support/eventually.js'
import { type SrfApp, type SrfMessage, type Station, startStation } from '../support/srf-app.js'

const ControlSide = suite('The unmodified drachtio-srf and its control connections')

const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

let stations: Station[]

ControlSide.before.each(() => void (stations = []))
ControlSide.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    stations.every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  await Promise.all(stations.map((station) => station.stop()))
})

async function station(options: Partial<EngineOptions> = {}): Promise<Station> {
  const started = await startStation({ timers: { t1Ms: 10, t2Ms: 80, t4Ms: 100 }, ...options })
  stations.push(started)
  return started
}

/** Calls and hangs up; 200, or the status of the refusal. */
async function call(from: SrfApp, uri: string): Promise<number> {
  try {
    const dialog = await from.createUAC(uri, { localSdp: OFFER })
    await dialog.destroy()
    return 200
  } catch (error) {
    return (error as { status: number }).status
  }
}

function answering(app: SrfApp): SrfMessage[] {
  const seen: SrfMessage[] = []
  app.invite((req, res) => {
    seen.push(req)
    void app.createUAS(req, res, { localSdp: OFFER })
  })
  return seen
}

/** The records an application gets. */
function recordsOf(app: SrfApp): string[] {
  const records: string[] = []
  for (const event of ['cdr:attempt', 'cdr:start', 'cdr:stop'])
    app.on(event, ((source: string, time: string, ...rest: [SrfMessage] | [string, SrfMessage]) => {
      const message = rest.at(-1) as SrfMessage & { method?: string; status?: number }
      assert.match(time, /^\d\d:\d\d:\d\d\.\d{6}$/)
      assert.ok(message.get('call-id'))
      records.push([event, source, ...rest.slice(0, -1), message.method ?? message.status].join(' '))
    }) as never)
  return records
}

ControlSide('records of calls go to applications that ask for them, each to one, in turn', async () => {
  const callee = await station({ cdrs: true })
  const caller = await station({ cdrs: true })
  const mine = recordsOf(caller.app)
  const [first, second] = [recordsOf(callee.app), recordsOf(await callee.connect())]
  answering(callee.app)
  await eventually('the routes are known', async () => (await call(caller.app, callee.uri('a'))) === 200)
  await eventually('the records are in', () => first.length + second.length >= 3 && mine.length >= 3)
  for (const records of [mine, first, second]) records.length = 0
  for (let i = 0; i < 2; i++) assert.is(await call(caller.app, callee.uri('a')), 200)
  await eventually('the records are in', () => first.length + second.length === 6 && mine.length === 6)
  const [uas, uac] = [
    ['cdr:attempt network INVITE', 'cdr:start application uas 200', 'cdr:stop network normal-release BYE'],
    ['cdr:attempt application INVITE', 'cdr:start network uac 200', 'cdr:stop application normal-release BYE'],
  ]
  assert.equal([...first].sort(), uas)
  assert.equal([...second].sort(), uas)
  assert.equal(mine, [...uac, ...uac])
})

ControlSide('records of calls are not kept unless that is asked for', async () => {
  const callee = await station()
  const caller = await station()
  const records = recordsOf(callee.app)
  answering(callee.app)
  await eventually('the route is known', async () => (await call(caller.app, callee.uri('a'))) === 200)
  assert.equal(records, [])
})

ControlSide.run()
