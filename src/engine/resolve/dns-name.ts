/** Longest name there is, on the wire, with its lengths and the root's. */
const maxWireBytes = 255
/** Jumps that compression may take within one name. Each goes back, so they end in any case. */
const maxJumps = 32

/**
 * A name as questions carry it.
 * @throws {RangeError} when it or one of its labels is too long, empty or no ASCII
 */
export function encodeName(name: string): Buffer {
  const labels = name === '' || name === '.' ? [] : (name.endsWith('.') ? name.slice(0, -1) : name).split('.')
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'latin1')
    if (label.length === 0 || label.length > 63 || !isLabel(bytes, 0, bytes.length))
      throw new RangeError(`${JSON.stringify(label)} is no label of a name`)
    return Buffer.concat([Buffer.of(label.length), bytes])
  })
  const bytes = Buffer.concat([...parts, Buffer.of(0)])
  if (bytes.length > maxWireBytes) throw new RangeError(`a name of ${bytes.length} bytes is too long`)
  return bytes
}

/** A question can hold the name. */
export function isName(name: string): boolean {
  try {
    return name.length <= maxWireBytes && encodeName(name).length > 0
  } catch {
    return false
  }
}

/** A name read from a message, and where it ends there. */
export interface ReadName {
  /** Lower case, labels joined by dots, '' for the root; undefined when text cannot hold it: a dot, space or control in a label. */
  readonly text: string | undefined
  readonly end: number
}

/**
 * The name at a place of a message, compressed or not (RFC 1035 4.1.4).
 * @throws {RangeError} when it is cut off, too long, or compressed in a way that does not go back
 */
export function readName(bytes: Buffer, from: number): ReadName {
  let text = ''
  let at = from
  let end = -1
  let least = from
  let wireBytes = 1
  let clean = true
  for (let jumps = 0; ;) {
    const length = bytes.readUInt8(at)
    if (length >= 0xc0) {
      const to = bytes.readUInt16BE(at) & 0x3fff
      if (end < 0) end = at + 2
      if (to >= least || ++jumps > maxJumps) throw new RangeError('a compressed name does not go back')
      at = least = to
      continue
    }
    if (length > 63) throw new RangeError('a label of an unknown kind')
    at++
    if (length === 0) return { text: clean ? text.toLowerCase() : undefined, end: end < 0 ? at : end }
    wireBytes += length + 1
    if (wireBytes > maxWireBytes || at + length > bytes.length) throw new RangeError('a name is too long')
    if (clean && isLabel(bytes, at, at + length))
      text += (text === '' ? '' : '.') + bytes.toString('latin1', at, at + length)
    else clean = false
    at += length
  }
}

/** Printable ASCII without what would change its meaning as text. */
function isLabel(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!
    if (byte <= 0x20 || byte >= 0x7f || byte === 0x2e || byte === 0x5c) return false
  }
  return true
}
