/** What is said by scheme and parameters: challenges, credentials, Authentication-Info (RFC 3261 25.1, RFC 7235 2.1). */

/** One parameter: `text` is what it means, `raw` what stood between the quotes (or the token), to be echoed as it came. */
export interface AuthParam {
  readonly text: string
  readonly raw: string
}

/** One scheme and its parameters. `fault` says why it cannot be used; the ones next to it still can. */
export interface AuthItem {
  /** Lower case; '' for parameters without a scheme. */
  readonly scheme: string
  /** By name in lower case. */
  readonly params: ReadonlyMap<string, AuthParam>
  readonly fault?: string
}

export type AuthItems =
  { readonly ok: true; readonly items: readonly AuthItem[] } | { readonly ok: false; readonly why: string }

const MAX_VALUE_LENGTH = 8_192
const MAX_ITEMS = 16
const MAX_PARAMS = 32
const MAX_PARAM_LENGTH = 1_024

const QUOTE = 0x22
const COMMA = 0x2c
const EQUALS = 0x3d
const BACKSLASH = 0x5c

const TOKEN_PUNCTUATION = new Set([..."-.!%*_+`'~#$&^|/"].map((character) => character.charCodeAt(0)))

const isTokenCode = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x30 && code <= 0x39) ||
  TOKEN_PUNCTUATION.has(code)

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

const isControl = (code: number): boolean => code < 0x20 || (code >= 0x7f && code <= 0x9f)

/** Whether the text has a control character. */
export function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (isControl(text.charCodeAt(at))) return true
  return false
}

/** The text as it stands between quotes: quotes and backslashes escaped. It must have no control characters. */
export function escapeQuoted(text: string): string {
  return text.replace(/["\\]/g, '\\$&')
}

/**
 * Reads a value that may hold several challenges or credentials: several header lines joined by `,`. Linear in its length, and
 * bounded before anything is read: 8 kB, 16 schemes, 32 parameters each, 1 kB a parameter.
 */
export function readAuthItems(value: string): AuthItems {
  if (value.length > MAX_VALUE_LENGTH) return { ok: false, why: `longer than ${MAX_VALUE_LENGTH} characters` }
  const reader = new AuthReader(value)
  const why = reader.read()
  return why === undefined ? { ok: true, items: reader.items } : { ok: false, why }
}

interface OpenItem {
  readonly scheme: string
  readonly params: Map<string, AuthParam>
  fault?: string
}

class AuthReader {
  readonly items: OpenItem[] = []
  #at = 0

  constructor(private readonly value: string) {}

  /** Why the value cannot be read; undefined when it can. */
  read(): string | undefined {
    const { value } = this
    for (let at = 0; at < value.length; at++)
      if (isControl(value.charCodeAt(at)) && !isSpace(value.charCodeAt(at))) return 'has control characters'
    /** What came before leaves no room for another element without a comma. */
    let closed = false
    for (;;) {
      if (this.skipSeparators()) closed = false
      if (this.#at >= value.length) return undefined
      if (closed) return 'a comma is missing'
      const name = this.token()
      if (name === '') return 'a name is missing'
      this.skipSpace()
      if (value.charCodeAt(this.#at) !== EQUALS) {
        if (this.items.length === MAX_ITEMS) return `more than ${MAX_ITEMS} schemes`
        this.items.push({ scheme: name.toLowerCase(), params: new Map() })
        continue
      }
      this.#at += 1
      const why = this.param(name)
      if (why !== undefined) return why
      closed = true
    }
  }

  /** The value of a parameter, after its `=`. */
  private param(name: string): string | undefined {
    if (this.items.length === 0) this.items.push({ scheme: '', params: new Map() })
    const item = this.items.at(-1)!
    this.skipSpace()
    const param = this.value.charCodeAt(this.#at) === QUOTE ? this.quoted() : this.plain(item)
    if (param === undefined) return 'a quoted text has no end'
    if (param.raw.length > MAX_PARAM_LENGTH) item.fault ??= `a parameter is longer than ${MAX_PARAM_LENGTH} characters`
    else if (item.params.size === MAX_PARAMS) item.fault ??= `more than ${MAX_PARAMS} parameters`
    else if (item.params.has(name.toLowerCase())) item.fault ??= 'a parameter comes twice'
    else item.params.set(name.toLowerCase(), param)
    return undefined
  }

  private quoted(): AuthParam | undefined {
    const { value } = this
    const start = this.#at + 1
    let from = start
    let text = ''
    for (let at = start; at < value.length; at++) {
      const code = value.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        return { text: text + value.slice(from, at), raw: value.slice(start, at) }
      }
      if (code !== BACKSLASH) continue
      text += value.slice(from, at)
      at += 1
      from = at
    }
    return undefined
  }

  /** A token; of other schemes anything up to the next comma, such as `abc==`. */
  private plain(item: OpenItem): AuthParam {
    const { value } = this
    const start = this.#at
    let end = start
    while (end < value.length && value.charCodeAt(end) !== COMMA && !isSpace(value.charCodeAt(end))) end += 1
    this.#at = end
    const text = value.slice(start, end)
    if (text === '') item.fault ??= 'a parameter is empty'
    // Some write URIs and base64 without quotes: all is taken but what would be misread when echoed.
    else if (text.includes('"') || text.includes('\\')) item.fault ??= 'a quote stands inside a token'
    return { text, raw: text }
  }

  private token(): string {
    const start = this.#at
    while (this.#at < this.value.length && isTokenCode(this.value.charCodeAt(this.#at))) this.#at += 1
    return this.value.slice(start, this.#at)
  }

  private skipSpace(): void {
    while (this.#at < this.value.length && isSpace(this.value.charCodeAt(this.#at))) this.#at += 1
  }

  /** Whether there was a comma. */
  private skipSeparators(): boolean {
    let comma = false
    for (; this.#at < this.value.length; this.#at++) {
      const code = this.value.charCodeAt(this.#at)
      if (code === COMMA) comma = true
      else if (!isSpace(code)) break
    }
    return comma
  }
}
