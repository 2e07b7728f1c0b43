import type { FastifyReply, FastifyRequest } from 'fastify'
import { roles, suffices, type Role } from '../model/api-token.js'
import { ApiError } from './problem.js'
import type { Api } from './services.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The least role that may use the route. Every route under `/v1` declares it: together they are the table of who may do what. */
    role?: Role
    /** The route concerns every account: tokens that are bound to one may not use it. */
    allAccounts?: boolean
  }
}

/**
 * Holds every route that is added from here on to what it declares, and says it in its description.
 * @throws {Error} while routes are added, when one does not say who may use it
 */
export function requireRoles(api: Api): void {
  api.addHook('onRoute', (route) => {
    const { role, allAccounts = false } = route.config ?? {}
    const { schema } = route as { schema?: { hide?: boolean; description?: string } }
    if (role === undefined) throw new Error(`${String(route.method)} ${route.url} does not declare the role it needs`)
    if (schema === undefined || schema.hide === true) return
    const bound = allAccounts ? ', not bound to one account' : ''
    const needed = `Needs the role ${roles.filter((one) => suffices(one, role)).join(' or ')}${bound}.`
    // A route is told of once for each of its methods.
    if (schema.description?.includes(needed) === true) return
    schema.description = schema.description === undefined ? needed : `${schema.description}\n\n${needed}`
  })
  api.addHook('onRequest', async (request, reply) => {
    const { role, allAccounts = false } = request.routeOptions.config
    if (role === undefined) return
    needRole(request, reply, role)
    const { principal } = request
    if (allAccounts && principal.accountId !== null)
      throw forbidden(
        reply,
        new ApiError(
          'ALL_ACCOUNTS_NEEDED',
          `this concerns every account, and the token "${principal.name}" is bound to "${principal.accountId}"`,
        ),
      )
  })
}

/** @throws {ApiError} ROLE_NEEDED when who asks has less than `least` */
export function needRole(request: FastifyRequest, reply: FastifyReply, least: Role, what = 'this'): void {
  const { name, role } = request.principal
  if (suffices(role, least)) return
  throw forbidden(
    reply,
    new ApiError('ROLE_NEEDED', `${what} needs the role ${least}; the token "${name}" has the role ${role}`),
    least,
  )
}

/** The refusal with its challenge (RFC 6750 section 3.1). */
function forbidden(reply: FastifyReply, error: ApiError, scope?: Role): ApiError {
  const said = scope === undefined ? '' : `, scope="${scope}"`
  reply.header('www-authenticate', `Bearer realm="signalbox", error="insufficient_scope"${said}`)
  return error
}
