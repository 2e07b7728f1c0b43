import { z } from 'zod'
import { isScopedId } from './account.js'
import { identifier, instant, safeText } from './text.js'

/** Longest URI of a contact that is taken, in characters. */
export const MAX_CONTACT_LENGTH = 512
/** Proxies that a REGISTER may have come by (RFC 3327), at most. */
export const MAX_PATH = 8

/** No spaces, brackets, quotes, line breaks or other characters that no URI has. */
export const uriText = z
  .string()
  .max(MAX_CONTACT_LENGTH)
  .regex(/^sips?:[^\s<>"?,\\^`{|}]+$/i, 'must be a SIP URI without headers')
  .regex(/^[\x21-\x7e]*$/, 'must be of ASCII characters')

/** A contact that a PBX has registered with us: where calls to it go until it ends (RFC 3261 10.3). */
export const bindingSchema = z.object({
  /** Its URI as it came. */
  contact: uriText,
  /** Where the REGISTER came from: IP literal without brackets. */
  transport: z.enum(['udp', 'tcp', 'tls']),
  address: z.union([z.ipv4(), z.ipv6()]),
  port: z.number().int().min(1).max(65_535),
  /** Its address as it knows it is not where it came from: it can be reached where it came from alone. */
  natted: z.boolean(),
  /** 0 to 1: contacts with more are tried first. */
  q: z.number().min(0).max(1),
  expires_at: instant,
  /** Since when it is bound without a gap. */
  since: instant,
  user_agent: safeText(128).nullable(),
  call_id: safeText(256),
  cseq: z.number().int().min(0).max(0xffff_ffff),
  /** `+sip.instance` and `reg-id` (RFC 5626): together they name the flow whatever the URI. */
  instance: safeText(256).nullable(),
  reg_id: z.number().int().min(1).max(0x7fff_ffff).nullable(),
  /** URIs of the proxies it came by, the nearest to us first (RFC 3327). */
  path: z.array(uriText).max(MAX_PATH),
  /** The edge that took it. */
  edge_id: z.string().max(64),
  /** The life of that edge, whose connections end with it. */
  edge_life: z.string().max(64),
})
export type Binding = z.output<typeof bindingSchema>

/** The contacts of one trunk, as they stand in Redis. */
export const bindingsSchema = z.object({
  /** The id inside. */
  trunk_id: z.string().refine(isScopedId),
  account_id: identifier,
  /** User and realm of the `inbound_auth` they were registered with: another one ends them. */
  user: z.string().max(300),
  bindings: z.array(bindingSchema).max(50),
})
export type TrunkBindings = z.output<typeof bindingsSchema>

/** A contact as people see it. */
export const bindingViewSchema = z.object({
  contact: z.string(),
  /** Where its REGISTER came from: `sip:192.0.2.7:40112;transport=tcp` */
  source: z.string(),
  expires_in_s: z.number().int(),
  user_agent: z.string().nullable(),
  since: instant,
  q: z.number(),
  /** The edge that took it. */
  edge_id: z.string(),
})
export type BindingView = z.output<typeof bindingViewSchema>

/** What is told of a contact that comes or goes. */
export const bindingEventSchema = z.object({
  account_id: identifier,
  trunk_id: identifier,
  contact: z.string(),
  source: z.string(),
  user_agent: z.string().nullable(),
  since: instant,
  expires_at: instant,
  edge_id: z.string(),
})
export type BindingEvent = z.output<typeof bindingEventSchema>

/** `sip:192.0.2.7:40112;transport=tcp` */
export function sourceOf({ transport, address, port }: Pick<Binding, 'transport' | 'address' | 'port'>): string {
  return `sip:${address.includes(':') ? `[${address}]` : address}:${port};transport=${transport}`
}

export function showBinding(binding: Binding, nowMs: number): BindingView {
  const { contact, user_agent, since, q, edge_id } = binding
  const expires_in_s = Math.max(0, Math.ceil((Date.parse(binding.expires_at) - nowMs) / 1000))
  return { contact, source: sourceOf(binding), expires_in_s, user_agent, since, q, edge_id }
}
