import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.js'
import { type Asked, type FarParty, openFarParty } from '../support/far-party.js'
import type { SipText } from '../support/sip-text.js'
import { type SrfDialog, type SrfMessage, type Station, startStation } from '../support/srf-app.js'

const Uac = suite('The unmodified drachtio-srf as caller')

const OFFER = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const ANSWER = OFFER.replace('o=a', 'o=b').replace('4000', '5000')
const AUTH = { username: 'ann', password: 'secret' }
const CHALLENGE = 'Digest realm="far.example", nonce="abc", qop="auth", algorithm=MD5'

let station: Station
let far: FarParty

Uac.before(async () => {
  station = await startStation()
})

Uac.after.each(() => far.close())

Uac.after(() => station.stop())

/** A far end that answers as `play` says, everything else with 200. */
async function played(play: (asked: Asked) => boolean): Promise<void> {
  far = await openFarParty((asked) => {
    const { message, reply } = asked
    if (play(asked) || message.method === 'ACK') return
    reply('200 OK', message.method === 'INVITE' ? { body: ANSWER } : {})
  })
}

const sent = (method: string): SipText[] => far.received.filter((m) => m.status === 0 && m.method === method)
const cseqs = (method: string): number[] => sent(method).map((m) => Number.parseInt(m.header('cseq') ?? '', 10))
/** Waits for so many ACKs: they leave after the application has gone on. */
const acknowledged = (count: number): Promise<unknown> => eventually(`${count} ACKs`, () => sent('ACK').length >= count)
const statusOf = (error: unknown): number => (error as { status: number }).status
const call = (options: object = {}, progress: object = {}): Promise<SrfDialog> =>
  station.app.createUAC(far.uri, { localSdp: OFFER, ...options }, progress)

Uac('[10.4/12] answers RSeq with PRACK, though it did not ask for 100rel', async () => {
  const provisional: number[] = []
  let invite: Asked | undefined
  await played((asked) => {
    const { message, reply } = asked
    if (message.method === 'INVITE') {
      invite = asked
      reply('180 Ringing', { headers: ['Require: 100rel', 'RSeq: 17'] })
      return true
    }
    if (message.method === 'PRACK') {
      reply('200 OK')
      invite?.reply('200 OK', { body: ANSWER })
      return true
    }
    return false
  })
  const dialog = await call({}, { cbProvisional: (res: SrfMessage) => provisional.push(res.status) })
  const [prack] = sent('PRACK')
  assert.equal(provisional, [180])
  assert.is(prack?.header('rack'), `17 ${cseqs('INVITE')[0]} INVITE`)
  assert.is(prack?.requestUri, far.uri)
  assert.equal(cseqs('PRACK'), [cseqs('INVITE')[0]! + 1])
  await acknowledged(1)
  assert.equal(cseqs('ACK'), cseqs('INVITE'), 'the ACK has the number of the INVITE')
  await dialog.destroy()
})

Uac('[10.4/13] follows 3xx: the same URI, with the Contact as next hop', async () => {
  const first = await openFarParty(({ message, reply }) => {
    if (message.method === 'INVITE') reply('302 Moved Temporarily', { contact: far.uri })
  })
  await played(() => false)
  const uri = first.uri.replace('far@', 'carol@')
  const dialog = await station.app.createUAC(uri, { localSdp: OFFER, followRedirects: true, keepUriOnRedirect: true })
  assert.is(sent('INVITE')[0]?.requestUri, uri)
  await acknowledged(1)
  assert.is(sent('ACK')[0]?.requestUri, far.uri, 'in the dialog the Contact counts')
  await dialog.destroy()
  first.close()
})

Uac('[10.4/15] three re-INVITEs one after another: CSeq rises, each is acknowledged', async () => {
  await played(() => false)
  const dialog = await call()
  await Promise.all([1, 2, 3].map((n) => dialog.modify(OFFER.replace('4000', String(4000 + 2 * n)))))
  const [first = 0] = cseqs('INVITE')
  assert.equal(cseqs('INVITE'), [first, first + 1, first + 2, first + 3])
  await acknowledged(4)
  assert.equal(cseqs('ACK'), cseqs('INVITE'))
  await dialog.destroy()
})

Uac('[10.4/16] 407 to a re-INVITE: ACK, then the retry with credentials in the dialog', async () => {
  await played(({ message, count, reply }) => {
    if (message.method !== 'INVITE' || count !== 2) return false
    reply('407 Proxy Authentication Required', { headers: [`Proxy-Authenticate: ${CHALLENGE}`] })
    return true
  })
  const dialog = await call({ auth: AUTH })
  assert.is(await dialog.modify(OFFER), ANSWER)
  const [, refused, again] = sent('INVITE')
  assert.match(again?.header('proxy-authorization') ?? '', /username="ann"/)
  assert.is(again?.header('to'), refused?.header('to'))
  const numbers = cseqs('INVITE')
  assert.is(numbers[2], numbers[1]! + 1)
  await acknowledged(3)
  assert.equal(cseqs('ACK'), numbers)
  await dialog.destroy()
})

Uac('[10.4/18] a 407 without a challenge is reported as it is', async () => {
  await played(({ message, reply }) => {
    if (message.method !== 'INVITE') return false
    reply('407 Proxy Authentication Required')
    return true
  })
  const error = await call({ auth: AUTH }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error)
  await acknowledged(1)
  assert.equal([sent('INVITE').length, sent('ACK').length], [1, 1])
})

for (const [status, header] of [
  ['401 Unauthorized', 'WWW-Authenticate'],
  ['407 Proxy Authentication Required', 'Proxy-Authenticate'],
] as const)
  Uac(`[10.4/19] a dialog outlives a ${status.slice(0, 3)} to its BYE`, async () => {
    await played(({ message, count, reply }) => {
      if (message.method !== 'BYE' || count > 1) return false
      reply(status, { headers: [`${header}: ${CHALLENGE}`] })
      return true
    })
    const dialog = await call({ auth: AUTH })
    await dialog.destroy({ auth: AUTH })
    await far.heard(
      'the second BYE',
      (m) =>
        m.method === 'BYE' &&
        m.header(header === 'WWW-Authenticate' ? 'authorization' : 'proxy-authorization') !== undefined,
    )
    assert.is(cseqs('BYE')[1], cseqs('BYE')[0]! + 1)
  })

for (const realm of ['far.example', ''])
  Uac(`[10.4/20] REGISTER with credentials, Contact @localhost${realm === '' ? ', empty realm' : ''}`, async () => {
    await played(({ message, count, reply }) => {
      if (message.method !== 'REGISTER' || count > 1) return false
      reply('401 Unauthorized', { headers: [`WWW-Authenticate: ${CHALLENGE.replace('far.example', realm)}`] })
      return true
    })
    const status = await new Promise<number>((resolve, reject) =>
      station.app.request(
        far.uri,
        { method: 'REGISTER', headers: { Contact: 'sip:ann@localhost', Expires: '60' }, auth: AUTH } as object,
        (error, req) => {
          if (error || req === undefined) return reject(error ?? new Error('not sent'))
          req.on('response', ((res: SrfMessage) => resolve(res.status)) as never)
        },
      ),
    )
    assert.is(status, 200)
    const [first, second] = sent('REGISTER')
    for (const register of [first, second])
      assert.match(register?.header('contact') ?? '', new RegExp(`^<sip:ann@127.0.0.1:${station.port}>`))
    assert.is(second?.callId, first?.callId)
    assert.is(second?.header('from'), first?.header('from'))
    assert.equal(cseqs('REGISTER')[1], cseqs('REGISTER')[0]! + 1)
    assert.ok(second?.header('authorization')?.includes(`realm="${realm}"`))
  })

Uac('[10.4/21] a CANCEL carries Reason; its 487 is reported', async () => {
  let invite: Asked | undefined
  await played((asked) => {
    if (asked.message.method === 'INVITE') {
      invite = asked
      asked.reply('180 Ringing')
      return true
    }
    if (asked.message.method === 'CANCEL') {
      asked.reply('200 OK')
      invite?.reply('487 Request Terminated')
      return true
    }
    return false
  })
  let sentInvite: SrfMessage | undefined
  const failed = call(
    {},
    {
      cbRequest: (_error: unknown, req: SrfMessage) => (sentInvite = req),
      cbProvisional: () => sentInvite?.cancel({ headers: { Reason: 'SIP;cause=200;text="Call completed elsewhere"' } }),
    },
  ).catch(statusOf)
  assert.is(await failed, 487)
  assert.is(sent('CANCEL')[0]?.header('reason'), 'SIP;cause=200;text="Call completed elsewhere"')
  assert.equal(cseqs('CANCEL'), cseqs('INVITE'))
})

Uac(
  '[10.1/12] a 200 that crosses its CANCEL: ACK and BYE to the callee, and its dialog ends with the reason',
  async () => {
    let invite: Asked | undefined
    await played((asked) => {
      if (asked.message.method === 'INVITE') {
        invite = asked
        asked.reply('180 Ringing')
        return true
      }
      if (asked.message.method === 'CANCEL') {
        invite?.reply('200 OK', { body: ANSWER })
        asked.reply('200 OK')
        return true
      }
      return false
    })
    let sentInvite: SrfMessage | undefined
    const dialog = await call(
      {},
      {
        cbRequest: (_error: unknown, req: SrfMessage) => (sentInvite = req),
        cbProvisional: () => sentInvite?.cancel(),
      },
    )
    const reason = await new Promise((resolve) =>
      dialog.on('destroy', ((_bye: SrfMessage, why: string) => resolve(why)) as never),
    )
    assert.is(reason, 'ACK-BYE due to cancel race condition')
    assert.equal([sent('ACK').length, sent('BYE').length], [1, 1])
  },
)

Uac('[10.4/22] UPDATE right after the ACK gets the local SDP in its 200', async () => {
  await played(({ message }) => {
    if (message.method === 'ACK') far.request(sent('INVITE')[0]!, 'UPDATE', 1, { body: ANSWER })
    return false
  })
  const dialog = await call()
  const ok = await far.heard('the answer to UPDATE', ({ status, method }) => status >= 200 && method === 'UPDATE')
  assert.equal([ok.status, ok.body], [200, OFFER])
  await dialog.destroy()
})

Uac(
  'a session timer that the callee asks to be refreshed is refreshed, and its application hears nothing of it',
  async () => {
    await station.stop()
    station = await startStation({ sessionTimers: { minSeS: 1 } })
    await played(({ message, reply }) => {
      if (message.method !== 'INVITE') return false
      reply('200 OK', { body: ANSWER, headers: ['Session-Expires: 1;refresher=uac', 'Require: timer'] })
      return true
    })
    const dialog = await call({ headers: { Supported: 'timer', 'Session-Expires': '1' } })
    let told = 0
    for (const event of ['modify', 'refresh', 'update', 'destroy']) dialog.on(event, (() => (told += 1)) as never)
    await eventually('two refreshes', () => sent('INVITE').length === 3 && sent('ACK').length === 3)
    assert.is(sent('INVITE')[2]?.body, OFFER)
    assert.is(told, 0)
    await dialog.destroy()
  },
)

Uac.run()
