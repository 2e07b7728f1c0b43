import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LinkedSocket } from '../../src/edge/linked-socket.js'
import type { LocalApp, SipCommand } from '../../src/engine/index.js'

const Linked = suite('The connection to an engine in this process')

/** An engine that writes down what it is commanded. */
class Engine {
  readonly commanded: string[] = []
  closes = 0
  app!: LocalApp

  attach(app: LocalApp) {
    this.app = app
    return {
      command: (payload: string | SipCommand) => void this.commanded.push(payload as string),
      close: () => void (this.closes += 1),
    }
  }
}

function linked(): { engine: Engine; socket: LinkedSocket; frames: string[] } {
  const engine = new Engine()
  const frames: string[] = []
  const socket = new LinkedSocket(engine, (from, frame) => {
    assert.is(from, socket)
    frames.push(frame as string)
  })
  return { engine, socket, frames }
}

const TEXTS = ['plain', 'a#b|12#c', 'Zoë', '☎ 📞', 'caf\u00e9 \u20ac#1', '\u0000\u007f\u0080']

Linked('hands on what the library writes as the bytes a socket would carry', () => {
  const { engine, socket } = linked()
  for (const text of TEXTS) {
    socket.write(`${Buffer.byteLength(text)}#${text}`)
    assert.equal(Buffer.from(engine.commanded.pop()!, 'latin1'), Buffer.from(text), text)
  }
})

Linked('reads bytes as the library reads them from a socket, no UTF-8 included', () => {
  const { engine, frames } = linked()
  for (const bytes of [...TEXTS.map((text) => Buffer.from(text)), Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82])]) {
    engine.app.received(bytes.toString('latin1'))
    assert.is(frames.pop(), bytes.toString('utf8'))
  }
})

Linked('ends with the engine’s side, and the engine’s side with it', async () => {
  const first = linked()
  const closed = once(first.socket, 'close')
  first.engine.app.closed()
  await closed
  assert.ok(first.socket.destroyed)
  const second = linked()
  second.socket.end()
  await once(second.socket, 'close')
  assert.is(second.engine.closes, 1)
})

Linked.run()
