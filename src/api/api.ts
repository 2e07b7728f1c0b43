import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest, type HTTPMethods } from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { scopeAccounts } from './account.js'
import { addAccounts } from './accounts.js'
import { addAgents } from './agents.js'
import { addAudit, writeAudit } from './audit.js'
import { createAuthenticator, type Principal } from './auth.js'
import { addBans } from './bans.js'
import { addCalls } from './calls.js'
import { addCdrs } from './cdrs.js'
import { addEvents } from './events.js'
import { addHealth } from './health.js'
import { readJson } from './json-body.js'
import { addNumbers } from './numbers.js'
import { addOpenApi } from './openapi.js'
import { addOrigination } from './origination.js'
import { ApiError, problems, type ProblemCode } from './problem.js'
import { addRegistrations } from './registrations.js'
import { requireRoles } from './roles.js'
import { addRouteTests } from './route-tests.js'
import { addSecretKey } from './secret-key.js'
import type { Api, Services } from './services.js'
import { proxyTrust, type TrustProxy } from './source-address.js'
import { StreamWatch } from './stream-watch.js'
import { TokenCheck } from './token-check.js'
import { addTokens } from './tokens.js'
import { addTrunks } from './trunks.js'
import { addUsage } from './usage.js'
import { validatorCompiler } from './validation.js'

export interface ApiOptions extends Services {
  /** The bearer token that opens `/v1`. */
  readonly adminToken: string
  /** Tokens that are not valid, a minute and source address, until further ones are told to wait. */
  readonly tokenFailuresPerMinute: number
  /** Whose X-Forwarded-For says where a request comes from. */
  readonly trustProxy: TrustProxy
  /** Without it, the API is served in the clear. */
  readonly tls?: ApiTls | undefined
}

/** Certificate and key, in PEM form. */
export interface ApiTls {
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** Milliseconds a client has for the handshake. */
const HANDSHAKE_TIMEOUT_MS = 5_000

/** Characters of an admin token that nobody guesses, however many tries there are. */
const UNGUESSABLE = 20

/** Bytes a body may have. A number with a thousand outbound agents needs 70 kB. */
const BODY_LIMIT = 262_144

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * The REST API: `/v1`, the probes and the API's own description. Not listening yet; closing it ends its connections.
 */
export function createApi(options: ApiOptions): Api {
  const { adminToken, tokenFailuresPerMinute, trustProxy, tls, ...services } = options
  const authenticator = createAuthenticator(adminToken, services.knownTokens, services.clock)
  const tokenCheck = new TokenCheck({
    ...services,
    authenticator,
    failuresPerMinute: tokenFailuresPerMinute,
    guessable: adminToken.length < UNGUESSABLE,
  })
  const answerError = errorHandler(services)

  const api = Fastify({
    https: tls === undefined ? null : { ...tls, handshakeTimeout: HANDSHAKE_TIMEOUT_MS },
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
    logger: false,
    genReqId: () => randomUUID(),
    // Whoever is being answered while we stop is answered in full.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
    trustProxy: proxyTrust(trustProxy),
    frameworkErrors: (error, request, reply) => {
      // Such a request never reaches a route or a hook, so the gate is here too.
      const refused = underV1(request.url) ? tokenCheck.enter(request, reply) : Promise.resolve(undefined)
      void refused.then((refusal) => answerError(refusal ?? error, request, reply))
    },
    clientErrorHandler: answerBrokenRequest,
  }) as unknown as Api

  api.setValidatorCompiler(validatorCompiler)
  api.setSerializerCompiler(serializerCompiler)
  api.removeAllContentTypeParsers()
  api.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    async (_request: FastifyRequest, body: string) => readJson(body),
  )
  api.setErrorHandler(answerError)
  api.setNotFoundHandler(answerNotFound)
  api.addHook('onSend', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    if (underV1(request.url)) reply.header('cache-control', 'no-store')
  })
  api.addHook('onResponse', async (request, reply) => {
    const { method, id: requestId } = request
    const fields = {
      method,
      path: pathOf(request),
      status: reply.statusCode,
      requestId,
      ms: Math.round(reply.elapsedTime),
    }
    services.logger.debug(fields, 'API request')
  })

  api.decorateRequest('principal', null as unknown as Principal)
  api.decorateRequest('refusal', undefined)
  addOpenApi(api)
  api.register(async (scope) => {
    const open = scope as unknown as Api
    const allowed = collectMethods(open)
    addHealth(open, services)
    refuseOtherMethods(open, allowed)
  })
  api.register(
    async (scope) => {
      const v1 = scope as unknown as Api
      v1.addHook('onRequest', async (request, reply) => {
        const refused = await tokenCheck.enter(request, reply)
        if (refused !== undefined) throw refused
      })
      requireRoles(v1)
      scopeAccounts(v1)
      writeAudit(v1, services)
      // In this scope, so that the hook above is asked first: a stranger learns nothing of what exists.
      v1.setNotFoundHandler(answerNotFound)
      const allowed = collectMethods(v1)
      addAccounts(v1, services)
      addAgents(v1, services)
      addNumbers(v1, services)
      addTrunks(v1, services)
      addUsage(v1, services)
      addRegistrations(v1, services)
      addBans(v1, services)
      addCalls(v1, services)
      addCdrs(v1, services)
      addEvents(v1, services, new StreamWatch(authenticator, services.clock))
      addRouteTests(v1, services)
      addOrigination(v1, services)
      addSecretKey(v1, services)
      addTokens(v1, services)
      addAudit(v1, services)
      refuseOtherMethods(v1, allowed)
    },
    { prefix: '/v1' },
  )
  return api
}

/** Whether a raw URL lies under `/v1`, however it is spelled. */
function underV1(url: string): boolean {
  return /^\/+(v|%76)(1|%31)(?![^/?#])/i.test(url)
}

async function answerNotFound(request: FastifyRequest): Promise<never> {
  throw new ApiError('ROUTE_NOT_FOUND', `nothing is served at ${pathOf(request)}; /docs shows what is`)
}

const pathOf = (request: FastifyRequest): string => (request.url.split('?', 1)[0] ?? '').slice(0, 200)

/** Takes down which methods each path has, as routes are added. */
function collectMethods(api: Api): Map<string, Set<string>> {
  const allowed = new Map<string, Set<string>>()
  api.addHook('onRoute', (route) => {
    const path = route.url.slice(route.prefix.length)
    const methods = allowed.get(path) ?? new Set<string>()
    for (const method of [route.method].flat()) methods.add(method.toUpperCase())
    allowed.set(path, methods)
  })
  return allowed
}

/** Answers every other method of the known paths with 405 and what is allowed, before any body is read. */
function refuseOtherMethods(api: Api, allowed: Map<string, Set<string>>): void {
  for (const [path, methods] of [...allowed]) {
    const others = METHODS.filter((method) => !methods.has(method))
    const allow = [...methods].sort().join(', ')
    api.route({
      method: others,
      url: path,
      schema: { hide: true },
      // Whoever may read at all may know what is not there.
      config: { role: 'viewer' },
      onRequest: async (request, reply) => {
        reply.header('allow', allow)
        throw new ApiError('METHOD_NOT_ALLOWED', `${request.method} is not allowed here; ${allow} are`)
      },
      handler: async () => undefined,
    })
  }
}

/** Fastify's own refusals in terms of ours. */
const frameworkCodes: Record<string, ProblemCode> = {
  FST_ERR_BAD_URL: 'URL_MALFORMED',
  FST_ERR_MAX_PARAM_LENGTH: 'URL_TOO_LONG',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'REQUEST_MALFORMED',
  FST_ERR_NOT_FOUND: 'ROUTE_NOT_FOUND',
}

/** The API's error for anything that was thrown; what is not for the client's eyes becomes INTERNAL_ERROR. */
function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { code, statusCode } = error as Partial<FastifyError>
  const known = code === undefined ? undefined : frameworkCodes[code]
  if (known !== undefined) return new ApiError(known, `${problems[known].title.toLowerCase()}`, {}, { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new ApiError('REQUEST_MALFORMED', 'the request cannot be read', {}, { cause: error })
  return new ApiError('INTERNAL_ERROR', 'something went wrong here; the log tells more', {}, { cause: error })
}

function errorHandler({ logger }: Services) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = toApiError(thrown)
    request.refusal = error.message
    const instance = `urn:signalbox:request:${request.id}`
    if (error.statusCode >= 500)
      logger.error(
        {
          code: error.code,
          method: request.method,
          path: pathOf(request),
          requestId: request.id,
          err: error.cause ?? error,
        },
        `API: ${error.message}`,
      )
    // A string, so that no response schema of the route is applied to it.
    void reply
      .code(error.statusCode)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(error.toProblem(instance)))
  }
}

/** Answers bytes that are not HTTP, where no request exists to answer to. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout']
        : [400, 'Bad Request']
  const problem = new ApiError('REQUEST_MALFORMED', 'the request is not HTTP that can be read here').toProblem()
  const body = JSON.stringify({ ...problem, status, title: reason })
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
