import { type Dice, mutate } from '../support/mutations.js'

/** Tokens that mean something to one reader or another, and values at the edge of what fits. */
const tokens = [
  ...['INVITE', 'ACK', 'CANCEL', 'PRACK', 'UPDATE', 'SIP/2.0', 'sip:', 'sips:', 'tel:', 'UDP', 'TLS', '*', 'Digest '],
  ...['0', '1', '-1', '+5', '0x10', '255', '256', '65535', '65536', '2147483648', '4294967295', '4294967296'],
  ...['9007199254740993', '99999999999999999999', '1e9', 'NaN', '5, 13', '', ' ', '\t', '""', '"\\"', '<>', '%00', '%zz'],
  ...['z9hG4bK', 'z9hG4bK;', '__proto__', 'constructor', 'localhost', '127.0.0.1', '[::1]', '[', '[::ffff:1.2.3.4]', '0.0.0.0'],
  ...['\u00e9', '\u2028', '\ud83d\ude00', '\ufeff', '\u0000', '\u0661', '%0d%0aX: 1', '\r\n X', '|', '#', '|response|'],
  ...['m=audio 0 RTP/AVP 0\r\n', 'a=sendonly\r\n', 'c=IN IP6 ::1\r\n', '100rel', 'refresher=uas', ';lr', ';maddr=1.2.3.4'],
].map((text) => Buffer.from(text, 'utf8')) // prettier-ignore

const LF = 0x0a
/** A mutation never makes a message larger than this: what is larger is refused before it is read. */
const MAX_BYTES = 70_000

/** `seed` changed: bytes as they come, or tokens and whole lines, or something in it many times over. */
export function mutant(seed: Buffer, other: Buffer, dice: Dice): Buffer {
  let bytes = seed
  for (let change = 1 + dice.roll(3); change > 0; change--) bytes = changed(bytes, other, dice)
  return bytes.subarray(0, MAX_BYTES)
}

function changed(bytes: Buffer, other: Buffer, dice: Dice): Buffer {
  switch (dice.roll(8)) {
    case 0:
    case 1:
    case 2:
      return mutate(bytes, other, dice)
    case 3:
    case 4:
      return withToken(bytes, dice.pick(tokens), dice)
    case 5:
      return withLine(bytes, lineOf(other, dice), dice)
    case 6:
      return withoutLine(bytes, dice)
    default:
      return dice.roll(4) === 0 ? grown(bytes, dice) : swapped(bytes, dice)
  }
}

/** A run of letters and digits, or of what is neither, in the place of another. */
function withToken(bytes: Buffer, token: Buffer, dice: Dice): Buffer {
  const at = dice.roll(bytes.length + 1)
  const kind = isWord(bytes[at])
  let from = at
  let end = at
  while (from > 0 && at - from < 40 && isWord(bytes[from - 1]) === kind) from--
  while (end < bytes.length && end - at < 40 && isWord(bytes[end]) === kind) end++
  return Buffer.concat([bytes.subarray(0, from), token, bytes.subarray(end)])
}

const isWord = (byte = 0): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte > 0x7f

function lineAt(bytes: Buffer, at: number): [number, number] {
  const from = at === 0 ? 0 : bytes.lastIndexOf(LF, at - 1) + 1
  const end = bytes.indexOf(LF, at)
  return [from, end < 0 ? bytes.length : end + 1]
}

function lineOf(bytes: Buffer, dice: Dice): Buffer {
  const [from, end] = lineAt(bytes, dice.roll(bytes.length + 1))
  return bytes.subarray(from, end)
}

function withLine(bytes: Buffer, line: Buffer, dice: Dice): Buffer {
  const [from] = lineAt(bytes, dice.roll(bytes.length + 1))
  return Buffer.concat([bytes.subarray(0, from), line, bytes.subarray(from)])
}

function withoutLine(bytes: Buffer, dice: Dice): Buffer {
  const [from, end] = lineAt(bytes, dice.roll(bytes.length + 1))
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(end)])
}

/** Two lines change places. */
function swapped(bytes: Buffer, dice: Dice): Buffer {
  const one = lineAt(bytes, dice.roll(bytes.length + 1))
  const two = lineAt(bytes, dice.roll(bytes.length + 1))
  const [a, b] = one[0] <= two[0] ? [one, two] : [two, one]
  if (a[1] > b[0]) return bytes
  return Buffer.concat([
    bytes.subarray(0, a[0]),
    bytes.subarray(b[0], b[1]),
    bytes.subarray(a[1], b[0]),
    bytes.subarray(a[0], a[1]),
    bytes.subarray(b[1]),
  ])
}

/** Something of it many times over: what takes more than linear time shows. */
function grown(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.roll(bytes.length + 1)
  const unit = dice.roll(2) === 0 ? bytes.subarray(at, at + 1 + dice.roll(12)) : lineOf(bytes, dice)
  if (unit.length === 0) return bytes
  const times = Math.floor(dice.pick([200, 2_000, 8_000, 60_000]) / unit.length)
  return Buffer.concat([bytes.subarray(0, at), ...Array<Buffer>(times).fill(unit), bytes.subarray(at)])
}
