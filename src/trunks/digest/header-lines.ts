/**
 * Several lines of one header, which must not be joined (RFC 3261 7.3.1: challenges and credentials). Names have no case, so each line
 * gets a spelling of its own: one entry a line.
 */
export function headerLines(name: string, values: readonly string[]): Record<string, string> {
  const lines: Record<string, string> = {}
  for (const value of values) addLine(lines, name, value)
  return lines
}

/** Adds one more line. */
export function addLine(lines: Record<string, string>, name: string, value: string): void {
  let spelling = name
  for (let at = 1; spelling in lines && at < name.length; at++)
    spelling = name.slice(0, at).toLowerCase() + name.charAt(at).toUpperCase() + name.slice(at + 1).toLowerCase()
  lines[spelling] = value
}
