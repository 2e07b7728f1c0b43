import type { LibraryWire } from './drachtio-library.js'

const MARK = 'multipart/'

/**
 * The frame as drachtio-srf may parse it. It takes `multipart/` bodies apart for an application's convenience, with expressions
 * whose time is quadratic in Content-Type and body: one datagram could hold up every call for seconds. It looks for lower case
 * only and media types have none (RFC 3261 7.3.1), so in capitals the message says the same and is left whole.
 */
export function withoutMultipart(frame: string): string {
  if (!frame.includes(MARK)) return frame
  const end = frame.indexOf('\r\n\r\n')
  if (end < 0) return frame
  let head = ''
  let from = 0
  while (from < end) {
    let next = frame.indexOf('\r\n', from)
    if (next < 0 || next > end) next = end
    const line = frame.slice(from, next + 2)
    // Any other name may be Content-Type to the library: it undoes percent escapes in names.
    const named = line.startsWith('X-') || line.startsWith('x-')
    head += named ? line : line.replaceAll(MARK, 'Multipart/')
    from = next + 2
  }
  return head + frame.slice(from)
}

/** Puts `withoutMultipart` before the library's own reading of frames. @throws {Error} when the library has no such place any more */
export function guardFrames(wire: LibraryWire | undefined): void {
  const readers = wire?.listeners('msg') ?? []
  if (wire === undefined || readers.length === 0) throw new Error('drachtio-srf does not read frames where 5.0 does')
  wire.removeAllListeners('msg')
  for (const reader of readers)
    wire.on('msg', (socket, frame) => reader(socket, typeof frame === 'string' ? withoutMultipart(frame) : frame))
}
