import { z } from 'zod'
import { apiTokenSchema, tokenId, type ApiToken } from '../model/api-token.js'
import { noteChange } from './audit.js'
import type { Principal } from './auth.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError, fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { absent, answerOf, pageAnswerOf } from './store-answer.js'
import { answer, apiTokenPage, namedBody, newApiTokenView, refusals } from './views.js'

const byId = z.strictObject({ id: tokenId })

const { name, role, account_id, expires_at } = apiTokenSchema.shape

const tokenBody = namedBody(
  'NewApiTokenBody',
  z.strictObject({
    name,
    role,
    account_id: account_id
      .optional()
      .describe('The account it is bound to; null: none; left out: as the token that makes it'),
    expires_at: expires_at.default(null).describe('An instant to come; null: it does not expire'),
  }),
)

/** Refuses a token that could do more than the one it is made with. @throws {ApiError} TOKEN_ABOVE_OWN */
function refuseAbove(own: Principal, wanted: Pick<ApiToken, 'account_id' | 'expires_at'>): void {
  if (own.accountId !== null && wanted.account_id !== own.accountId)
    throw new ApiError(
      'TOKEN_ABOVE_OWN',
      `account_id: the token "${own.name}" is bound to "${own.accountId}" and makes tokens of that account only`,
    )
  const end = own.expiresAt ?? null
  if (end !== null && (wanted.expires_at === null || Date.parse(wanted.expires_at) > Date.parse(end)))
    throw new ApiError(
      'TOKEN_ABOVE_OWN',
      `expires_at: the token "${own.name}" expires at ${end}, and what it makes must not outlive it`,
    )
}

/** `/v1/tokens`: who may use this API. The admin token of the configuration is none of them: it cannot be seen or revoked here. */
export function addTokens(api: Api, { tokens, knownTokens, clock }: Services): void {
  const tags = ['tokens']

  api.get(
    '/tokens',
    {
      config: { role: 'admin', accountsItself: true },
      schema: {
        tags,
        summary: 'List tokens, without their text',
        querystring: pageQuery,
        response: { 200: apiTokenPage, ...refusals(400) },
      },
    },
    async (request) => {
      const accountId = request.principal.accountId ?? undefined
      return pageView(await pageAnswerOf('token', tokens.list({ ...request.query, accountId })))
    },
  )

  api.post(
    '/tokens',
    {
      config: { role: 'admin', accountsItself: true },
      schema: {
        tags,
        summary: 'Make a token. Its text is in this answer and nowhere else',
        body: tokenBody,
        response: { 201: answer('Made', newApiTokenView), ...refusals(400) },
      },
    },
    async (request, reply) => {
      const { principal, body } = request
      const wanted = {
        ...body,
        account_id: body.account_id === undefined ? principal.accountId : body.account_id,
        created_by: principal.name,
      }
      if (wanted.expires_at !== null && Date.parse(wanted.expires_at) <= clock.date().getTime())
        throw fieldRefused('expires_at', 'must be an instant to come')
      refuseAbove(principal, wanted)
      const { token, text } = await answerOf('token', tokens.create(wanted))
      noteChange(request, {
        action: 'token.create',
        object: token.id,
        account_id: token.account_id,
        after: token,
      })
      return reply
        .code(201)
        .header('location', `/v1/tokens/${token.id}`)
        .send({ ...token, token: text })
    },
  )

  api.delete(
    '/tokens/:id',
    {
      config: { role: 'admin', accountsItself: true },
      schema: {
        tags,
        summary: 'Revoke a token: every edge refuses it within a second, and ends the event streams that it opened',
        params: byId,
        response: { 204: z.undefined().describe('Revoked'), ...refusals(400, 404) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { accountId } = request.principal
      // One that does not parse belongs to nobody: only who has all accounts may take it away.
      const token =
        accountId === null ? await tokens.get(id).catch(() => undefined) : await answerOf('token', tokens.get(id))
      if (accountId !== null && token?.account_id !== accountId) throw absent('token', id)
      const revoked = await answerOf('token', tokens.revoke(id))
      knownTokens.forget(id)
      if (!revoked) throw absent('token', id)
      noteChange(request, { action: 'token.revoke', object: id, account_id: token?.account_id ?? null, before: token })
      return reply.code(204).send()
    },
  )
}
