import type { MessageKind } from '../engine/index.js'
import { blankSecrets } from './blank-secrets.js'
import type { Logger } from './logger.js'
import type { SipMessageCounter } from './sip-message-counter.js'

/** The two ends a message travels between. */
interface Way {
  readonly protocol: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

/** Sees every SIP message of the engine: counts it and, when the log's level is `debug`, writes it with secrets blanked. */
export class SipTrace {
  constructor(
    private readonly counter: SipMessageCounter,
    private readonly logger: Logger,
  ) {}

  /** `text` gives the message as a byte string, one character a byte; it is asked only when the message is written. */
  message(direction: 'in' | 'out', text: () => string, way: Way, bytes: number, kind: MessageKind | undefined): void {
    this.counter.count(direction, kind)
    if (!this.logger.isLevelEnabled('debug')) return
    const message = text()
    this.logger.debug(
      {
        callId: callIdOf(message),
        direction,
        protocol: way.protocol,
        remote: addressAndPort(way.remoteAddress, way.remotePort),
        local: addressAndPort(way.localAddress, way.localPort),
        bytes,
        sip: Buffer.from(blankSecrets(message), 'latin1').toString('utf8'),
      },
      direction === 'in' ? 'SIP message received' : 'SIP message sent',
    )
  }
}

const addressAndPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** The Call-ID of a message's text, for finding its lines; undefined when none is seen. */
function callIdOf(text: string): string | undefined {
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const match = /^(?:call-id|i)[ \t]*:(.{0,256})/i.exec(text.slice(start, Math.min(end, start + 300)))
    if (match?.[1] !== undefined) return match[1].trim()
    if (end - start <= 1) return undefined
    start = end + 1
  }
  return undefined
}
