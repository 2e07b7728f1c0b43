import { isToken, valueFault } from './chars.js'
import type { CanonicalName } from './header-name.js'
import { canonicalName, usualSpelling } from './header-name.js'
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
  private names: string[] = []
  private values: string[] = []
  private spellings: string[] = []

  /** Header lines. */
  get count(): number {
    return this.names.length
  }

  /** Value of the first line of that name. */
  get(name: CanonicalName): string | undefined {
    const at = this.names.indexOf(name)
    return at < 0 ? undefined : this.values[at]
  }

  /** Values of all lines of that name, one entry a line. */
  getAll(name: CanonicalName): string[] {
    const found: string[] = []
    for (let at = this.names.indexOf(name); at >= 0; at = this.names.indexOf(name, at + 1)) found.push(this.values[at]!)
    return found
  }

  /** Every value of that name, lines that carry several separated by commas taken apart. */
  getList(name: CanonicalName): string[] {
    const found: string[] = []
    for (const line of this.getAll(name)) found.push(...splitList(line))
    return found
  }

  has(name: CanonicalName): boolean {
    return this.names.includes(name)
  }

  /** Puts one line in place of the first of that name and removes the others; appends it when there is none. */
  set(name: CanonicalName, value: string, spelling?: string): void {
    const canonical = checked(name, value, spelling)
    const at = this.names.indexOf(canonical)
    if (at < 0) {
      this.appendUnchecked(canonical, value, spelling ?? spell(name, canonical))
      return
    }
    this.values[at] = value
    if (spelling !== undefined) this.spellings[at] = spelling
    this.removeFrom(at + 1, canonical)
  }

  /** Adds a line after all others. */
  append(name: CanonicalName, value: string, spelling?: string): void {
    const canonical = checked(name, value, spelling)
    this.appendUnchecked(canonical, value, spelling ?? spell(name, canonical))
  }

  /** Adds a line before all others. */
  prepend(name: CanonicalName, value: string, spelling?: string): void {
    const canonical = checked(name, value, spelling)
    this.names.unshift(canonical)
    this.values.unshift(value)
    this.spellings.unshift(spelling ?? spell(name, canonical))
  }

  /** Changes the value of the first line of that name; appends one when there is none. */
  replaceFirst(name: CanonicalName, value: string): void {
    const canonical = checked(name, value, undefined)
    const at = this.names.indexOf(canonical)
    if (at < 0) this.appendUnchecked(canonical, value, spell(name, canonical))
    else this.values[at] = value
  }

  /** Removes the first line of that name, if there is one. */
  removeFirst(name: CanonicalName): void {
    const at = this.names.indexOf(name)
    if (at >= 0) this.removeAt(at)
  }

  /** Removes every line of that name. */
  remove(name: CanonicalName): void {
    this.removeFrom(0, name)
  }

  forEach(visit: (name: CanonicalName, value: string, spelling: string) => void): void {
    for (let at = 0; at < this.names.length; at++) visit(this.names[at]!, this.values[at]!, this.spellings[at]!)
  }

  /** Name of a line, counted from 0. */
  nameAt(line: number): CanonicalName {
    return this.names[line] ?? ''
  }

  /** Value of a line, counted from 0. */
  valueAt(line: number): string {
    return this.values[line] ?? ''
  }

  clone(): Headers {
    const copy = new Headers()
    copy.names = this.names.slice()
    copy.values = this.values.slice()
    copy.spellings = this.spellings.slice()
    return copy
  }

  /** Adds a line whose name, value and spelling come from a parsed message or another `Headers`, so are known to be fit. */
  appendUnchecked(name: CanonicalName, value: string, spelling: string): void {
    this.names.push(name)
    this.values.push(value)
    this.spellings.push(spelling)
  }

  private removeAt(at: number): void {
    this.names.splice(at, 1)
    this.values.splice(at, 1)
    this.spellings.splice(at, 1)
  }

  private removeFrom(first: number, name: CanonicalName): void {
    let kept = this.names.indexOf(name, first)
    if (kept < 0) return
    for (let at = kept; at < this.names.length; at++) {
      if (this.names[at] === name) continue
      this.names[kept] = this.names[at]!
      this.values[kept] = this.values[at]!
      this.spellings[kept] = this.spellings[at]!
      kept++
    }
    this.names.length = kept
    this.values.length = kept
    this.spellings.length = kept
  }
}

/** @throws {RangeError} when the name is no token, the spelling is another header's, or the value could split the header. */
function checked(name: string, value: string, spelling: string | undefined): CanonicalName {
  const canonical = canonicalName(name)
  if (!isToken(canonical)) throw new RangeError(`header name ${JSON.stringify(name)} is not a token`)
  if (spelling !== undefined && canonicalName(spelling) !== canonical)
    throw new RangeError(`header ${canonical} cannot be spelled ${JSON.stringify(spelling)}`)
  const fault = valueFault(value)
  if (fault !== undefined) throw new RangeError(`header ${usualSpelling(canonical)}: the value contains ${fault}`)
  return canonical
}

/** A caller that gives a name with capitals means that spelling. */
function spell(name: string, canonical: CanonicalName): string {
  return name === canonical || name.length === 1 ? usualSpelling(canonical) : name
}
