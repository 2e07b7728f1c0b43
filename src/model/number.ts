import { z } from 'zod'
import { localId } from './account.js'
import { notReserved, plainText } from './strict-text.js'
import { DEFAULT_ACCOUNT, identifier, instant } from './text.js'

/** `+` and 7 to 15 digits. Whether it is a *possible* number is asked of libphonenumber-js in `routing/`. */
export const e164 = z.string().regex(/^\+[1-9][0-9]{6,14}$/, 'must be E.164: "+" and 7 to 15 digits')

/** A PBX extension or another opaque id: 1 to 32 of letters, digits, `_`, `.`, `*`, `#`, `-`. */
export const extension = notReserved(
  z.string().regex(/^[A-Za-z0-9_.*#-]{1,32}$/, 'must be 1 to 32 letters, digits or any of _ . * # -'),
)

/**
 * A number customers' calls arrive for and agents' calls leave with. Kept as one Redis hash, `signalbox:did:<phone_number>`,
 * that others may read and write: the routing table.
 */
export const numberSchema = z
  .strictObject({
    account_id: identifier.default(DEFAULT_ACCOUNT),
    /** E.164, or the extension itself when `kind` is `extension`. */
    phone_number: z.string().min(1).max(32),
    kind: z.enum(['e164', 'extension']).default('e164'),
    label: plainText(128).default(''),
    trunk_id: identifier,
    inbound_agent_id: identifier.nullable().default(null),
    outbound_agent_ids: z.array(identifier).max(1000).default([]),
    source: z.enum(['custom', 'twilio', 'purchased']).default('custom'),
    enabled: z.boolean().default(true),
    created_at: instant,
    updated_at: instant,
  })
  .superRefine((number, context) => {
    const result = (number.kind === 'e164' ? e164 : extension).safeParse(number.phone_number)
    for (const issue of result.error?.issues ?? [])
      context.addIssue({ code: 'custom', path: ['phone_number'], message: issue.message })
  })

export type PhoneNumber = z.output<typeof numberSchema>

/** The number as its account sees it: with the ids that it gave its trunk and agents. */
export function shownNumber<T extends Pick<PhoneNumber, 'trunk_id' | 'inbound_agent_id' | 'outbound_agent_ids'>>(
  number: T,
): T {
  return {
    ...number,
    trunk_id: localId(number.trunk_id),
    inbound_agent_id: number.inbound_agent_id === null ? null : localId(number.inbound_agent_id),
    outbound_agent_ids: number.outbound_agent_ids.map(localId),
  }
}
