import { randomBytes, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { localId, scopedId } from '../model/account.js'
import { given } from '../model/given.js'
import { extension, numberSchema, type PhoneNumber } from '../model/number.js'
import { identifier, safeText } from '../model/text.js'
import { trunkFields, type Trunk, type TrunkFields } from '../model/trunk.js'
import { normaliseNumber } from '../routing/normalise.js'
import { accountField, namedWithin } from './account.js'
import { refuseAmbiguous } from './ambiguous-number.js'
import { checkAgents, clash, readKnown, takenElsewhere } from './number-checks.js'
import { withPasswords } from './password.js'
import { ApiError, fieldRefused, type FieldError } from './problem.js'
import type { Services } from './services.js'
import { answerOf } from './store-answer.js'
import { sipDomainOf, trunkForm } from './trunk-body.js'
import { checkTrunk } from './trunk-checks.js'
import { validationFailed } from './validation.js'
import { namedBody } from './views.js'

const { label, inbound_agent_id, outbound_agent_ids, source, enabled, kind } = numberSchema.shape
// The label of an import is the number's: a trunk shared by several numbers has none of its own until it is given one.
const { label: _trunkLabel, ...inlineTrunk } = trunkForm

/** A number, as `POST /v1/numbers` takes it: with the trunk it belongs to, or that trunk's fields. */
export const numberImport = namedBody(
  'NumberImport',
  z.strictObject({
    account_id: accountField,
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
    ...inlineTrunk,
  }),
)
export type NumberImport = z.output<typeof numberImport>

/** What an import made, or would make: then the trunk that it would add has the id `new`. */
export interface Imported {
  readonly number: PhoneNumber
  readonly trunk: Trunk
  readonly created: boolean
  /** The number as it was; undefined: it is new. */
  readonly before: PhoneNumber | undefined
  readonly trunkCreated: boolean
  /** The trunk was there, and got passwords that it lacked. */
  readonly passwordsAdded: boolean
}

/** Passwords that an import gives its trunk. */
interface GivenPasswords {
  readonly trunk: string | undefined
  readonly trunkInbound: string | undefined
}

/** The id of a trunk that a dry run would add. */
export const NOT_YET = 'new'
const MAX_ATTEMPTS = 3

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

/** The trunk fields a request carries, with their defaults; undefined when it names a trunk. */
function inlineFields(body: NumberImport): TrunkFields | undefined {
  const names = Object.keys(inlineTrunk) as (keyof typeof inlineTrunk)[]
  if (body.trunk_id !== undefined) {
    // `country` alone says how the number is written, not which trunk it is on.
    const both = names.filter((name) => body[name] !== undefined && name !== 'country')
    if (both.length > 0)
      throw validationFailed(
        both.map((field) => ({ field, message: 'belongs to a trunk: give trunk_id or trunk fields, not both' })),
      )
    return undefined
  }
  const { inbound_auth, password: _password, termination_uri: _uri, ...fields } = body
  const sip_domain = sipDomainOf(body)
  const { allowed_addresses = [] } = body
  if (!sip_domain && !body.outbound_proxy && allowed_addresses.length === 0 && !inbound_auth)
    throw fieldRefused(
      'trunk_id',
      'is required, or the fields of a trunk: sip_domain, outbound_proxy, allowed_addresses or inbound_auth',
    )
  const { password: _inboundPassword, ...inbound } = inbound_auth ?? {}
  const known = names.filter((name) => name in trunkFields.shape && name !== 'inbound_auth')
  return trunkFields.parse({
    ...given(Object.fromEntries(known.map((name) => [name, fields[name as keyof typeof fields]]))),
    ...given({ sip_domain }),
    inbound_auth: inbound_auth ? inbound : null,
  })
}

const samePassword = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

interface FoundTrunk {
  readonly trunk: Trunk
  readonly created: boolean
  /** The trunk was there and lacked passwords that the import brings. */
  readonly passwordsAdded?: boolean
}

/** Finds or makes the trunk of an import; in a dry run, finds it or tells what would be made. */
async function trunkOf(
  body: NumberImport,
  accountId: string,
  services: Services,
  dryRun: boolean,
): Promise<FoundTrunk> {
  const fields = inlineFields(body)
  if (fields === undefined) return { trunk: await knownTrunk(body.trunk_id ?? '', services, accountId), created: false }
  const passwords: GivenPasswords = {
    trunk: body.password ?? undefined,
    trunkInbound: body.inbound_auth?.password,
  }
  const present = await answerOf('trunk', services.trunks.findEqual(fields, accountId))
  const keptInbound =
    present !== undefined && (await answerOf('trunk', services.passwords.trunkInbound.has(present.id)))
  checkTrunk(fields, {
    origination: services.origination(),
    destinations: services.destinations,
    hasPassword: passwords.trunk !== undefined,
    hasInboundPassword: passwords.trunkInbound !== undefined || keptInbound,
    certificateProblem: services.tlsProfiles.certificateProblem({ tls: fields.tls, account_id: accountId }),
  })
  if (present !== undefined) {
    const trunk = await keepPasswords(present, passwords, services, dryRun)
    return { trunk, created: false, passwordsAdded: trunk !== present }
  }
  if (dryRun) return { trunk: notYet(fields, accountId, services), created: true }
  return makeTrunk(fields, accountId, passwords, services)
}

/** The trunk with that id. @throws {ApiError} TRUNK_UNKNOWN when there is none in the account */
export async function knownTrunk(id: string, { trunks }: Services, accountId: string): Promise<Trunk> {
  const trunk = await answerOf('trunk', trunks.get(id))
  if (trunk?.account_id !== accountId)
    throw fieldRefused('trunk_id', `there is no trunk "${localId(id)}"`, 'TRUNK_UNKNOWN')
  return trunk
}

function notYet(fields: TrunkFields, accountId: string, { clock }: Services): Trunk {
  const now = clock.date().toISOString()
  return { ...fields, id: scopedId(accountId, NOT_YET), account_id: accountId, created_at: now, updated_at: now }
}

/** Adds the trunk, its passwords first: an import of equal fields at the same moment compares its own with them. */
async function makeTrunk(
  fields: TrunkFields,
  accountId: string,
  passwords: GivenPasswords,
  services: Services,
): Promise<FoundTrunk> {
  const id = scopedId(accountId, `trunk-${randomBytes(6).toString('hex')}`)
  const { trunk, trunkInbound } = services.passwords
  const found = await withPasswords(
    id,
    [
      [trunk, passwords.trunk],
      [trunkInbound, passwords.trunkInbound],
    ],
    services.logger,
    () => answerOf('trunk', services.trunks.findOrCreate({ ...fields, id, account_id: accountId })),
  )
  if (found.created) return found
  // Another import was faster: ours is not needed, and what was kept for it neither.
  for (const kept of [trunk, trunkInbound]) await answerOf('trunk', kept.replace(id, null))
  const kept = await keepPasswords(found.trunk, passwords, services, false)
  return { trunk: kept, created: false, passwordsAdded: kept !== found.trunk }
}

/**
 * Gives a trunk that is there the passwords it lacks. One that differs from what it has is refused: other numbers register and call
 * with that.
 */
async function keepPasswords(
  trunk: Trunk,
  passwords: GivenPasswords,
  services: Services,
  dryRun: boolean,
): Promise<Trunk> {
  const { id } = trunk
  const missing: Record<keyof GivenPasswords, string | undefined> = { trunk: undefined, trunkInbound: undefined }
  const errors: FieldError[] = []
  for (const kind of ['trunk', 'trunkInbound'] as const) {
    const password = passwords[kind]
    if (password === undefined) continue
    const present = await answerOf('trunk', services.passwords[kind].get(id))
    if (present === undefined) missing[kind] = password
    else if (!samePassword(present, password))
      errors.push({
        field: kind === 'trunk' ? 'password' : 'inbound_auth.password',
        message: 'differs from the password of the trunk with the same fields',
      })
  }
  if (errors.length > 0)
    throw new ApiError(
      'TRUNK_PASSWORD_DIFFERS',
      `trunk "${localId(id)}" has the same fields and another password; change it with PATCH /v1/trunks/${localId(id)}, or give trunk_id`,
      { errors },
    )
  if (dryRun || (missing.trunk === undefined && missing.trunkInbound === undefined)) return trunk
  return withPasswords(
    id,
    [
      [services.passwords.trunk, missing.trunk],
      [services.passwords.trunkInbound, missing.trunkInbound],
    ],
    services.logger,
    () =>
      answerOf(
        'trunk',
        services.trunks.update(id, (current) => current),
      ),
  )
}

/**
 * Adds a number, and the trunk its fields describe unless one with equal fields exists. All or nothing: a trunk made for a number
 * that then cannot be added is taken away again.
 * @param accountId whose the number, and all that it names, is
 * @param dryRun checks everything and writes nothing
 */
export async function importNumber(
  given: NumberImport,
  accountId: string,
  services: Services,
  dryRun = false,
): Promise<Imported> {
  const body = namedWithin(accountId, given)
  const phoneNumber = readNumber(body.phone_number, body)
  await checkAgents(services.agents, body, accountId)
  const present = await readKnown(phoneNumber, services, accountId, () => {
    throw takenElsewhere(phoneNumber)
  })
  const refusal = present === undefined ? undefined : await clash(body, present, services, accountId)
  if (refusal !== undefined) throw refusal

  for (let attempt = 1; ; attempt++) {
    const { trunk, created, passwordsAdded = false } = await trunkOf(body, accountId, services, dryRun)
    const wanted = {
      account_id: accountId,
      phone_number: phoneNumber,
      kind: body.kind,
      label: body.label,
      trunk_id: trunk.id,
      inbound_agent_id: body.inbound_agent_id,
      outbound_agent_ids: body.outbound_agent_ids,
      source: body.source,
      enabled: body.enabled,
    }
    await refuseAmbiguous(wanted, trunk, services).catch(async (error: unknown) => {
      if (created && !dryRun) await withdraw(trunk.id, services)
      throw error
    })
    if (dryRun) {
      const now = services.clock.date().toISOString()
      const number = { ...wanted, created_at: present?.created_at ?? now, updated_at: now }
      return { number, trunk, created: present === undefined, before: present, trunkCreated: created, passwordsAdded }
    }
    let number: PhoneNumber
    try {
      number = await answerOf('number', services.numbers.create(wanted, { replaceInbound: body.replace }))
    } catch (error) {
      if (created) await withdraw(trunk.id, services)
      throw await explained(error, body, phoneNumber, accountId, services)
    }
    // Whatever was removed while this was written was not yet in use: nobody else noticed.
    const gone = (await answerOf('trunk', services.trunks.get(trunk.id))) === undefined
    if (!gone) {
      await checkAgents(services.agents, body, accountId).catch(async (error: unknown) => {
        await takeBack(number, present, services)
        if (created) await withdraw(trunk.id, services)
        throw error
      })
      return { number, trunk, created: present === undefined, before: present, trunkCreated: created, passwordsAdded }
    }
    await takeBack(number, present, services)
    if (body.trunk_id !== undefined || attempt === MAX_ATTEMPTS)
      throw fieldRefused('trunk_id', `trunk "${localId(trunk.id)}" was removed at the same time`, 'TRUNK_UNKNOWN')
  }
}

/** A refusal that the store gave, with what the one before it would have said: another writer came between. */
async function explained(
  error: unknown,
  body: NumberImport,
  phoneNumber: string,
  accountId: string,
  services: Services,
): Promise<unknown> {
  if (!(error instanceof ApiError) || (error.code !== 'NUMBER_TAKEN' && error.code !== 'INBOUND_AGENT_TAKEN'))
    return error
  const present = await services.numbers.get(phoneNumber).catch(() => undefined)
  return (
    (present === undefined ? undefined : await clash(body, present, services, accountId).catch(() => undefined)) ??
    error
  )
}

/** Undoes the writing of a number that cannot stay. */
export async function takeBack(
  number: PhoneNumber,
  before: PhoneNumber | undefined,
  services: Services,
): Promise<void> {
  const { numbers } = services
  const { phone_number } = number
  if (before === undefined) await answerOf('number', numbers.remove(phone_number, number.account_id))
  else
    await answerOf(
      'number',
      numbers.update(phone_number, (current) => (current.updated_at === number.updated_at ? before : current)),
    )
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
