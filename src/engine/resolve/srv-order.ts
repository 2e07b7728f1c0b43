/** What a place in an SRV order depends on. */
export interface Weighted {
  /** Lower is tried first. */
  readonly priority: number
  /** Share of the first tries among records of equal priority. */
  readonly weight: number
}

/**
 * The records in the order to try them: by priority, and among equals drawn by weight (RFC 2782).
 *
 * @param random gives numbers in [0, 1).
 */
export function orderSrv<Record extends Weighted>(records: readonly Record[], random: () => number): Record[] {
  const groups = new Map<number, Record[]>()
  for (const record of records) {
    const group = groups.get(record.priority)
    if (group === undefined) groups.set(record.priority, [record])
    else group.push(record)
  }
  const priorities = [...groups.keys()].sort((a, b) => a - b)
  return priorities.flatMap((priority) => drawByWeight(groups.get(priority) ?? [], random))
}

function drawByWeight<Record extends Weighted>(group: readonly Record[], random: () => number): Record[] {
  // Weight 0 stands first, so that it is drawn only when the number drawn is 0.
  const left = [...group].sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0))
  const drawn: Record[] = []
  while (left.length > 0) {
    const sum = left.reduce((total, record) => total + record.weight, 0)
    const ticket = Math.floor(random() * (sum + 1))
    let running = 0
    // All of weight 0: none is preferred.
    const at = sum === 0 ? Math.floor(random() * left.length) : left.findIndex((r) => (running += r.weight) >= ticket)
    drawn.push(...left.splice(Math.max(at, 0), 1))
  }
  return drawn
}
