import type { FastifyRequest } from 'fastify'
import { localId } from '../model/account.js'
import { shownNumber } from '../model/number.js'
import { noteChange } from './audit.js'
import type { Imported, NumberImport } from './import-number.js'

/** Takes down what an import changed: the number, and the trunk that was made for it or got passwords by it. */
export function noteImport(
  request: FastifyRequest,
  { password, inbound_auth }: NumberImport,
  { number, trunk, before, trunkCreated, passwordsAdded }: Imported,
): void {
  const passwords = {
    ...(typeof password === 'string' && { password: '(set)' }),
    ...(inbound_auth?.password !== undefined && { 'inbound_auth.password': '(set)' }),
  }
  const { account_id } = trunk
  if (trunkCreated)
    noteChange(request, {
      action: 'trunk.create',
      object: localId(trunk.id),
      account_id,
      after: { ...trunk, id: localId(trunk.id), ...passwords },
    })
  else if (passwordsAdded)
    noteChange(request, {
      action: 'trunk.update',
      object: localId(trunk.id),
      account_id,
      before: {},
      after: passwords,
    })
  noteChange(request, {
    action: before === undefined ? 'number.create' : 'number.update',
    object: number.phone_number,
    account_id: number.account_id,
    before: before && shownNumber(before),
    after: shownNumber(number),
  })
}
