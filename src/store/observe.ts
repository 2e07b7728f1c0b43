/** What the store and routing ask of a logger; pino's fits. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

interface Count<Labels> {
  inc(labels: Labels, value?: number): void
}

interface PlainCount {
  inc(value?: number): void
}

interface Level {
  set(value: number): void
}

/** How Redis is doing; `telemetry/`'s metrics fit. */
export interface ConnectionMetrics {
  readonly redisSeconds: { observe(labels: { operation: string }, seconds: number): void }
  readonly redisErrors: Count<{ operation: string }>
  readonly redisUp: Level
}

/** How routing look-ups are answered. */
export interface LookupMetrics {
  readonly routeLookups: Count<{ result: string }>
  readonly routeRecordsInvalid: PlainCount
}

/** How call records get away. */
export interface CdrMetrics {
  readonly cdrQueue: Level
  readonly cdrsWritten: PlainCount
  readonly cdrsDropped: PlainCount
}

/** How events get away. */
export interface EventMetrics {
  readonly eventsDropped: PlainCount
}
