import { DIGIT, TOKEN, decimal, skip, skipSpace } from './chars.js'

export interface CSeq {
  /** 0 to 2^31 - 1. */
  readonly number: number
  readonly method: string
}

/** Largest sequence number (RFC 3261 8.1.1.5). */
export const maxCSeq = 2 ** 31 - 1

/** The CSeq in a header value, or undefined when it is not one number below 2^31, space, and one method. */
export function parseCSeq(value: string): CSeq | undefined {
  const end = value.length
  const digits = skip(value, 0, end, DIGIT)
  const number = decimal(value, 0, digits)
  if (number < 0 || number > maxCSeq) return undefined
  const start = skipSpace(value, digits, end)
  if (start === digits || start === end || skip(value, start, end, TOKEN) !== end) return undefined
  return { number, method: value.slice(start) }
}

export function formatCSeq(cseq: CSeq): string {
  return `${cseq.number} ${cseq.method}`
}
