import { isToken, valueFault } from './chars.js'
import type { CanonicalName, LineName } from './header-name.js'
import { lineName, usualSpelling } from './header-name.js'
import { splitList } from './list.js'

export { canonicalName, usualSpelling } from './header-name.js'
export type { CanonicalName } from './header-name.js'

/**
 * The header lines of a message, in their order and with the spelling they came in.
 *
 * Names are given in canonical form ('via', 'call-id'). Values are byte strings, unfolded and without space around them.
 * Every method that takes a value throws a RangeError that names the header when the value holds CR, LF, a character that is
 * no byte, or a NUL that is not escaped inside a quoted string: no caller can split a header.
 */
export class Headers {
  private names: LineName[] = []
  private values: string[] = []

  /** Header lines. */
  get count(): number {
    return this.names.length
  }

  /** Value of the first line of that name. */
  get(name: CanonicalName): string | undefined {
    const at = this.indexOf(name, 0)
    return at < 0 ? undefined : this.values[at]
  }

  /** Values of all lines of that name, one entry a line. */
  getAll(name: CanonicalName): string[] {
    const found: string[] = []
    for (let at = this.indexOf(name, 0); at >= 0; at = this.indexOf(name, at + 1)) found.push(this.values[at]!)
    return found
  }

  /** Every value of that name, lines that carry several separated by commas taken apart. */
  getList(name: CanonicalName): string[] {
    const found: string[] = []
    for (const line of this.getAll(name)) found.push(...splitList(line))
    return found
  }

  has(name: CanonicalName): boolean {
    return this.indexOf(name, 0) >= 0
  }

  /** Puts one line in place of the first of that name and removes the others; appends it when there is none. */
  set(name: CanonicalName, value: string, spelling?: string): void {
    const line = checked(name, value, spelling)
    const at = this.indexOf(line.canonical, 0)
    if (at < 0) {
      this.appendLine(line, value)
      return
    }
    this.values[at] = value
    if (spelling !== undefined) this.names[at] = line
    this.removeFrom(at + 1, line.canonical)
  }

  /** Adds a line after all others. */
  append(name: CanonicalName, value: string, spelling?: string): void {
    this.appendLine(checked(name, value, spelling), value)
  }

  /** Adds a line before all others. */
  prepend(name: CanonicalName, value: string, spelling?: string): void {
    this.names.unshift(checked(name, value, spelling))
    this.values.unshift(value)
  }

  /** Changes the value of the first line of that name; appends one when there is none. */
  replaceFirst(name: CanonicalName, value: string): void {
    const line = checked(name, value, undefined)
    const at = this.indexOf(line.canonical, 0)
    if (at < 0) this.appendLine(line, value)
    else this.values[at] = value
  }

  /** Removes the first line of that name, if there is one. */
  removeFirst(name: CanonicalName): void {
    const at = this.indexOf(name, 0)
    if (at < 0) return
    this.names.splice(at, 1)
    this.values.splice(at, 1)
  }

  /** Removes every line of that name. */
  remove(name: CanonicalName): void {
    this.removeFrom(0, name)
  }

  forEach(visit: (name: CanonicalName, value: string, spelling: string) => void): void {
    for (let at = 0; at < this.names.length; at++) {
      const { canonical, spelling } = this.names[at]!
      visit(canonical, this.values[at]!, spelling)
    }
  }

  /** Name of a line that there is, counted from 0. */
  nameAt(line: number): LineName {
    return this.names[line]!
  }

  /** Value of a line that there is, counted from 0. */
  valueAt(line: number): string {
    return this.values[line]!
  }

  clone(): Headers {
    const copy = new Headers()
    copy.names = this.names.slice()
    copy.values = this.values.slice()
    return copy
  }

  /** Adds a line whose name and value come from a parsed message or another `Headers`, so are known to be fit. */
  appendLine(name: LineName, value: string): void {
    this.names.push(name)
    this.values.push(value)
  }

  private indexOf(name: CanonicalName, from: number): number {
    const { names } = this
    for (let at = from; at < names.length; at++) if (names[at]!.canonical === name) return at
    return -1
  }

  private removeFrom(first: number, name: CanonicalName): void {
    let kept = this.indexOf(name, first)
    if (kept < 0) return
    for (let at = kept; at < this.names.length; at++) {
      if (this.names[at]!.canonical === name) continue
      this.names[kept] = this.names[at]!
      this.values[kept] = this.values[at]!
      kept++
    }
    this.names.length = kept
    this.values.length = kept
  }
}

/**
 * How the line is spelled: as given; else as a name with capitals is, for whoever gives one means that; else as usual.
 * @throws {RangeError} when the name is no token, the spelling is another header's, or the value could split the header.
 */
function checked(name: string, value: string, spelling: string | undefined): LineName {
  const given = lineName(name)
  const { canonical } = given
  if (!isToken(canonical)) throw new RangeError(`header name ${JSON.stringify(name)} is not a token`)
  const line =
    spelling !== undefined
      ? lineName(spelling)
      : name === canonical || name.length === 1
        ? lineName(usualSpelling(canonical))
        : given
  if (line.canonical !== canonical)
    throw new RangeError(`header ${canonical} cannot be spelled ${JSON.stringify(spelling)}`)
  const fault = valueFault(value)
  if (fault !== undefined) throw new RangeError(`header ${usualSpelling(canonical)}: the value contains ${fault}`)
  return line
}
