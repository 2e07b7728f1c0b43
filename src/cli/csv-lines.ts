import { parse } from 'csv-parse/sync'

/** Bytes of one line; longer ones are refused unread. */
export const MAX_LINE_BYTES = 65_536

/** One line of a file: its number, counted from 1, and its text; or why it has none. */
export type Line =
  { readonly number: number; readonly text: string } | { readonly number: number; readonly problem: string }

const LF = 0x0a

/**
 * The lines of a file, one at a time, whatever its size: a line that is too long is passed over without being kept. The byte order mark
 * and line ends (LF, CRLF) are taken away.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  let pending: Buffer[] = []
  let bytes = 0
  const take = (): Line => {
    number += 1
    const whole = Buffer.concat(pending)
    const tooLong = bytes > MAX_LINE_BYTES
    pending = []
    bytes = 0
    if (tooLong) return { number, problem: `the line is longer than ${MAX_LINE_BYTES} bytes` }
    try {
      // The decoder takes a byte order mark away.
      const text = decoder.decode(whole)
      return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
    } catch {
      return { number, problem: 'the line is not UTF-8' }
    }
  }
  const add = (part: Buffer): void => {
    bytes += part.length
    if (bytes <= MAX_LINE_BYTES) pending.push(part)
    else pending = []
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      add(chunk.subarray(from, end))
      yield take()
      from = end + 1
    }
    if (from < chunk.length) add(chunk.subarray(from))
  }
  if (bytes > 0) yield take()
}

/** The cells of a line, or why it cannot be read. No field of ours holds a line break, so a row is a line and a stray quote harms no other. */
export function readCells(text: string, delimiter: string): string[] | { readonly problem: string } {
  try {
    const rows: string[][] = parse(text, {
      delimiter,
      record_delimiter: '\n',
      relax_column_count: true,
      max_record_size: MAX_LINE_BYTES,
    })
    return rows[0] ?? []
  } catch {
    // The parser's own message quotes the line, which may hold a password.
    return {
      problem: 'the line cannot be read: a quotation mark is missing, or stands inside a value without being doubled',
    }
  }
}

/** What separates the cells: a comma, a semicolon or a tab, whichever the header row has. */
export function delimiterOf(header: string): string {
  return [',', ';', '\t'].find((one) => header.includes(one)) ?? ','
}

/** A value as a cell. */
export function formatCell(value: string | number): string {
  const text = String(value)
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
