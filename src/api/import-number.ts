import { randomBytes, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { extension, numberSchema, type PhoneNumber } from '../model/number.js'
import { DEFAULT_ACCOUNT, identifier, safeText } from '../model/text.js'
import { trunkFields, type Trunk, type TrunkFields } from '../model/trunk.js'
import { normaliseNumber } from '../routing/normalise.js'
import { ApiError, fieldRefused, type FieldError } from './problem.js'
import type { Services } from './services.js'
import { answerOf } from './store-answer.js'
import { checkDestinations, given, trunkPassword } from './trunks.js'
import { optionalFields, validationFailed } from './validation.js'
import { namedBody } from './views.js'

const { label, inbound_agent_id, outbound_agent_ids, source, enabled, kind } = numberSchema.shape
// The label of an import is the number's: a trunk shared by several numbers has none of its own until it is given one.
const { label: _trunkLabel, ...inlineTrunk } = trunkFields.shape

/** A number, as `POST /v1/numbers` takes it: with the trunk it belongs to, or that trunk's fields. */
export const numberImport = namedBody(
  'NumberImport',
  z.strictObject({
    phone_number: safeText(64).describe(
      'E.164, any usual spelling of it, or national with `country`; an extension with `kind`',
    ),
    kind,
    label,
    source,
    enabled,
    inbound_agent_id,
    outbound_agent_ids,
    replace: z.boolean().default(false).describe('Take the number over from the inbound agent it has now'),
    trunk_id: identifier.optional().describe('An existing trunk, in place of the fields below'),
    ...optionalFields(inlineTrunk),
    password: trunkPassword.optional(),
  }),
)
export type NumberImport = z.output<typeof numberImport>

/** The stored form of a number as people write it. @throws {ApiError} NUMBER_IMPOSSIBLE, VALIDATION_FAILED */
export function readNumber(
  text: string,
  options: { kind: PhoneNumber['kind']; country?: string | null | undefined },
): string {
  if (options.kind === 'extension') {
    const parsed = extension.safeParse(text)
    if (!parsed.success) throw fieldRefused('phone_number', parsed.error.issues[0]?.message ?? 'is not an extension')
    return parsed.data
  }
  const normalised = normaliseNumber(text, { country: options.country })
  if (!normalised.ok) throw fieldRefused('phone_number', normalised.why, 'NUMBER_IMPOSSIBLE')
  return normalised.e164
}

/** Refuses agents that do not exist, naming each. */
export async function checkAgents(
  agents: Services['agents'],
  named: { inbound_agent_id?: string | null | undefined; outbound_agent_ids?: readonly string[] | undefined },
): Promise<void> {
  const fields = new Map<string, string>()
  named.outbound_agent_ids?.forEach((id, index) => fields.set(id, `outbound_agent_ids[${index}]`))
  if (typeof named.inbound_agent_id === 'string') fields.set(named.inbound_agent_id, 'inbound_agent_id')
  const errors: FieldError[] = []
  await Promise.all(
    [...fields].map(async ([id, field]) => {
      const agent = await answerOf('agent', agents.get(id))
      if (agent === undefined) errors.push({ field, message: `there is no agent "${id}"` })
    }),
  )
  if (errors.length === 0) return
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new ApiError('AGENT_UNKNOWN', detail, { errors })
}

/** The trunk fields a request carries, with their defaults; undefined when it carries none. */
function inlineFields(body: NumberImport): TrunkFields | undefined {
  const names = Object.keys(inlineTrunk) as (keyof typeof inlineTrunk)[]
  // `country` alone says how the number is written, not which trunk it is on.
  const present = names.filter((name) => body[name] !== undefined && name !== 'country')
  if (body.trunk_id !== undefined) {
    const both = body.password === undefined ? present : [...present, 'password']
    if (both.length > 0)
      throw validationFailed(
        both.map((field) => ({ field, message: 'belongs to a trunk: give trunk_id or trunk fields, not both' })),
      )
    return undefined
  }
  if (!body.sip_domain && !body.outbound_proxy && (body.allowed_addresses ?? []).length === 0)
    throw fieldRefused(
      'trunk_id',
      'is required, or the fields of a trunk: sip_domain, outbound_proxy or allowed_addresses',
    )
  return trunkFields.parse(given(Object.fromEntries(names.map((name) => [name, body[name]]))))
}

const samePassword = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Finds or makes the trunk of an import. */
async function trunkOf(body: NumberImport, services: Services): Promise<{ trunk: Trunk; created: boolean }> {
  const fields = inlineFields(body)
  if (fields === undefined) {
    const id = body.trunk_id ?? ''
    const trunk = await answerOf('trunk', services.trunks.get(id))
    if (trunk === undefined) throw fieldRefused('trunk_id', `there is no trunk "${id}"`, 'TRUNK_UNKNOWN')
    return { trunk, created: false }
  }
  checkDestinations(fields)
  const id = `trunk-${randomBytes(6).toString('hex')}`
  const found = await answerOf('trunk', services.trunks.findOrCreate({ ...fields, id, account_id: DEFAULT_ACCOUNT }))
  if (typeof body.password === 'string') await keepPassword(found.trunk.id, body.password, services)
  return found
}

/** A password that differs from the one the trunk has is refused: other numbers register and call with that one. */
async function keepPassword(trunkId: string, password: string, { passwords }: Services): Promise<void> {
  const present = await answerOf('trunk', passwords.trunk.get(trunkId))
  if (present === undefined) await answerOf('trunk', passwords.trunk.replace(trunkId, password))
  else if (!samePassword(present, password))
    throw new ApiError(
      'TRUNK_PASSWORD_DIFFERS',
      `trunk "${trunkId}" has the same fields and another password; change it with PATCH /v1/trunks/${trunkId}, or give trunk_id`,
      { errors: [{ field: 'password', message: 'differs from the password of the trunk with the same fields' }] },
    )
}

/** Why the number cannot be added although nothing is wrong with the request, or undefined. */
function clash(body: NumberImport, present: PhoneNumber): ApiError | undefined {
  if (body.replace) return undefined
  const has = present.inbound_agent_id
  const extras = { inbound_agent_id: has }
  if (body.inbound_agent_id !== null && has !== null && has !== body.inbound_agent_id)
    return new ApiError(
      'INBOUND_AGENT_TAKEN',
      `${present.phone_number} is answered by agent "${has}"; say "replace": true to take it over`,
      extras,
    )
  return new ApiError('NUMBER_TAKEN', `${present.phone_number} exists already, on trunk "${present.trunk_id}"`, extras)
}

/**
 * Adds a number, and the trunk its fields describe unless one with equal fields exists. All or nothing: a trunk made for a number
 * that then cannot be added is taken away again.
 */
export async function importNumber(
  body: NumberImport,
  services: Services,
): Promise<{ number: PhoneNumber; trunk: Trunk; created: boolean }> {
  const phoneNumber = readNumber(body.phone_number, body)
  await checkAgents(services.agents, body)
  const present = await answerOf('number', services.numbers.get(phoneNumber))
  const refusal = present === undefined ? undefined : clash(body, present)
  if (refusal !== undefined) throw refusal

  const { trunk, created } = await trunkOf(body, services)
  try {
    const number = await answerOf(
      'number',
      services.numbers.create(
        {
          account_id: DEFAULT_ACCOUNT,
          phone_number: phoneNumber,
          kind: body.kind,
          label: body.label,
          trunk_id: trunk.id,
          inbound_agent_id: body.inbound_agent_id,
          outbound_agent_ids: body.outbound_agent_ids,
          source: body.source,
          enabled: body.enabled,
        },
        { replaceInbound: body.replace },
      ),
    )
    return { number, trunk, created: present === undefined }
  } catch (error) {
    if (created) await withdraw(trunk.id, services)
    throw error
  }
}

/** Takes away a trunk nobody came to use. */
async function withdraw(trunkId: string, { trunks, logger }: Services): Promise<void> {
  try {
    await trunks.remove(trunkId)
  } catch (error) {
    // Another import may have found it meanwhile, or Redis is away: the trunk stays, visible in the list.
    logger.warn({ trunk: trunkId, err: error }, 'a trunk made for a refused import stays')
  }
}
