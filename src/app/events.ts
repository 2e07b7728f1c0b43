import type { Config } from '../config/index.js'
import { Events, type EventsOptions } from '../store/events.js'

/** The event stream, as the configuration wants it. */
export function createEvents(
  { events }: Config,
  parts: Pick<EventsOptions, 'connection' | 'clock' | 'metrics' | 'logger'>,
): Events {
  return new Events({ ...parts, streamMaxLength: events.stream_max_length, queueMax: events.queue_max })
}
