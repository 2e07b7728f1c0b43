import { copyFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ControlError, type EngineOptions } from '../../src/engine/index.js'
import { TestAuthority } from '../support/certificates.js'
import { eventually } from '../support/eventually.js'
import {
  closeApp,
  connectApp,
  SECRET,
  type SrfApp,
  type SrfMessage,
  type Station,
  startStation,
} from '../support/srf-app.js'

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

ControlSide(
  '[10.2/7] applications connect over TLS beside others; a new certificate is shown from the reload on',
  async () => {
    const authority = TestAuthority.create()
    try {
      const old = authority.issue(['DNS:first.example'])
      const tls = { certificate: { file: old.certificateFile }, key: { file: old.keyFile } }
      const callee = await station({ tls, control: { host: '127.0.0.1', port: 0, tlsPort: 0, secret: SECRET } })
      const caller = await station()
      const port = callee.control.tlsPort ?? 0
      const shown = (): Promise<string | undefined> =>
        new Promise((resolve, reject) => {
          const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
            resolve(socket.getPeerCertificate().subjectaltname)
            socket.destroy()
          })
          socket.on('error', reject)
        })
      const secure = await connectApp({ host: '127.0.0.1', port }, SECRET, { tls: { rejectUnauthorized: false } })
      try {
        const [overTls, overTcp] = [answering(secure), answering(callee.app)]
        await eventually('both are known', async () => {
          await call(caller.app, callee.uri('a'))
          return overTls.length > 0 && overTcp.length > 0
        })
        assert.is(await shown(), 'DNS:first.example')
        const renewed = authority.issue(['DNS:second.example'])
        copyFileSync(renewed.certificateFile, old.certificateFile)
        copyFileSync(renewed.keyFile, old.keyFile)
        assert.is((await callee.engine.reloadTls())?.names, 'DNS:second.example')
        assert.is(await shown(), 'DNS:second.example')
        overTls.length = 0
        for (let i = 0; i < 2; i++) assert.is(await call(caller.app, callee.uri('a')), 200)
        assert.is(overTls.length, 1, 'its connection is still there')
      } finally {
        closeApp(secure)
      }
    } finally {
      authority.close()
    }
  },
)

ControlSide('a control port over TLS needs a certificate, and what speaks no TLS is cut off there', async () => {
  const failed = await station({ control: { host: '127.0.0.1', port: 0, tlsPort: 0, secret: SECRET } }).then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(failed instanceof ControlError && failed.code === 'BAD_TLS')
  const authority = TestAuthority.create()
  try {
    const { certificate, key } = authority.issue(['DNS:first.example'])
    const callee = await station({
      tls: { certificate: { pem: certificate }, key: { pem: key } },
      control: { host: '127.0.0.1', port: 0, tlsPort: 0, secret: SECRET },
    })
    const socket = connect({ host: '127.0.0.1', port: callee.control.tlsPort ?? 0 })
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    socket.write(`22#a|authenticate|${SECRET}|`)
    await eventually('it is cut off', () => socket.closed)
    assert.not.match(heard, /OK/)
  } finally {
    authority.close()
  }
})

ControlSide.run()
