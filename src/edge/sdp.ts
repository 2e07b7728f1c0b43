/** The little of SDP (RFC 8866, RFC 3264) that a call controller needs which has no media of its own. Linear in the length. */

/** Characters of a body that is looked at. */
const MAX_SDP = 65_535
const MAX_LINES = 2_000
/** Streams of one session. */
const MAX_STREAMS = 64
/** Formats of a stream that our own answers name. */
const MAX_FORMATS = 16
/** `discard`: what arrives there is nobody's (RFC 863). No media is sent to an inactive stream. */
const NO_PORT = 9

/** One `m=` line and what belongs to it. */
export interface Stream {
  readonly media: string
  readonly port: number
  readonly protocol: string
  readonly formats: readonly string[]
  readonly lines: readonly string[]
}

export interface Session {
  readonly lines: readonly string[]
  readonly streams: readonly Stream[]
}

/** Reads a session description; undefined when it is none, or larger than any that makes sense. */
export function readSession(text: string): Session | undefined {
  if (text.length > MAX_SDP || !text.startsWith('v=0')) return undefined
  const lines = text.split('\n', MAX_LINES + 1).map((line) => line.trimEnd())
  if (lines.length > MAX_LINES) return undefined
  const session: string[] = []
  const streams: (Stream & { lines: string[] })[] = []
  for (const line of lines) {
    if (line === '') continue
    // A line has neither CR nor NUL in it (RFC 8866 9): whoever takes it for two would read another description.
    if (line[1] !== '=' || line.includes('\r') || line.includes('\0')) return undefined
    if (!line.startsWith('m=')) (streams.at(-1)?.lines ?? session).push(line)
    else {
      const stream = readStream(line)
      if (stream === undefined || streams.push(stream) > MAX_STREAMS) return undefined
    }
  }
  return { lines: session, streams }
}

function readStream(line: string): (Stream & { lines: string[] }) | undefined {
  const [media = '', port = '', protocol = '', ...formats] = line.slice(2).split(' ')
  // A count of ports (`4000/2`) may follow.
  const match = /^([0-9]{1,5})(?:\/[0-9]{1,5})?$/.exec(port)
  if (match === null || Number(match[1]) > 65_535 || formats.length === 0) return undefined
  if (![media, protocol, ...formats].every((token) => /^[\x21-\x7e]{1,64}$/.test(token))) return undefined
  return { media, port: Number(match[1]), protocol, formats, lines: [] }
}

/** Whether a body is a session description that can be worked with. */
export const isSdp = (body: string): boolean => (readSession(body)?.streams.length ?? 0) > 0

/**
 * An answer to an offer that takes every stream and lets nothing flow (RFC 3725 4.4, RFC 3264 6.1): a far end that has waited long
 * for an answer gets this one, and the real one as an offer later. Streams that need more than an address to be set up (encrypted
 * ones, and what is no RTP) are refused for the time being: port 0.
 * @returns undefined when the offer cannot be read
 */
export function inactiveAnswer(offer: string, sessionId: number): string | undefined {
  const session = readSession(offer)
  if (session === undefined || session.streams.length === 0) return undefined
  const timing = session.lines.filter((line) => line.startsWith('t='))
  const lines = head(sessionId, timing.length === 0 ? ['t=0 0'] : timing.slice(0, 1))
  for (const stream of session.streams) lines.push(...inactiveStream(stream, session))
  return join(lines)
}

function inactiveStream(stream: Stream, session: Session): string[] {
  const { media, port, protocol, lines } = stream
  const plain = protocol === 'RTP/AVP' || protocol === 'RTP/AVPF'
  const formats = stream.formats.slice(0, MAX_FORMATS)
  if (port === 0 || !plain) return [`m=${media} 0 ${protocol} ${formats.join(' ')}`]
  const named = new Set(formats)
  const kept = lines.filter((line) => {
    const map = /^a=rtpmap:([0-9]{1,3}) /.exec(line)
    return (map !== null && named.has(map[1]!)) || line.startsWith('a=mid:')
  })
  const family = (connectionOf(stream, session) ?? '').startsWith('c=IN IP6 ') ? 'IP6 ::' : 'IP4 0.0.0.0'
  return [`m=${media} ${NO_PORT} ${protocol} ${formats.join(' ')}`, `c=IN ${family}`, ...kept, 'a=inactive']
}

/** An offer of one audio stream on which nothing flows, for far ends that want an offer before they say anything. */
export function inactiveOffer(sessionId: number): string {
  return join([
    ...head(sessionId, ['t=0 0']),
    `m=audio ${NO_PORT} RTP/AVP 0 8 101`,
    'c=IN IP4 0.0.0.0',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=inactive',
  ])
}

const head = (sessionId: number, timing: readonly string[]): string[] => [
  'v=0',
  `o=- ${sessionId} 1 IN IP4 0.0.0.0`,
  's=-',
  ...timing,
]

const join = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

/** Whether two descriptions say the same of the media, whoever wrote them and however often. */
export function sameMedia(one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [readSession(one), readSession(other)]
  return first !== undefined && second !== undefined && text(first) === text(second)
}

const text = ({ lines, streams }: Session): string =>
  JSON.stringify([lines.filter((line) => !line.startsWith('o=') && !line.startsWith('s=')), streams])

/**
 * Whether whoever was given `offer` may go on with it now that its author has said `answer` of itself: media go to and come from the
 * same places, in a way that was offered. Fewer formats are no change: it is free to use any of those it was offered.
 */
export function staysWithin(answer: string, offer: string): boolean {
  if (answer === offer) return true
  const [given, said] = [readSession(offer), readSession(answer)]
  if (given === undefined || said === undefined || given.streams.length !== said.streams.length) return false
  return said.streams.every((stream, at) => streamStaysWithin(stream, said, given.streams[at]!, given))
}

function streamStaysWithin(stream: Stream, session: Session, offered: Stream, offer: Session): boolean {
  if (stream.media !== offered.media || stream.protocol !== offered.protocol) return false
  // What was refused, or is now, both ends must know.
  if (stream.port !== offered.port) return false
  if (stream.port === 0) return true
  if (connectionOf(stream, session) !== connectionOf(offered, offer)) return false
  if (directionOf(stream, session) !== directionOf(offered, offer)) return false
  const formats = new Set(offered.formats)
  if (!stream.formats.every((format) => formats.has(format))) return false
  const known = new Set([...offered.lines, ...offer.lines])
  return stream.lines.every((line) => known.has(line) || !line.startsWith('a=') || isDirection(line))
}

/** The `c=` line that holds for a stream: its own, else the session's. */
const connectionOf = (stream: Stream, session: Session): string | undefined =>
  [...stream.lines, ...session.lines].find((line) => line.startsWith('c='))

const directionOf = (stream: Stream, session: Session): string =>
  [...stream.lines, ...session.lines].find(isDirection) ?? 'a=sendrecv'

const isDirection = (line: string): boolean =>
  line === 'a=sendrecv' || line === 'a=sendonly' || line === 'a=recvonly' || line === 'a=inactive'
