import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../engine/index.js'
import type { Log } from '../store/observe.js'
import { refusalOf, type Authenticator } from './auth.js'
import { FailedTokens } from './failed-tokens.js'
import { ApiError } from './problem.js'
import { sourceAddress } from './source-address.js'

export interface TokenCheckOptions {
  readonly authenticator: Authenticator
  readonly clock: Clock
  /** Failed tokens a minute of one address that are answered as such. */
  readonly failuresPerMinute: number
  /** Whether the admin token of the configuration is so short that it might be guessed: then not even the right guess is let in too soon. */
  readonly guessable: boolean
  readonly metrics: { readonly apiTokenFailures: { inc(labels: { result: string }): void } }
  readonly logger: Log
}

/** Failed tokens are written in a line this often at most. */
const LINE_MS = 10_000

/** Lets no request in without a valid token, and slows down those who guess. */
export class TokenCheck {
  private readonly failed: FailedTokens
  private quietUntilMs = 0
  private unsaid = 0

  constructor(private readonly options: TokenCheckOptions) {
    this.failed = new FailedTokens(options.clock, options.failuresPerMinute)
  }

  /**
   * Sets who asks, or the headers of a refusal.
   * @returns the refusal: TOKEN_REQUIRED, TOO_MANY_TOKEN_FAILURES, STORE_UNAVAILABLE; undefined when it may pass
   */
  async enter(request: FastifyRequest, reply: FastifyReply): Promise<ApiError | undefined> {
    const who = await this.options.authenticator.who(request.headers.authorization)
    if (typeof who !== 'string') {
      const isGuessable = this.options.guessable && who.tokenId === null
      const waitS = isGuessable ? this.failed.wait(sourceAddress(request)) : undefined
      if (waitS !== undefined) return this.tooMany(reply, waitS)
      request.principal = who
      return undefined
    }
    if (who === 'unavailable')
      return new ApiError('STORE_UNAVAILABLE', 'Redis does not answer, so this token cannot be checked; try again')
    // No token is no guess, and who knows an expired one does not guess either.
    const waitS = who === 'wrong' ? this.failure(sourceAddress(request)) : undefined
    if (waitS !== undefined) return this.tooMany(reply, waitS)
    const { error, challenge } = refusalOf(who)
    reply.header('www-authenticate', challenge)
    return error
  }

  private tooMany(reply: FastifyReply, waitS: number): ApiError {
    reply.header('retry-after', String(waitS))
    const valid = this.options.guessable ? 'one made by POST /v1/tokens' : 'a valid one'
    return new ApiError(
      'TOO_MANY_TOKEN_FAILURES',
      `too many tokens that are not valid came from this address; ${valid} is let in at once, another guess after ${waitS} s`,
    )
  }

  /** Counts a token that is not valid; seconds to wait when there were too many. */
  private failure(address: string): number | undefined {
    const { metrics, clock, logger } = this.options
    const waitS = this.failed.note(address)
    metrics.apiTokenFailures.inc({ result: waitS === undefined ? 'refused' : 'limited' })
    const now = clock.now()
    if (now >= this.quietUntilMs) {
      this.quietUntilMs = now + LINE_MS
      logger.warn(
        { sourceAddress: address, unsaid: this.unsaid },
        waitS === undefined
          ? 'API: a token that is not valid'
          : 'API: more tokens that are not valid than one address may try',
      )
      this.unsaid = 0
    } else this.unsaid += 1
    return waitS
  }
}
