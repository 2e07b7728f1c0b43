import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../../support/eventually.js'
import type { SrfDialog, SrfMessage, SrfProxyResult, SrfReply, Station } from '../../support/srf-app.js'
import { startStation } from '../../support/srf-app.js'

const ProxyRequest = suite('proxyRequest of the unmodified drachtio-srf')

const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

let caller: Station
let middle: Station
let callee: Station
let stations: Station[]

ProxyRequest.before.each(async () => {
  stations = await Promise.all([startStation(), startStation(), startStation()])
  ;[caller, middle, callee] = stations as [Station, Station, Station]
})

ProxyRequest.after.each(async () => {
  await eventually('every dialog, transaction and timer has ended', () =>
    stations.every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  await Promise.all(stations.map((station) => station.stop()))
})

/** The callee answers every INVITE. */
function answering(station: Station): Promise<{ dialog: SrfDialog; invite: SrfMessage }> {
  return new Promise((resolve) => {
    station.app.invite((invite, res) => {
      station.app.createUAS(invite, res, { localSdp: OFFER }).then(
        (dialog) => resolve({ dialog, invite }),
        () => {},
      )
    })
  })
}

/** Stations that refuse every INVITE. */
function refusing(station: Station, status: number): void {
  station.app.invite((_req: SrfMessage, res: SrfReply) => res.send(status))
}

function proxying(destination: string | string[], options: object): Promise<SrfProxyResult> {
  return new Promise((resolve, reject) => {
    middle.app.invite((req) => {
      middle.app.proxyRequest(req, destination, options).then(resolve, reject)
    })
  })
}

const call = (transport = 'udp'): Promise<SrfDialog> =>
  caller.app.createUAC(middle.uri('bob', transport), { localSdp: OFFER })

for (const transport of ['udp', 'tcp'])
  ProxyRequest(
    `[10.1/14] [10.1/16] [10.2/11] [10.4/27] stays in the path over ${transport}: ACK and BYE pass through us`,
    async () => {
      const answered = answering(callee)
      const proxied = proxying(callee.uri('bob', transport), { recordRoute: true })
      const dialog = await call()
      const { dialog: far, invite } = await answered
      const { connected, finalStatus, responses } = await proxied
      assert.equal([connected, finalStatus, responses.length], [true, 200, 1])
      assert.equal([responses[0]!.address, responses[0]!.port], ['127.0.0.1', callee.port])
      assert.match(invite.get('record-route') ?? '', `127.0.0.1:${middle.port}`)
      assert.is((invite.get('record-route') ?? '').split(',').length, transport === 'udp' ? 1 : 2)
      const ended = new Promise((resolve) => far.once('destroy', resolve as never))
      await far.modify(OFFER.replace('4000', '4002')).catch(() => {})
      await dialog.destroy()
      await ended
      assert.is(middle.engine.gauges().dialogs, 0)
    },
  )

ProxyRequest('[10.4/27] takes a name, by callback', async () => {
  void answering(callee)
  const results = new Promise<SrfProxyResult>((resolve) => {
    middle.app.invite((req) => {
      const { app } = middle as unknown as {
        app: { proxyRequest(...args: unknown[]): void }
      }
      app.proxyRequest(req, `sip:bob@localhost:${callee.port}`, (_error: unknown, result: SrfProxyResult) =>
        resolve(result),
      )
    })
  })
  const dialog = await call()
  assert.is((await results).connected, true)
  await dialog.destroy()
})

ProxyRequest('[10.1/13] gives the caller the best failure and the application every one', async () => {
  const second = await startStation()
  stations.push(second)
  refusing(callee, 486)
  refusing(second, 500)
  const proxied = proxying([callee.uri('bob'), second.uri('bob')], {})
  const failure = await call().then(
    () => undefined,
    (error: { status: number }) => error.status,
  )
  const { connected, responses } = await proxied
  assert.is(failure, 486)
  assert.is(connected, false)
  assert.equal(
    responses.flatMap(({ msgs }) => msgs.map(({ status }) => status)),
    [486, 500],
  )
})

ProxyRequest('[10.1/18] tells the application when no destination can be sent to', async () => {
  const proxied = proxying('sip:bob@127.0.0.1:5;transport=tls', {}).then(
    () => 'proxied',
    (reason: unknown) => String(reason),
  )
  const failure = await call().then(
    () => undefined,
    (error: { status: number }) => error.status,
  )
  assert.equal([await proxied, failure], ['error proxying request to ', 500])
})

ProxyRequest('rings two at once, and who does not get the call is cancelled', async () => {
  const second = await startStation()
  stations.push(second)
  const answered = answering(second)
  const cancelled = new Promise((resolve) => {
    callee.app.invite((req, res) => {
      res.send(180)
      req.on('cancel', resolve as never)
    })
  })
  const proxied = proxying([callee.uri('bob'), second.uri('bob')], { forking: 'simultaneous' })
  const dialog = await call()
  await cancelled
  await answered
  assert.is((await proxied).connected, true)
  await dialog.destroy()
})

ProxyRequest.run()
