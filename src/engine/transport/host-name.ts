/** Longest host name DNS has, in letters. */
const maxLength = 253

/**
 * A host name that may be asked of DNS: labels of letters, digits, `-` and `_`, a last dot allowed. A name whose last label is a
 * number is none: resolvers read `127.1` or `0x7f000001` as addresses.
 */
export function isHostName(name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  if (bare === '' || bare.length > maxLength) return false
  const labels = bare.split('.')
  return labels.every(isLabel) && !isNumber(labels[labels.length - 1] ?? '')
}

function isLabel(label: string): boolean {
  if (label === '' || label.length > 63 || label.startsWith('-') || label.endsWith('-')) return false
  for (let i = 0; i < label.length; i++) {
    const c = label.charCodeAt(i) | 0x20
    const good = (c >= 0x61 && c <= 0x7a) || label[i] === '_' || label[i] === '-' || isDigit(label, i)
    if (!good) return false
  }
  return true
}

function isDigit(text: string, i: number): boolean {
  const c = text.charCodeAt(i)
  return c >= 0x30 && c <= 0x39
}

/** Decimal, or hexadecimal after `0x`, as old resolvers read it. */
function isNumber(label: string): boolean {
  return /^(?:\d+|0[xX][0-9a-fA-F]*)$/.test(label)
}
