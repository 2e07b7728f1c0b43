/**
 * Text from elsewhere as it may be shown on a terminal: control characters, line breaks and direction marks become `?`, so that
 * nobody's caller name moves the cursor.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '?')
}

/** A value as a table or a list of fields shows it; what is not there is `-`. */
export function show(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(show).join(', ')
  if (typeof value !== 'object') return printable(String(value))
  const entries = Object.entries(value)
  return entries.length === 0 ? '-' : entries.map(([name, inner]) => `${printable(name)}=${show(inner)}`).join(' ')
}

/** Columns of a table: each a heading and what to show of a row. */
export type Columns<Row> = Record<string, (row: Row) => unknown>

/** Rows under headings, columns aligned, no line longer than its last column needs. */
export function table<Row>(rows: readonly Row[], columns: Columns<Row>): string {
  const cells = [Object.keys(columns), ...rows.map((row) => Object.values(columns).map((cell) => show(cell(row))))]
  const widths = Object.keys(columns).map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values, one a line, values aligned; undefined ones are left out. */
export function fields(values: Record<string, unknown>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...given.map(([name]) => name.length))
  return given.map(([name, value]) => `${printable(name).padEnd(width)}  ${show(value)}`).join('\n')
}

/** `3 numbers`, `1 number`, `2 entries`. */
export const count = (many: number, noun: string): string =>
  `${many} ${many === 1 ? noun : `${noun.replace(/(?<=[^aeiou])y$/, 'ie')}s`}`
