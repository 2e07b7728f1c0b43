import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Connection } from '../../../src/engine/control/connection.js'
import { Control } from '../../../src/engine/control/control.js'
import { frame } from '../../../src/engine/control/frames.js'
import { OutboundCall } from '../../../src/engine/control/outbound.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'

const Outbound = suite('Applications that are dialled')

let clock: ManualClock
let control: Control
let server: Server
let port: number
let accepted: Socket[]
let heard: string
let adopted: boolean
let outcome: Connection | string | undefined

Outbound.before.each(async () => {
  clock = new ManualClock()
  accepted = []
  heard = ''
  adopted = false
  outcome = undefined
  control = new Control({ host: '127.0.0.1', port: 0, secret: 'right', keepAliveMs: 0 }, clock, () => undefined)
  await control.start({ appGone: () => undefined } as never, { advertised: ['udp/a:1'], local: ['udp/a:1'] })
  server = createServer((socket) => {
    accepted.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

Outbound.after.each(async () => {
  await control.stop()
  for (const socket of accepted) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

function dial(): OutboundCall {
  const adopt = (socket: Socket): Connection => {
    adopted = true
    return control.adopt(socket)
  }
  return new OutboundCall({ host: '127.0.0.1', port, tls: false }, false, clock, adopt, (it) => (outcome = it))
}

const closed = (): Promise<boolean> =>
  eventually('it is closed', () => accepted.every(({ readableEnded }) => readableEnded))

Outbound('authenticate first, and hear nothing before the answer to that', async () => {
  dial()
  await eventually('it is dialled', () => accepted.length === 1)
  accepted[0]!.write(frame('a|authenticate|right|blue'))
  const connection = (await eventually('it is in', () => outcome)) as Connection
  connection.send('b|sip|the request')
  await eventually('it gets the request', () => heard.includes('the request'))
  assert.match(heard, /\|response\|a\|OK\|udp\/a:1\|v.*b\|sip/s)
  assert.is(clock.pending, 0)
})

Outbound('are for one request: a route they ask for is granted, and gets them no others', async () => {
  dial()
  await eventually('it is dialled', () => accepted.length === 1)
  accepted[0]!.write(frame('a|authenticate|right|blue') + frame('b|route|invite') + frame('c|route|cdr:stop'))
  await eventually('it is answered', () => heard.includes('|response|c|OK'))
  assert.is(control.apps.choose('INVITE'), undefined)
  assert.is(control.apps.chooseTagged('INVITE', 'blue'), undefined)
})

Outbound('are given up when they do not authenticate within four seconds', async () => {
  dial()
  await eventually('it is up', () => adopted)
  clock.advance(3_999)
  assert.is(outcome, undefined)
  clock.advance(1)
  assert.is(outcome, 'the application has not authenticated within 4000 ms')
  await closed()
  assert.is(clock.pending, 0)
})

Outbound('are told when their secret is wrong, and given up', async () => {
  dial()
  await eventually('it is dialled', () => accepted.length === 1)
  accepted[0]!.write(frame('a|authenticate|wrong|'))
  assert.is(await eventually('it is given up', () => outcome), 'the application has not authenticated')
  await closed()
  assert.match(heard, /\|response\|a\|NO\|incorrect secret$/)
})

Outbound('that nobody wants any more are hung up on, and not reported', async () => {
  const call = dial()
  await eventually('it is dialled', () => accepted.length === 1)
  call.abort()
  await closed()
  assert.is(outcome, undefined)
  assert.is(clock.pending, 0)
})

Outbound.run()
