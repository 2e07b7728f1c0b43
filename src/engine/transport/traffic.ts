import type { Parsed } from '../message/parse.js'
import { serialise } from '../message/message.js'
import type { SipMessage } from '../message/message.js'
import type { Flow } from './flow.js'
import { stampSource } from './received.js'
import type { MessageKind, TransportCounters, TransportObserver, TransportSink } from './transport.js'

/** What every socket shares: where messages go up, who watches them, and what is counted. */
export class Traffic {
  readonly counters: { -readonly [name in keyof TransportCounters]: TransportCounters[name] } = {
    ignoredDatagrams: 0,
    refusedConnections: 0,
    readDeadlines: 0,
    idleCloses: 0,
    sendFailures: 0,
    failedHandshakes: 0,
    deadPeers: 0,
    barred: 0,
  }

  constructor(
    private readonly sink: TransportSink,
    public observer: TransportObserver | undefined,
    private readonly onError: (error: unknown) => void = () => {},
  ) {}

  /** A fault of ours while bytes of a peer were read: it costs them, and nobody else. */
  report(error: unknown): void {
    this.onError(error)
  }

  /** Whether nothing of this source is read; counts it then. */
  bars(address: string): boolean {
    if (this.sink.bars?.(address) !== true) return false
    this.counters.barred++
    return true
  }

  /** A datagram that is no SIP message. */
  ignored(address: string): void {
    this.counters.ignoredDatagrams++
    this.sink.noise?.(address)
  }

  /** Hands up what arrived, its source written into the top Via. `raw` is the datagram, which a stream does not have. */
  arrived(parsed: Parsed, flow: Flow, bytes: number, raw?: Buffer): void {
    const message = parsed.ok ? parsed.message : parsed.request
    if (this.observer !== undefined) {
      const text = (): string =>
        raw !== undefined ? raw.toString('latin1') : message !== undefined ? serialise(message) : ''
      this.observer.message('in', text, flow, bytes, parsed.ok ? kindOf(parsed.message) : undefined)
    }
    if (message?.kind === 'request') stampSource(message.headers, flow.remoteAddress, flow.remotePort)
    this.sink.received(parsed, flow, bytes)
  }

  /** Shows the observer what is about to be sent. */
  leaving(text: string, flow: Flow): void {
    if (this.observer !== undefined) this.observer.message('out', () => text, flow, text.length, kindOfText(text))
  }

  /** Tells, after the present call has returned, that a stream takes no requests any more. */
  closed(flow: Flow): void {
    if (this.sink.closed !== undefined) process.nextTick(this.tellClosed, flow)
  }

  /** Counts and tells that a peer did not get through the TLS handshake. */
  handshakeFailed(peer: { readonly address: string; readonly port: number }, why: string): void {
    this.counters.failedHandshakes++
    try {
      this.sink.handshakeFailed?.(peer, why)
    } catch (error) {
      this.report(error)
    }
  }

  private readonly tellClosed = (flow: Flow): void => {
    try {
      this.sink.closed?.(flow)
    } catch (error) {
      this.report(error)
    }
  }

  /** Counts a message that did not leave, and tells its sender after the present call has returned. */
  failLater(error: Error, failed: ((error: Error) => void) | undefined): void {
    this.counters.sendFailures++
    if (failed !== undefined) process.nextTick(failed, error)
  }
}

function kindOf(message: SipMessage): MessageKind {
  return message.kind === 'request'
    ? { method: message.method }
    : { status: message.status, method: message.cseq.method }
}

/** The kind of a message of ours, read from its text. */
export function kindOfText(text: string): MessageKind {
  if (!text.startsWith('SIP/2.0 ')) return { method: text.slice(0, Math.max(text.indexOf(' '), 0)) }
  return { status: Number(text.slice(8, 11)), method: cseqMethodOf(text) }
}

function cseqMethodOf(text: string): string {
  let line = text.indexOf('\r\nCSeq:')
  if (line < 0) line = text.search(/\r\ncseq[ \t]*:/i)
  if (line < 0) return ''
  const end = text.indexOf('\r\n', line + 2)
  const value = text.slice(line, end < 0 ? text.length : end).trimEnd()
  return value.slice(Math.max(value.lastIndexOf(' '), value.lastIndexOf('\t')) + 1)
}

/** A final response, by its text. */
export function isFinalResponse(text: string): boolean {
  return text.startsWith('SIP/2.0 ') && text.charCodeAt(8) > 0x31
}
