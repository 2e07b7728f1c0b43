import { ApiError, fieldRefused } from './problem.js'
import { fieldName } from './validation.js'

const MAX_DEPTH = 32

/** Names that reach an object's prototype when they are copied carelessly. */
const POISON = new Set(['__proto__', 'constructor', 'prototype'])

/** Refuses names that could reach a prototype and nesting that no field of ours has. */
function check(root: unknown): void {
  const waiting: { value: unknown; path: readonly (string | number)[] }[] = [{ value: root, path: [] }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path } = next
    if (typeof value !== 'object' || value === null) continue
    if (path.length >= MAX_DEPTH) throw fieldRefused(fieldName(path.slice(0, 1), 'body'), 'is nested too deeply')
    const entries: Iterable<[string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [key, child] of entries) {
      if (typeof key === 'string' && POISON.has(key))
        throw fieldRefused(fieldName([...path, key], 'body'), 'is not a field of this request')
      if (typeof child === 'object' && child !== null) waiting.push({ value: child, path: [...path, key] })
    }
  }
}

/**
 * Reads a request body; undefined when it is empty.
 * @throws {ApiError} JSON_MALFORMED, VALIDATION_FAILED
 */
export function readJson(text: string): unknown {
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The parser's own message quotes the body, which may hold a password.
    throw new ApiError('JSON_MALFORMED', 'the body must be one JSON object', {}, { cause: error })
  }
  check(value)
  return value
}
