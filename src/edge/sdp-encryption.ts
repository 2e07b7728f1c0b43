import { readSession, type Session, type Stream } from './sdp.js'

/** How the streams of a session description are protected, as far as they are in use. */
export interface Encryption {
  /** The first one whose media anybody on the way can read; undefined: there is none. */
  readonly clear: string | undefined
  /** The first one whose media are encrypted, or are to be. */
  readonly encrypted: string | undefined
}

/**
 * Encrypted is RTP/SAVP(F) with keys: `a=crypto` (RFC 4568), `a=key-mgmt` (RFC 4567) or `a=fingerprint` (RFC 5763), and what else runs
 * over TLS or DTLS with a fingerprint. RTP/AVP with `a=crypto` (RFC 8643) is clear: its far end may leave the encryption out. Linear.
 *
 * @returns undefined when the description cannot be read
 */
export function encryptionOf(sdp: string): Encryption | undefined {
  const session = readSession(sdp)
  if (session === undefined) return undefined
  let clear: string | undefined
  let encrypted: string | undefined
  for (const stream of session.streams) {
    if (!inUse(stream)) continue
    const means = meansOf(stream.protocol)
    const what = `${stream.media} over ${stream.protocol}`
    if (means === 'none') clear ??= `${what}, which is not encrypted`
    else {
      encrypted ??= what
      if (!isKeyed(stream, session, means)) clear ??= `${what} without keys that encrypt`
    }
  }
  return { clear, encrypted }
}

/** Port 0 takes a stream out (RFC 3264 6), unless it shares the port of another (RFC 8843 6). An inactive one still has RTCP. */
const inUse = ({ port, lines }: Stream): boolean => port !== 0 || lines.includes('a=bundle-only')

/** What protects the media: keys in the description, or a handshake of their own whose certificate it names. */
function meansOf(protocol: string): 'none' | 'keys' | 'handshake' {
  const parts = protocol.toUpperCase().split('/')
  if (parts.includes('TLS') || parts.includes('DTLS')) return 'handshake'
  return parts.includes('SAVP') || parts.includes('SAVPF') ? 'keys' : 'none'
}

function isKeyed({ lines }: Stream, session: Session, means: 'keys' | 'handshake'): boolean {
  const crypto = lines.filter((line) => line.startsWith('a=crypto:'))
  // One of them is chosen: each must do.
  if (!crypto.every(encrypts)) return false
  const has = (name: string): boolean =>
    lines.some((line) => line.startsWith(name)) || session.lines.some((line) => line.startsWith(name))
  return has('a=fingerprint:') || (means === 'keys' && (crypto.length > 0 || has('a=key-mgmt:')))
}

/** `a=crypto:<tag> <suite> <keys> [<parameters>]`: SRTP may be told to leave out what it is for (RFC 4568 6.3). */
function encrypts(line: string): boolean {
  const [, suite = '', keys = '', ...parameters] = line.split(/[ \t]+/)
  if (!keys.startsWith('inline:') || /^NULL/i.test(suite)) return false
  return !parameters.some((parameter) => /^UNENCRYPTED_SRTC?P$/i.test(parameter))
}
