import { z } from 'zod'
import { roles } from './api-token.js'
import { instant } from './text.js'

const fields = z.record(z.string(), z.unknown()).nullable()

/** A change that was made through the API, or one that was refused with 403. */
export const auditEntrySchema = z.object({
  at: instant,
  action: z
    .string()
    .describe('`number.create`, `trunk.update`, `token.revoke`; of a refused request, its method and route'),
  outcome: z.enum(['done', 'refused']),
  object: z
    .string()
    .nullable()
    .describe('The id of what was changed: a phone number, a trunk, an agent, a call, a token'),
  account_id: z.string().nullable().describe('Whose it is; null: it concerns all accounts'),
  by: z
    .object({
      name: z.string().describe('Name of the token'),
      token_id: z.string().nullable().describe('Null: the admin token of the configuration'),
      role: z.enum(roles),
      account_id: z.string().nullable().describe('The account the token is bound to'),
    })
    .describe('Who did it'),
  via: z.enum(['api', 'cli']).describe('How, as the client says itself'),
  source_address: z.string(),
  request_id: z.string().describe('As in the log, and in `instance` of a problem document'),
  before: fields.describe('The fields that changed, or all of what was removed; never secrets'),
  after: fields.describe('The fields that changed, or all of what is new; passwords are "(set)" or "(changed)"'),
  detail: z.string().nullable().describe('Why it was refused'),
})

export type AuditEntry = z.output<typeof auditEntrySchema>

/** An entry as it is read: with its place in the stream. */
export const listedAuditEntry = z.object({ id: z.string(), ...auditEntrySchema.shape })

export type ListedAuditEntry = z.output<typeof listedAuditEntry>
