import { createSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DrachtioServer } from '../../src/edge/drachtio.js'
import { createEngine } from '../../src/engine/index.js'
import { SipServerAway } from '../../src/trunks/sip-client.js'
import { freePort } from '../support/free-port.js'
import { rejection } from '../support/store-bench.js'

const Lost = suite('A request whose SIP server goes away')

const SECRET = 'lost-test'
const quiet = (): void => {}
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }

Lost('is given up when the connection to the SIP server is lost before the answer', async () => {
  const port = await freePort()
  const engine = createEngine({
    contacts: [`sip:127.0.0.1:${port};transport=udp`],
    control: { host: '127.0.0.1', port: 0, secret: SECRET },
  })
  const { control } = await engine.start()
  const server = new DrachtioServer({ ...control, secret: SECRET, logger })
  await server.connect()
  const silent = createSocket('udp4')
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve))
  try {
    const heard = new Promise((resolve) => silent.once('message', resolve))
    const answer = server.request({
      method: 'OPTIONS',
      uri: 'sip:pbx.example.com',
      headers: { From: '<sip:a@pbx.example.com>;tag=1', To: '<sip:pbx.example.com>' },
      target: { transport: 'udp', address: '127.0.0.1', port: silent.address().port, settled: true },
    })
    await heard
    for (const socket of server.library.app.client?.mapServer?.keys() ?? []) (socket as unknown as Socket).destroy()
    assert.instance(await rejection(answer), SipServerAway)
  } finally {
    server.disconnect()
    silent.close()
    await engine.stop()
  }
})

Lost.run()
