import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLogger, Metrics, SipTrace } from '../../src/telemetry/index.js'

const way = {
  protocol: 'udp',
  remoteAddress: '2001:db8::1',
  remotePort: 5070,
  localAddress: '127.0.0.1',
  localPort: 5060,
}

function tracing(level: 'debug' | 'info') {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  const metrics = new Metrics()
  const trace = new SipTrace(metrics.sipMessageCounter, createLogger({ level, destination }))
  metrics.stop()
  return { trace, lines, metrics }
}

const Trace = suite('SipTrace')

Trace('at debug a message is written with its Call-ID, both ends and its secrets blanked', () => {
  const { trace, lines } = tracing('debug')
  const name = Buffer.from('Zoë').toString('latin1')
  const text = `INVITE sip:x@y SIP/2.0\r\nFrom: "${name}" <sip:z@y>\r\nAuthorization: Digest response="hunter2"\r\ni :  abc@host\r\n\r\nCall-ID: in the body\r\n`
  trace.message('in', () => text, way, text.length, { method: 'INVITE' })
  const { time, level, ...line } = lines[0] ?? {}
  assert.ok(time)
  assert.is(level, 'debug')
  assert.equal(line, {
    callId: 'abc@host',
    direction: 'in',
    protocol: 'udp',
    remote: '[2001:db8::1]:5070',
    local: '127.0.0.1:5060',
    bytes: text.length,
    sip: 'INVITE sip:x@y SIP/2.0\r\nFrom: "Zoë" <sip:z@y>\r\nAuthorization: ***\r\ni :  abc@host\r\n\r\nCall-ID: in the body\r\n',
    msg: 'SIP message received',
  })
})

Trace('a message without a Call-ID is written as well', () => {
  const { trace, lines } = tracing('debug')
  for (const text of ['', 'garbage', 'SIP/2.0 200 OK\r\n\r\nCall-ID: in the body'])
    trace.message('out', () => text, way, text.length, undefined)
  assert.equal(
    lines.map(({ callId }) => callId),
    [undefined, undefined, undefined],
  )
})

Trace('above debug a message is counted and its text never built', async () => {
  const { trace, lines, metrics } = tracing('info')
  const text = (): string => assert.unreachable('the text was asked for') as never
  trace.message('out', text, way, 400, { method: 'BYE', status: 200 })
  assert.is(lines.length, 0)
  assert.match(await metrics.render(), /signalbox_sip_messages_total\{direction="out",method="BYE",status="200"\} 1/)
})

Trace.run()
