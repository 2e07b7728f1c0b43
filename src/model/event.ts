import { z } from 'zod'
import { bindingEventSchema } from './binding.js'
import { liveCallSchema, cdrSchema } from './call.js'
import { registrationSchema } from './registration.js'
import { identifier, instant } from './text.js'

const bindingEventType = z.enum(['binding.created', 'binding.removed', 'binding.expired'])

export const eventType = z.enum([
  'registration',
  ...bindingEventType.options,
  'call.started',
  'call.ringing',
  'call.answered',
  'call.ended',
])
export type EventType = z.output<typeof eventType>

/** What happens, as `GET /v1/events` streams it. */
export const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('registration'), at: instant, account_id: identifier, data: registrationSchema }),
  z.object({ type: bindingEventType, at: instant, account_id: identifier, data: bindingEventSchema }),
  z.object({
    type: z.enum(['call.started', 'call.ringing', 'call.answered']),
    at: instant,
    account_id: identifier.nullable(),
    data: liveCallSchema,
  }),
  z.object({ type: z.literal('call.ended'), at: instant, account_id: identifier.nullable(), data: cdrSchema }),
])
export type SignalboxEvent = z.output<typeof eventSchema>

/** Where events are told. Never throws, never waits. */
export interface EventSink {
  publish(event: SignalboxEvent): void
}
