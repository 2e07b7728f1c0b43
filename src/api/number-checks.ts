import type { PhoneNumber } from '../model/number.js'
import { localId } from '../model/account.js'
import type { NumberImport } from './import-number.js'
import { ApiError, type FieldError } from './problem.js'
import { StoreError } from '../store/errors.js'
import type { Services } from './services.js'
import { answerOf } from './store-answer.js'
import { sharedNetwork } from './trunk-checks.js'

/** Refuses agents that do not exist in the account, naming each. @throws {ApiError} AGENT_UNKNOWN */
export async function checkAgents(
  agents: Services['agents'],
  named: { inbound_agent_id?: string | null | undefined; outbound_agent_ids?: readonly string[] | undefined },
  accountId: string,
): Promise<void> {
  const fields = new Map<string, string>()
  named.outbound_agent_ids?.forEach((id, index) => fields.set(id, `outbound_agent_ids[${index}]`))
  if (typeof named.inbound_agent_id === 'string') fields.set(named.inbound_agent_id, 'inbound_agent_id')
  const errors: FieldError[] = []
  await Promise.all(
    [...fields].map(async ([id, field]) => {
      const agent = await answerOf('agent', agents.get(id))
      if (agent?.account_id !== accountId) errors.push({ field, message: `there is no agent "${localId(id)}"` })
    }),
  )
  if (errors.length === 0) return
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new ApiError('AGENT_UNKNOWN', detail, { errors })
}

/** One number, one inbound agent: another takes it over only when the request says so. @throws {ApiError} INBOUND_AGENT_TAKEN */
export function refuseTaken(current: PhoneNumber, wanted: string | null | undefined, replace: boolean): void {
  const has = current.inbound_agent_id
  if (replace || typeof wanted !== 'string' || has === null || has === wanted) return
  throw new ApiError(
    'INBOUND_AGENT_TAKEN',
    `${current.phone_number} is answered by agent "${localId(has)}"; say "replace": true to take it over`,
    { inbound_agent_id: localId(has), trunk_id: localId(current.trunk_id) },
  )
}

/** The refusal of a number that another account has. Whose it is stays their business. */
export const takenElsewhere = (phoneNumber: string): ApiError =>
  new ApiError('NUMBER_TAKEN', `${phoneNumber} exists already`)

/** The record of a number, as far as it is not another account's that cannot be read. @throws {ApiError} RECORD_INVALID */
export async function readKnown(
  phoneNumber: string,
  { numbers }: Pick<Services, 'numbers'>,
  accountId: string | undefined,
  otherwise: () => undefined | never,
): Promise<PhoneNumber | undefined> {
  try {
    return await answerOf('number', numbers.get(phoneNumber))
  } catch (error) {
    const cause = error instanceof ApiError ? error.cause : undefined
    const isTheirs = cause instanceof StoreError && cause.code === 'INVALID' && cause.detail.account_id !== accountId
    if (accountId === undefined || !isTheirs) throw error
    return otherwise()
  }
}

/** Why a number that is there already cannot be imported, or undefined when the request may replace it. */
export async function clash(
  body: NumberImport,
  present: PhoneNumber,
  { trunks }: Pick<Services, 'trunks'>,
  accountId: string,
): Promise<ApiError | undefined> {
  const { phone_number, inbound_agent_id, trunk_id } = present
  if (present.account_id !== accountId) return takenElsewhere(phone_number)
  if (body.replace) return undefined
  try {
    refuseTaken(present, body.inbound_agent_id, false)
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  const answered =
    inbound_agent_id === null ? 'without an inbound agent' : `answered by agent "${localId(inbound_agent_id)}"`
  const trunk = await answerOf('trunk', trunks.get(trunk_id))
  const imported =
    body.trunk_id === undefined
      ? body.allowed_addresses
      : (await answerOf('trunk', trunks.get(body.trunk_id)))?.allowed_addresses
  const shared = body.trunk_id === trunk_id ? undefined : sharedNetwork(imported ?? [], trunk?.allowed_addresses ?? [])
  const also = shared === undefined ? '' : `: it belongs to trunk "${localId(trunk_id)}", which allows ${shared} too`
  return new ApiError(
    'NUMBER_TAKEN',
    `${phone_number} exists already, on trunk "${localId(trunk_id)}", ${answered}${also}`,
    {
      inbound_agent_id: inbound_agent_id === null ? null : localId(inbound_agent_id),
      trunk_id: localId(trunk_id),
    },
  )
}
