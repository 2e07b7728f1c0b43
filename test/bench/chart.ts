import { cleanSteps, type Step, type SystemName, type SystemResult } from './results.js'

const WIDTH = 760
const HEIGHT = 420
const PLOT = { left: 64, right: 24, top: 72, bottom: 56 }

/** Colours that hold on a light and on a dark ground. */
const COLOURS: Readonly<Record<SystemName, string>> = {
  signalbox: '#2f81f7',
  drachtio: '#d9730d',
  kamailio: '#2da44e',
  direct: '#8b949e',
}
const NAMES: Readonly<Record<SystemName, string>> = {
  signalbox: 'Signalbox, the whole edge',
  drachtio: 'drachtio-server, smallest B2BUA',
  kamailio: 'Kamailio, stateful proxy',
  direct: 'SIPp direct',
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign)

/** 1, 2 and 5 times powers of ten that cover `low` to `high`. */
export function logarithmicTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of [1, 2, 5]) ticks.push(Number((step * 10 ** power).toPrecision(1)))
  const first = ticks.findLastIndex((tick) => tick <= low)
  const last = ticks.findIndex((tick) => tick >= high)
  return ticks.slice(Math.max(first, 0), last < 0 ? undefined : last + 1)
}

/** Round steps from 0 to at least `high`, at most eight of them. */
export function linearTicks(high: number): number[] {
  const rough = Math.max(high, 1) / 8
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? 10 * power
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, i) => Number((i * step).toPrecision(12)))
}

/** Of several runs of a rate the last clean one, or else the last. Rates rise. */
function pointsOf(system: SystemResult): Step[] {
  const byRate = new Map(system.steps.map((step) => [step.rate, step]))
  for (const [rate, step] of cleanSteps(system)) byRate.set(rate, step)
  return [...byRate.values()].filter(({ p99_ms }) => p99_ms > 0).sort((a, b) => a.rate - b.rate)
}

/** p99 of INVITE to 200 over the call rate, one line a system; a rate with failures or repeats is a cross. */
export function p99Chart(systems: readonly SystemResult[], subtitle: string): string {
  const lines = systems.map((system) => ({ name: system.name, points: pointsOf(system) }))
  const shown = lines.filter(({ points }) => points.length > 0)
  const all = shown.flatMap(({ points }) => points)
  const xTicks = linearTicks(Math.max(10, ...all.map(({ rate }) => rate)))
  const low = Math.min(...all.map(({ p99_ms }) => p99_ms), 10)
  const yTicks = logarithmicTicks(low, Math.max(...all.map(({ p99_ms }) => p99_ms), 20))
  const [yLow = 1, yHigh = 10, xHigh = 1] = [yTicks[0], yTicks.at(-1), xTicks.at(-1)]
  const bottom = HEIGHT - PLOT.bottom
  const right = WIDTH - PLOT.right
  const x = (rate: number): string => (PLOT.left + (rate / xHigh) * (right - PLOT.left)).toFixed(1)
  const y = (ms: number): string =>
    (bottom - (Math.log(ms / yLow) / Math.log(yHigh / yLow)) * (bottom - PLOT.top)).toFixed(1)
  const grid = [
    ...yTicks.map(
      (tick) =>
        `<path class="grid" d="M${PLOT.left} ${y(tick)}H${right}"/><text x="${PLOT.left - 8}" y="${y(tick)}" dy="4" text-anchor="end">${tick}</text>`,
    ),
    ...xTicks.map(
      (tick) =>
        `<path class="grid" d="M${x(tick)} ${bottom}v5"/><text x="${x(tick)}" y="${bottom + 20}" text-anchor="middle">${tick}</text>`,
    ),
  ]
  const curves = shown.map(({ name, points }) => {
    const path = points.map(({ rate, p99_ms }, i) => `${i === 0 ? 'M' : 'L'}${x(rate)} ${y(p99_ms)}`).join('')
    const marks = points.map(({ rate, p99_ms, clean }) =>
      clean
        ? `<circle cx="${x(rate)}" cy="${y(p99_ms)}" r="3.5" fill="${COLOURS[name]}"/>`
        : `<path d="M${x(rate)} ${y(p99_ms)}m-5-5l10 10m0-10l-10 10" stroke="${COLOURS[name]}" stroke-width="2.5"/>`,
    )
    return `<g><path d="${path}" fill="none" stroke="${COLOURS[name]}" stroke-width="2" stroke-linejoin="round"/>${marks.join('')}</g>`
  })
  const legend = shown.map(
    ({ name }, i) =>
      `<g transform="translate(${PLOT.left + 12} ${PLOT.top + 16 + i * 20})"><path d="M0 0h22" stroke="${COLOURS[name]}" stroke-width="2"/><circle cx="11" cy="0" r="3.5" fill="${COLOURS[name]}"/><text x="30" y="4">${escape(NAMES[name])}</text></g>`,
  )
  const crosses = all.some(({ clean }) => !clean)
    ? `<text class="small" x="${right}" y="${PLOT.top - 8}" text-anchor="end">cross: calls failed or messages were repeated</text>`
    : ''
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="p99 of INVITE to 200 over calls a second">
<style>
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #424a53 }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.small { font-size: 11px }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #b1bac4 }
.title { fill: #f0f6fc }
.ground { fill: #0d1117 }
.grid { stroke: #30363d }
}
</style>
<rect class="ground" width="${WIDTH}" height="${HEIGHT}" rx="6"/>
<text class="title" x="${PLOT.left}" y="26">INVITE to 200, 99th percentile, over the call rate</text>
<text class="small" x="${PLOT.left}" y="46">${escape(subtitle)}</text>
${crosses}
${grid.join('\n')}
<text x="${(PLOT.left + right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">calls a second</text>
<text transform="translate(18 ${(PLOT.top + bottom) / 2}) rotate(-90)" text-anchor="middle">milliseconds, logarithmic</text>
${curves.join('\n')}
${legend.join('\n')}
</svg>
`
}
