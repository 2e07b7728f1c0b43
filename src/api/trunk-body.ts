import { z } from 'zod'
import { given } from '../model/given.js'
import { safeText } from '../model/text.js'
import { trunkFields, type Trunk, type TrunkFields } from '../model/trunk.js'
import { parseSipDomain } from '../trunks/next-hop.js'
import { password, type PasswordChange } from './password.js'
import { fieldRefused } from './problem.js'
import { optionalFields } from './validation.js'

/** A trunk's password, write-only; null takes it away. */
const trunkPassword = password.nullable().optional()

const { register, ping, inbound_auth, tls, ...plain } = trunkFields.shape
const registerFields = register.unwrap()
const pingFields = ping.unwrap()
const inboundFields = inbound_auth.unwrap().unwrap()
const tlsFields = tls.unwrap().unwrap()

/** A trunk's fields in a request that makes one: those left out have their defaults. */
export const trunkForm = {
  ...optionalFields({ ...plain, register, ping, tls }),
  inbound_auth: inboundFields
    .extend({ password: password.optional() })
    .nullable()
    .optional()
    .describe('Digest credentials that calls from this trunk must show'),
  /** What other platforms call `sip_domain`. */
  termination_uri: safeText(300).optional().describe('The same as `sip_domain`; "sip:" may stand before it'),
  password: trunkPassword,
}

/** A trunk's fields in a request that changes one: what is left out stays, in `register`, `ping`, `tls` and `inbound_auth` too. */
export const trunkChanges = z.strictObject({
  ...optionalFields(plain),
  register: z.strictObject(optionalFields(registerFields.shape)).optional(),
  ping: z.strictObject(optionalFields(pingFields.shape)).optional(),
  tls: z.strictObject(optionalFields(tlsFields.shape)).nullable().optional().describe('null: as all trunks'),
  inbound_auth: z
    .strictObject({ ...optionalFields(inboundFields.shape), password: password.optional() })
    .nullable()
    .optional()
    .describe('null takes it away, with its password'),
  password: trunkPassword,
})
export type TrunkChanges = z.output<typeof trunkChanges>

/** The host that a termination URI names, as `sip_domain` is written. @throws {ApiError} when both are given and differ */
export function sipDomainOf({
  sip_domain,
  termination_uri,
}: {
  sip_domain?: string | null | undefined
  termination_uri?: string | undefined
}): string | null | undefined {
  if (termination_uri === undefined) return sip_domain
  const host = termination_uri.replace(/^sip:/i, '')
  const parsed = trunkFields.shape.sip_domain.safeParse(host)
  if (!parsed.success) throw fieldRefused('termination_uri', parsed.error.issues[0]?.message ?? 'is not a host')
  const usable = parseSipDomain(host)
  if (!usable.ok) throw fieldRefused('termination_uri', usable.why)
  if (typeof sip_domain === 'string' && sip_domain !== host)
    throw fieldRefused('termination_uri', 'is the same as sip_domain, and differs from it: give one of them')
  return host
}

/** What a change makes of a trunk, and of its passwords. @throws {ApiError} when `inbound_auth` comes to be without a username */
export function changedTrunk(
  current: Trunk,
  changes: TrunkChanges,
): { trunk: Trunk; password: PasswordChange; inboundPassword: PasswordChange } {
  const { password: trunkPassword, inbound_auth, register, ping, tls, ...rest } = changes
  const { password: inboundPassword, ...inboundFields } = inbound_auth ?? {}
  let auth = current.inbound_auth
  if (inbound_auth === null) auth = null
  else if (inbound_auth !== undefined) {
    const merged = trunkFields.shape.inbound_auth.safeParse({ ...auth, ...given(inboundFields) })
    if (!merged.success) throw fieldRefused('inbound_auth.username', 'is required')
    auth = merged.data
  }
  return {
    trunk: {
      ...current,
      ...given(rest),
      register: { ...current.register, ...given(register ?? {}) },
      ping: { ...current.ping, ...given(ping ?? {}) },
      tls: tls === undefined ? current.tls : tls && tlsFields.parse({ ...current.tls, ...given(tls) }),
      inbound_auth: auth,
    },
    password: trunkPassword,
    inboundPassword: inbound_auth === null ? null : inboundPassword,
  }
}

/** A trunk without what is ours. */
export function fieldsOf(trunk: Trunk): TrunkFields {
  const { id: _id, account_id: _account, created_at: _created, updated_at: _updated, ...fields } = trunk
  return fields
}
