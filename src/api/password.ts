import { safeText } from '../model/text.js'
import type { Undo } from '../store/passwords.js'
import type { Services } from './services.js'
import { answerOf } from './store-answer.js'

/** A password in a request: write-only. */
export const password = safeText(256).min(1).describe('Write-only; kept encrypted')

/** A change of a password: undefined leaves it, null takes it away. */
export type PasswordChange = string | null | undefined

/**
 * Changes passwords, then the record they belong to: whoever sees the record change finds them. When the record cannot be written, the
 * passwords are as they were. @throws what `write` throws
 */
export async function withPasswords<T>(
  id: string,
  changes: readonly (readonly [Pick<Services['passwords']['trunk'], 'replace'>, PasswordChange])[],
  logger: Services['logger'],
  write: () => Promise<T>,
): Promise<T> {
  const undo: Undo[] = []
  try {
    for (const [passwords, change] of changes)
      if (change !== undefined) undo.push(await answerOf('trunk', passwords.replace(id, change)))
    return await write()
  } catch (error) {
    for (const step of undo.reverse())
      await step().catch((err: unknown) => logger.warn({ id, err }, 'a password changed by a refused request stays'))
    throw error
  }
}
