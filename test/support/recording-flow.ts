import type { Binding, Flow, Protocol } from '../../src/engine/transport/transport.js'

/** A flow that goes nowhere: what is sent is kept, and a test may say that the last of it failed. */
export class RecordingFlow implements Flow {
  readonly sent: string[] = []
  readonly reliable: boolean
  readonly binding: Binding
  readonly remoteAddress = '192.0.2.20'
  readonly remotePort = 5080
  readonly localAddress = '192.0.2.10'
  readonly localPort = 5060
  readonly open = true
  private failed: ((error: Error) => void) | undefined

  constructor(readonly protocol: Protocol = 'udp') {
    this.reliable = protocol !== 'udp'
    this.binding = {
      protocol,
      address: this.localAddress,
      port: 5060,
      family: 4,
      external: false,
      advertisedHost: this.localAddress,
      advertisedPort: 5060,
      sentBy: this.localAddress,
      contactUri: `sip:${this.localAddress}:5060`,
      secure: false,
    }
  }

  send(text: string, failed?: (error: Error) => void): void {
    this.sent.push(text)
    this.failed = failed
  }

  /** Reports the last message as not sent. */
  fail(error = new Error('connection refused')): void {
    this.failed?.(error)
  }

  /** First word of each message sent: a method, or a status as '200'. */
  get kinds(): string[] {
    return this.sent.map((text) => (text.startsWith('SIP/2.0 ') ? text.slice(8, 11) : text.slice(0, text.indexOf(' '))))
  }
}
