import { SipText } from './sip-text.js'

/** One message of a SIPp trace. */
export class TracedMessage extends SipText {
  constructor(
    raw: string,
    /** Whether SIPp sent it. */
    readonly sent: boolean,
    /** Milliseconds; only differences mean something. */
    readonly atMs: number,
  ) {
    super(raw)
  }
}

const TIME = /^-{40,} (\d{4}-\d{2}-\d{2})[\s]+(\d{2}:\d{2}:\d{2})\.(\d{3})/
const KIND = /^(?:UDP|TCP|TLS) message (sent|received) [[(](\d+)/

/** The messages of a file written by `sipp -trace_msg`, in order. */
export function parseTrace(bytes: Buffer): TracedMessage[] {
  const messages: TracedMessage[] = []
  const text = bytes.toString('latin1')
  let at = 0
  let atMs = 0
  while (at < text.length) {
    const lineEnd = text.indexOf('\n', at)
    const line = text.slice(at, lineEnd < 0 ? text.length : lineEnd)
    at += line.length + 1
    const time = TIME.exec(line)
    if (time !== null) atMs = Date.parse(`${time[1]}T${time[2]}.${time[3]}Z`)
    const kind = KIND.exec(line)
    if (kind === null) continue
    // An empty line stands between this one and the message.
    const start = at + 1
    const end = start + Number(kind[2])
    messages.push(new TracedMessage(text.slice(start, end), kind[1] === 'sent', atMs))
    at = end
  }
  return messages
}
