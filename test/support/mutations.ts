/** A generator of numbers that is the same every time: xorshift32. */
export class Dice {
  constructor(private state: number) {}

  /** A whole number from 0 to `sides` - 1. */
  roll(sides: number): number {
    this.state ^= this.state << 13
    this.state ^= this.state >>> 17
    this.state ^= this.state << 5
    return (this.state >>> 0) % sides
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.roll(choices.length)] as T
  }
}

const morsels = [
  '\r\n', '\n', '\r', '\r\n ', '\r\n\r\n', '\0', '\\', '"', '""', '<', '>', '<>', ',', ';', ';;', '=', ':', '::', ':::', '@', '%', '%00', '%4', '/', '?', '&',
  '[', ']', '[::1]', ' ', '\t', '    ', '*', '\x7f', '\xff', '\xc3\xa9', 'SIP/2.0', 'SIP/7.0', 'sip:', 'sips:', 'tel:', ';tag=x', ';branch=', 'Via: ', 'v:',
  'Content-Length: 5\r\n', 'l: 99999999999\r\n', 'Content-Length: -1\r\n', '4294967296', '-1', '00', 'INVITE', 'ACK', 'Contact: *\r\n', '|', '#', 'a'.repeat(300),
] // prettier-ignore

/** `seed` with one to four changes: bytes flipped, cut out, doubled or put in, or a part of `other` spliced in. */
export function mutate(seed: Buffer, other: Buffer, dice: Dice): Buffer {
  let bytes = seed
  for (let change = 1 + dice.roll(4); change > 0; change--) {
    const at = dice.roll(bytes.length + 1)
    const length = dice.roll(dice.pick([2, 10, 100]))
    const before = bytes.subarray(0, at)
    const after = bytes.subarray(at)
    switch (dice.roll(6)) {
      case 0:
        bytes = Buffer.concat([before, Buffer.from([dice.roll(256)]), after.subarray(1)])
        break
      case 1:
        bytes = Buffer.concat([before, after.subarray(length)])
        break
      case 2:
        bytes = Buffer.concat([before, after.subarray(0, length), after])
        break
      case 3:
        bytes = Buffer.concat([before, other.subarray(dice.roll(other.length + 1)).subarray(0, length), after])
        break
      case 4:
        bytes =
          before.length > 0 && dice.roll(4) === 0
            ? Buffer.from(before)
            : Buffer.concat([before, Buffer.from(dice.pick(morsels), 'latin1'), after])
        break
      default:
        bytes = Buffer.concat([before, Buffer.from(dice.pick(morsels), 'latin1'), after])
    }
  }
  return bytes
}
