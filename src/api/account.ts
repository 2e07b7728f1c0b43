import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { scopedId } from '../model/account.js'
import { DEFAULT_ACCOUNT, identifier } from '../model/text.js'
import { ApiError, fieldRefused } from './problem.js'
import type { Api } from './services.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The account that the request is about: the one its token is bound to, else the one it names; undefined: all of them. */
    account: string | undefined
  }
  interface FastifyContextConfig {
    /** The route tells accounts apart by itself, and `account_id` in its body is a field of its own. */
    accountsItself?: boolean
  }
}

/** `account_id` of a request. */
export const accountField = identifier
  .optional()
  .describe(
    'The account it is about: for tokens that are not bound to one. Left out: `default`; for lists, all accounts',
  )

const accountQuery = z.object({ account_id: accountField })

/**
 * Gives every route that is added from here on the query parameter `account_id`, and each of its requests the account it is about. A
 * token that is bound to an account may name that one alone, whether another exists or not.
 */
export function scopeAccounts(api: Api): void {
  api.decorateRequest('account', undefined)
  api.addHook('onRoute', (route) => {
    const { allAccounts = false, accountsItself = false } = route.config ?? {}
    const { schema } = route as { schema?: { hide?: boolean; querystring?: z.ZodObject } }
    if (allAccounts || accountsItself || schema === undefined || schema.hide === true) return
    const { querystring } = schema
    if (querystring === undefined) schema.querystring = accountQuery
    // A route is told of once for each of its methods.
    else if (!('account_id' in querystring.shape)) schema.querystring = querystring.extend(accountQuery.shape)
  })
  api.addHook('preHandler', async (request) => {
    const { allAccounts = false, accountsItself = false } = request.routeOptions.config
    const bound = request.principal.accountId ?? undefined
    request.account = bound
    if (allAccounts || accountsItself) return
    const named = namedAccount(request)
    if (bound !== undefined && named !== undefined && named !== bound)
      throw new ApiError(
        'ACCOUNT_NOT_ALLOWED',
        `account_id: the token "${request.principal.name}" is bound to the account "${bound}"`,
      )
    request.account = bound ?? named
  })
}

function namedAccount({ query, body }: FastifyRequest): string | undefined {
  const inQuery = accountIn(query)
  const inBody = accountIn(body)
  if (inQuery !== undefined && inBody !== undefined && inQuery !== inBody)
    throw fieldRefused('account_id', 'is another in the query than in the body')
  return inQuery ?? inBody
}

const accountIn = (part: unknown): string | undefined =>
  typeof part === 'object' && part !== null ? (part as { account_id?: string }).account_id : undefined

/** The account that a request for one thing is about. */
export const accountOf = (request: FastifyRequest): string => request.account ?? DEFAULT_ACCOUNT

/** The id inside of what a request calls `id`. */
export const idFor = (request: FastifyRequest, id: string): string => scopedId(accountOf(request), id)

interface Named {
  readonly trunk_id?: string | undefined
  readonly inbound_agent_id?: string | null | undefined
  readonly outbound_agent_ids?: readonly string[] | undefined
}

/** A request's fields of a number with the ids inside of the trunk and the agents that they name, which are the account's own. */
export function namedWithin<T extends Named>(accountId: string, fields: T): T {
  const { trunk_id, inbound_agent_id, outbound_agent_ids } = fields
  return {
    ...fields,
    ...(trunk_id !== undefined && { trunk_id: scopedId(accountId, trunk_id) }),
    ...(typeof inbound_agent_id === 'string' && { inbound_agent_id: scopedId(accountId, inbound_agent_id) }),
    ...(outbound_agent_ids && { outbound_agent_ids: outbound_agent_ids.map((id) => scopedId(accountId, id)) }),
  }
}

/** Whether a request may know of what is of this account; null is the account of what is of none. */
export const mayKnow = ({ account }: FastifyRequest, accountId: string | null): boolean =>
  account === undefined || account === accountId
