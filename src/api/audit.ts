import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../engine/index.js'
import type { AuditEntry } from '../model/audit.js'
import { plainText } from '../model/strict-text.js'
import { pageQuery, pageView } from './paging.js'
import type { Api, Services } from './services.js'
import { sourceAddress } from './source-address.js'
import { pageAnswerOf } from './store-answer.js'
import { auditPage, refusals } from './views.js'

/** What a handler did. */
export interface Change {
  /** `number.create` */
  readonly action: string
  readonly object: string | null
  readonly account_id: string | null
  readonly before?: object | null | undefined
  readonly after?: object | null | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What this request has changed so far, to be written before it is answered. */
    changes: Change[] | undefined
  }
}

/** Takes down a change that was made; it is in the audit before the request is answered. */
export function noteChange(request: FastifyRequest, change: Change): void {
  request.changes = [...(request.changes ?? []), change]
}

/** Fields that stand for a password in `before` and `after`: whether there was one, and whether another came. */
export function passwordChange(
  name: string,
  had: boolean,
  given: string | null | undefined,
): { before: Record<string, string | null>; after: Record<string, string | null> } {
  if (given === undefined) return { before: {}, after: {} }
  const before = { [name]: had ? '(set)' : null }
  return { before, after: { [name]: given === null ? null : had ? '(changed)' : '(set)' } }
}

/** Refused requests that are written: so many at once, then one a second. */
const REFUSED_BURST = 20

/** Bytes of one field that are written. */
const MAX_FIELD = 2_048

/** Writes what requests changed, and what was refused with 403. */
export function writeAudit(api: Api, { audit, clock }: Pick<Services, 'audit' | 'clock'>): void {
  const refused = new Rate(clock)
  api.decorateRequest('changes', undefined)
  api.addHook('onSend', async (request, reply) => {
    const { changes, principal } = request
    if (changes !== undefined) {
      request.changes = undefined
      await Promise.all(changes.map((change) => audit.record(entryOf(request, clock, change))))
    }
    // Whoever knocks without end does not push out what was done.
    if (reply.statusCode !== 403 || !refused.take()) return
    const object = Object.values((request.params ?? {}) as Record<string, string>)[0] ?? null
    const action = `${request.method} ${request.routeOptions.url ?? ''}`
    const account_id = principal.accountId
    await audit.record({
      ...entryOf(request, clock, { action, object: object?.slice(0, 64) ?? null, account_id }),
      outcome: 'refused',
      detail: request.refusal ?? null,
    })
  })
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, in words. */
    refusal: string | undefined
  }
}

function entryOf(request: FastifyRequest, clock: Clock, change: Change): AuditEntry {
  const { name, tokenId, role, accountId } = request.principal
  const { before, after } = differing(change.before ?? null, change.after ?? null)
  return {
    at: clock.date().toISOString(),
    action: change.action,
    outcome: 'done',
    object: change.object,
    account_id: change.account_id,
    by: { name, token_id: tokenId, role, account_id: accountId },
    via: request.headers['user-agent'] === 'signalbox-cli' ? 'cli' : 'api',
    source_address: sourceAddress(request),
    request_id: request.id,
    before,
    after,
    detail: null,
  }
}

type Shown = Record<string, unknown> | null

/** The fields of both that differ; all of one when the other is not there. The time of the change itself is none. */
function differing(before: object | null, after: object | null): { before: Shown; after: Shown } {
  if (before === null || after === null) return { before: shown(before), after: shown(after) }
  const [left, right] = [before, after] as Record<string, unknown>[]
  const changed = new Set(
    [...Object.keys(before), ...Object.keys(after)].filter(
      (name) => name !== 'updated_at' && JSON.stringify(left?.[name]) !== JSON.stringify(right?.[name]),
    ),
  )
  const only = (fields: object): object =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => changed.has(name)))
  return { before: shown(only(before)), after: shown(only(after)) }
}

/** Fields as they are written: a long one is told by its size. */
function shown(fields: object | null): Shown {
  if (fields === null) return null
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => {
      const size = JSON.stringify(value)?.length ?? 0
      if (size <= MAX_FIELD) return [name, value ?? null]
      return [name, Array.isArray(value) ? `(${value.length} entries)` : `(${size} characters)`]
    }),
  )
}

/** A token bucket. */
class Rate {
  private left = REFUSED_BURST
  private atMs: number

  constructor(private readonly clock: Clock) {
    this.atMs = clock.now()
  }

  take(): boolean {
    const now = this.clock.now()
    this.left = Math.min(REFUSED_BURST, this.left + (now - this.atMs) / 1_000)
    this.atMs = now
    if (this.left < 1) return false
    this.left -= 1
    return true
  }
}

const auditQuery = z.strictObject({
  ...pageQuery.shape,
  since: z.iso.datetime({ offset: true }).optional().describe('Changes made at this instant or later'),
  object: plainText(128)
    .optional()
    // An unescaped "+" arrives as a space.
    .transform((text) => (text?.startsWith(' ') === true ? `+${text.trimStart()}` : text))
    .describe('Changes of this alone: a phone number, or the id of a trunk, an agent, a call or a token'),
})

/** `GET /v1/audit`: who changed what, newest first. */
export function addAudit(api: Api, { audit }: Services): void {
  api.get(
    '/audit',
    {
      config: { role: 'admin' },
      schema: {
        tags: ['audit'],
        summary: 'List changes that were made through the API, and refused attempts, newest first',
        description:
          'A token bound to an account sees the changes of that account. What others write straight into Redis is not in it.',
        querystring: auditQuery,
        response: { 200: auditPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { since, object, limit, cursor } = request.query
      return pageView(
        await pageAnswerOf(
          'token',
          audit.list({
            limit,
            cursor,
            object,
            since: since === undefined ? undefined : new Date(since).toISOString(),
            accountId: request.account,
          }),
        ),
      )
    },
  )
}
