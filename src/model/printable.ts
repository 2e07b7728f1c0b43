/** Text that came from outside, for a log line, a record or a terminal: control characters become '?', at most `maxLength` characters. */
export function printable(text: string, maxLength: number): string {
  if (text.length <= maxLength && !NOT_PLAIN.test(text)) return text
  let shown = ''
  for (const character of text.slice(0, maxLength)) shown += isPrintable(character) ? character : '?'
  return shown
}

function isPrintable(character: string): boolean {
  const code = character.charCodeAt(0)
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029) return false
  // A surrogate alone: iteration gives pairs as one.
  return code < 0xd800 || code > 0xdfff || character.length === 2
}

/** Surrogates too, which take a closer look. */
const NOT_PLAIN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/
