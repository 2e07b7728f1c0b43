import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, type Commands } from '../../../src/engine/control/control.js'
import type { Notice } from '../../../src/engine/control/leader.js'
import { AppLines } from '../../../src/engine/dialog/app-text.js'
import type { SipCommand } from '../../../src/engine/control/carrier.js'
import type { ControlLink, LocalApp } from '../../../src/engine/control/memory-carrier.js'
import { type App, refused } from '../../../src/engine/dialog/app.js'
import { SipRequest } from '../../../src/engine/message/message.js'
import { ManualClock } from '../../support/manual-clock.js'

const InMemory = suite('An application in the process of the engine')

const RESPONSE = 'SIP/2.0 200 OK\r\n\r\n'
const ORIGIN = { source: 'network', protocol: 'udp', address: '192.0.2.9', port: 5060 } as const

/** An application that writes down what it is told, and may command while it is told. */
class Local implements LocalApp {
  readonly heard: string[] = []
  ends = 0
  link!: ControlLink
  whenTold: (payload: string) => void = () => {}

  received(payload: string | Notice): void {
    const text = typeof payload === 'string' ? payload : payload.text()
    this.heard.push(text)
    this.whenTold(text)
  }

  closed(): void {
    this.ends += 1
  }
}

let control: Control
let gone: App[]
let errors: unknown[]
let app: Local

async function attached(commands: Partial<Commands> = {}, secret = 'right'): Promise<Local> {
  const no = () => refused('no')
  control = new Control({ host: '127.0.0.1', port: 0, secret: 'right', keepAliveMs: 0 }, new ManualClock(), (error) =>
    errors.push(error),
  )
  await control.start(
    {
      respond: no,
      request: no,
      requestInDialog: no,
      cancel: no,
      proxy: () => 'no',
      appGone: (left) => gone.push(left),
      ...commands,
    },
    { advertised: ['udp/192.0.2.1:5060'], local: ['udp/10.0.0.1:5060'] },
  )
  app = new Local()
  app.link = control.attach(app)
  app.link.command(`a|authenticate|${secret}|`)
  return app
}

InMemory.before.each(() => {
  gone = []
  errors = []
})
InMemory.after.each(() => control.stop())

const turn = (): Promise<void> => Promise.resolve()

InMemory('authenticates, routes and commands as one at the control port does', async () => {
  await attached()
  app.link.command('b|route|invite')
  app.link.command('c|ping')
  await turn()
  assert.match(app.heard[0]!, /\|response\|a\|OK\|udp\/192\.0\.2\.1:5060\|v\d+\.\d+\.\d+\|udp\/10\.0\.0\.1:5060$/)
  assert.match(app.heard[1]!, /\|response\|b\|OK$/)
  assert.match(app.heard[2]!, /\|response\|c\|OK\|pong$/)
  assert.ok(control.apps.choose('INVITE'))
})

InMemory('is told nothing while it commands, and everything before the next callback of the event loop', async () => {
  await attached()
  app.heard.length = 0
  let commanding = false
  let within = 0
  app.whenTold = () => void (within += commanding ? 1 : 0)
  const command = (payload: string): void => {
    commanding = true
    app.link.command(payload)
    commanding = false
  }
  command('b|route|invite')
  control.apps.choose('INVITE')!.deliver(new SipRequest('MESSAGE', 'sip:a@192.0.2.9'), ORIGIN, 't', '')
  command('c|ping')
  assert.equal(app.heard, [])
  const later = new Promise<number>((resolve) => setImmediate(() => resolve(app.heard.length)))
  assert.is(await later, 3)
  assert.is(within, 0)
})

InMemory('hears in order what it is sent, also of what it commands while it hears', async () => {
  await attached()
  app.whenTold = (payload) => {
    if (payload.includes('|response|b|')) for (const id of ['d', 'e']) app.link.command(`${id}|ping`)
  }
  app.link.command('b|ping')
  app.link.command('c|ping')
  await turn()
  const answered = app.heard.map((payload) => payload.split('|')[2])
  assert.equal(answered, ['a', 'b', 'c', 'd', 'e'])
})

InMemory('a fault of the application costs it one message', async () => {
  await attached()
  app.whenTold = (payload) => {
    if (payload.includes('|response|b|')) throw new Error('its fault')
  }
  app.link.command('b|ping')
  app.link.command('c|ping')
  await turn()
  assert.is(app.heard.length, 3)
  assert.equal(
    errors.map((error) => (error as Error).message),
    ['its fault'],
  )
})

InMemory('takes one guess: nothing after a wrong secret is looked at', async () => {
  const responded: string[] = []
  const respond = (txnId: string) => {
    responded.push(txnId)
    return refused('as the test wants')
  }
  await attached({ respond }, 'wrong')
  app.link.command('b|authenticate|right|')
  app.link.command(`c|sip|t|\r\n${RESPONSE}`)
  await turn()
  assert.is(app.heard.length, 1)
  assert.match(app.heard[0]!, /\|response\|a\|NO\|incorrect secret$/)
  assert.is(app.ends, 1)
  assert.equal([responded, gone], [[], []])
})

/** A command in its parts. */
const inParts = (fields: Partial<SipCommand>): SipCommand => ({
  ...{ id: 'p', txnId: '', dialogId: '', proxy: '', status: undefined, reason: '', method: '', uri: '' },
  text: new AppLines('', ''),
  ...fields,
})

InMemory('commands in parts what it commands in text', async () => {
  const commanded: unknown[][] = []
  const note =
    (what: string) =>
    (...args: unknown[]) => {
      commanded.push([what, ...args.filter((arg) => typeof arg !== 'object')])
      return refused('as the test wants')
    }
  await attached({
    ...{ respond: note('respond'), request: note('request') },
    ...{ requestInDialog: note('in dialog'), cancel: note('cancel') },
  })
  app.link.command(inParts({ txnId: 't', status: 486, reason: 'Busy' }))
  app.link.command(inParts({ method: 'INVITE', uri: 'sip:a@b', proxy: 'sip:p' }))
  app.link.command(inParts({ method: 'BYE', uri: 'sip:a@b', dialogId: 'd' }))
  app.link.command(inParts({ method: 'CANCEL', uri: 'sip:a@b', txnId: 't' }))
  assert.equal(commanded, [
    ['respond', 't', 486, 'Busy'],
    ['request', 'INVITE', 'sip:a@b', 'sip:p'],
    ['in dialog', 'd', 'BYE'],
    ['cancel', 't'],
  ])
})

InMemory('is refused in parts what it is refused in text', async () => {
  await attached()
  for (const fields of [
    { method: 'IN VITE', uri: 'sip:a@b' },
    { method: 'INVITE', uri: 'sip:a b' },
    { method: 'INVITE', uri: '' },
    { method: 'ACK', uri: 'sip:a@b' },
  ])
    app.link.command(inParts(fields))
  await turn()
  assert.is(app.heard.filter((text) => text.includes('|response|p|NOK|')).length, 4)
  app.link.command(inParts({ status: 200 }))
  await turn()
  assert.match(app.heard.at(-1)!, /\|response\|p\|NO\|transaction id missing$/)
  await control.stop()
  await attached({}, 'wrong')
  app.link.command(inParts({ txnId: 't', status: 200 }))
  await turn()
  assert.is(app.heard.length, 1)
})

InMemory('when it ends the core is told at once, and it hears of that once itself', async () => {
  await attached()
  app.link.command('b|route|invite')
  await turn()
  const known = control.apps.choose('INVITE')
  app.link.close()
  app.link.close()
  assert.equal(gone, [known])
  assert.is(control.apps.choose('INVITE'), undefined)
  app.link.command('c|ping')
  await turn()
  assert.is(app.ends, 1)
  assert.is(app.heard.length, 2)
})

InMemory('ends when the engine stops, authenticated or not', async () => {
  await attached()
  const stranger = new Local()
  stranger.link = control.attach(stranger)
  await turn()
  await control.stop()
  assert.equal([app.ends, stranger.ends], [1, 1])
})

InMemory.run()
