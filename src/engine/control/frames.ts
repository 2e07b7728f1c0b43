/**
 * Framing of drachtio's control protocol: `<length>#<payload>`, the length in bytes as ASCII decimal, no trailer.
 * Payloads are byte strings (see message/), so a frame may hold any bytes and lengths are exact.
 */

/** Digits a length prefix may have: frames end at 9,999,999 bytes long before memory does. */
const MAX_LENGTH_DIGITS = 7
const HASH = 0x23
const ZERO = 0x30
const NINE = 0x39

/** Thrown by `FrameReader.push` on a prefix that is no length: the connection is beyond repair. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** The payload as one frame. */
export function frame(payload: string): string {
  return `${payload.length}#${payload}`
}

/** Cuts a byte stream into frames. Time is linear in what is pushed, however it is split. */
export class FrameReader {
  private chunks: Buffer[] = []
  private held = 0
  /** Bytes the next frame needs in all, prefix included; 0 while its prefix is incomplete. */
  private needed = 0
  private prefix = 0

  /**
   * @param maxFrameBytes payloads larger than this break the connection; may be changed between frames
   * @param frameReceived called for each complete payload, as a byte string
   */
  constructor(
    public maxFrameBytes: number,
    private readonly frameReceived: (payload: string) => void,
  ) {}

  /** @throws {FrameError} when the stream is no sequence of frames */
  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.held += chunk.length
    if (this.needed > this.held) return
    let data = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.held)
    for (;;) {
      if (this.needed === 0) this.readPrefix(data)
      if (this.needed === 0 || this.needed > data.length) break
      const payload = data.toString('latin1', this.prefix, this.needed)
      data = data.subarray(this.needed)
      this.needed = 0
      this.frameReceived(payload)
    }
    this.chunks = data.length === 0 ? [] : [data]
    this.held = data.length
  }

  private readPrefix(data: Buffer): void {
    let length = 0
    for (let i = 0; i < data.length; i++) {
      const byte = data[i]!
      if (byte === HASH && i > 0) {
        if (length === 0) throw new FrameError('a frame is empty')
        if (length > this.maxFrameBytes)
          throw new FrameError(`a frame of ${length} bytes is over the limit of ${this.maxFrameBytes}`)
        this.prefix = i + 1
        this.needed = this.prefix + length
        return
      }
      if (byte < ZERO || byte > NINE || i >= MAX_LENGTH_DIGITS)
        throw new FrameError('a frame does not begin with its length')
      length = length * 10 + (byte - ZERO)
    }
  }
}
