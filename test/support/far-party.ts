import { createSocket } from 'node:dgram'
import { eventually } from './eventually.js'
import { SipText } from './sip-text.js'

/** What a reply says beyond its status; its To has the party's tag. */
export interface ReplyParts {
  readonly headers?: readonly string[]
  readonly body?: string
  /** Default: the party's own address. `null`: none. */
  readonly contact?: string | null
}

/** A request that a far party was sent, and the way to answer it. */
export interface Asked {
  readonly message: SipText
  /** Which request of its method it is, from 1; repeats are not counted, nor handed over. */
  readonly count: number
  reply(status: string, parts?: ReplyParts): void
}

/** A SIP far end on UDP that plays what a test says and keeps what it was sent. */
export interface FarParty {
  readonly uri: string
  readonly contact: string
  /** Requests and responses, oldest first, repeats left out. */
  readonly received: readonly SipText[]
  /** Sends text where the last message came from, or to that port. */
  send(text: string, port?: number): void
  /** Sends a request in the dialog of an INVITE it has answered. */
  request(invite: SipText, method: string, cseq: number, parts?: ReplyParts): void
  /** The first message that fits. */
  heard(what: string, fits: (message: SipText) => boolean): Promise<SipText>
  close(): void
}

const HOST = '127.0.0.1'
const TAG = 'far'

/** @param play answers requests; ACK comes too. Default: 200 to everything. */
export async function openFarParty(
  play: (asked: Asked) => void = ({ message, reply }) => {
    if (message.method !== 'ACK') reply('200 OK')
  },
): Promise<FarParty> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind({ address: HOST, port: 0 }, resolve))
  const own = `sip:far@${HOST}:${socket.address().port}`
  const received: SipText[] = []
  let last = 0
  let branches = 0
  let open = true
  const send = (text: string, port = last): void => socket.send(Buffer.from(text, 'utf8'), port, HOST)

  socket.on('message', (bytes, from) => {
    last = from.port
    const message = new SipText(bytes.toString('latin1'))
    if (received.some(({ raw }) => raw === message.raw)) return
    received.push(message)
    if (message.status !== 0) return
    const count = received.filter(({ status, method }) => status === 0 && method === message.method).length
    play({ message, count, reply: (status, parts) => send(replyTo(message, status, own, parts), from.port) })
  })

  return {
    uri: own,
    contact: `<${own}>`,
    received,
    send,
    request: (invite, method, cseq, { headers = [], body = '' } = {}) =>
      send(
        [
          `${method} ${/<([^>]*)>/.exec(invite.header('contact') ?? '')?.[1] ?? own} SIP/2.0`,
          `Via: SIP/2.0/UDP ${own.slice(8)};branch=z9hG4bK-far-${++branches}-${cseq}`,
          'Max-Forwards: 70',
          `From: ${invite.header('to')};tag=${TAG}`,
          `To: ${invite.header('from')}`,
          `Call-ID: ${invite.callId}`,
          `CSeq: ${cseq} ${method}`,
          `Contact: <${own}>`,
          ...headers,
          ...bodyLines(body),
        ].join('\r\n'),
      ),
    heard: (what, fits) => eventually(what, () => received.find(fits)),
    close: () => {
      if (open) socket.close()
      open = false
    },
  }
}

function replyTo(request: SipText, status: string, own: string, parts: ReplyParts = {}): string {
  const { headers = [], body = '', contact = own } = parts
  const to = request.header('to') ?? ''
  return [
    `SIP/2.0 ${status}`,
    ...request.all('via').map((via) => `Via: ${via}`),
    `From: ${request.header('from')}`,
    `To: ${to}${to.includes(';tag=') ? '' : `;tag=${TAG}`}`,
    `Call-ID: ${request.callId}`,
    `CSeq: ${request.header('cseq')}`,
    ...(contact === null ? [] : [`Contact: <${contact}>`]),
    ...headers,
    ...bodyLines(body),
  ].join('\r\n')
}

const bodyLines = (body: string): string[] => [
  ...(body === '' ? [] : ['Content-Type: application/sdp']),
  `Content-Length: ${Buffer.byteLength(body)}`,
  '',
  body,
]
