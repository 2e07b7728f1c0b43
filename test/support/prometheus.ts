interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/** Samples of Prometheus' text format. */
export class Samples {
  readonly #samples: Sample[] = []

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = line.startsWith('#') ? null : LINE.exec(line)
      if (match === null) continue
      const labels = Object.fromEntries([...(match[2] ?? '').matchAll(LABEL)].map(([, name, value]) => [name, value]))
      this.#samples.push({ name: match[1] ?? '', labels: labels as Record<string, string>, value: Number(match[3]) })
    }
  }

  /** Sum over the samples of a name that carry all of `labels`; undefined when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.#samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
  }

  /** As `sum`, 0 when there is none: for counters that exist from their first count on. */
  count(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.sum(name, labels) ?? 0
  }
}
