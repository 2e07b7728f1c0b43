import { Counter, Gauge, type Registry } from 'prom-client'

/** What is counted of those who are turned away. */
export interface ObservedAccess {
  /** Messages and connections turned away at the door, by why. */
  turnedAway(): Readonly<Record<string, number>>
  /** Sources banned now. */
  bansActive(): number
  /** New calls refused for want of room or time, by cause. */
  shed(): Readonly<Record<string, number>>
}

/** Adds what the door counts: it counts by itself, so that a flood costs no more. */
export function addAccessMetrics(registry: Registry, access: ObservedAccess): void {
  const registers = [registry]
  new Counter({
    name: 'signalbox_refused_at_door_total',
    help: 'Messages and connections of unknown sources that were turned away before anything was kept of them, by reason',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of Object.entries(access.turnedAway())) this.inc({ reason }, count)
    },
  })
  new Gauge({
    name: 'signalbox_bans_active',
    help: 'Unknown sources that are banned now',
    registers,
    collect() {
      this.set(access.bansActive())
    },
  })
  new Counter({
    name: 'signalbox_shed_total',
    help: 'New calls refused because this edge was at its limit, by cause: event_loop, stale (nobody waited any more) or max_calls',
    labelNames: ['cause'],
    registers,
    collect() {
      this.reset()
      for (const [cause, count] of Object.entries(access.shed())) this.inc({ cause }, count)
    },
  })
}
