import { Dice } from '../support/mutations.js'

/** Something that reads what others send us, and what must be true of whatever comes of it. */
export interface Reader {
  /** Also the name of the folder of its seeds, and of that of its crashers. */
  readonly name: string
  /**
   * Reads the bytes; gives whether they were taken for good. The same bytes give the same.
   * @throws when what came of them breaks a rule, or when the reading itself throws
   */
  read(bytes: Buffer): boolean | Promise<boolean>
}

/** Dice that depend on nothing but the bytes: what a reader decides by chance is decided so again when a crasher is replayed. */
export function diceOf(bytes: Buffer): Dice {
  let state = 0x811c9dc5
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193)
  return new Dice((state >>> 0) % 0x7fffffff || 1)
}

/** Throws when `holds` is false, saying what should have been. */
export function must(holds: boolean, rule: string, shown: unknown = ''): void {
  if (!holds) throw new Error(shown === '' ? rule : `${rule}: ${JSON.stringify(shown)}`)
}

/** Whether a text has a character that ends a line or a string. */
export const breaksLine = (text: string): boolean => /[\r\n\0]/.test(text)

/** Both as JSON, with maps as lists of their entries. */
export const same = (one: unknown, other: unknown): boolean => inText(one) === inText(other)

const inText = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) => (inner instanceof Map ? [...inner] : inner))
