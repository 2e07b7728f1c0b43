import { hideContactTokens } from '../../model/contact-token.js'
import { printable } from '../../model/printable.js'
import type { Credentials } from '../digest/exchange.js'
import { SipServerAway, type ClientResponse } from '../sip-client.js'
import { nameTarget, type Target } from '../target.js'
import { readRetryAfter } from '../target-health.js'
import type { TrunkAnswer, TrunkRequest } from '../trunk-requests.js'
import { findOwnBinding, readRoutes, readSeconds, type Own } from './bindings.js'
import type { RegistrationSettings } from './settings.js'

/** Nothing may be sent now: thrown instead of giving a CSeq. */
export class NotNow extends Error {
  override readonly name = 'NotNow'
}

/** The trunk has another owner: thrown instead of giving a CSeq. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs'
}

/** How an attempt ended, as its metric counts it. */
export type AttemptResult =
  | 'registered'
  | 'unregistered'
  | 'wrong_password'
  | 'forbidden'
  | 'unknown_user'
  | 'interval_too_brief'
  | 'redirected'
  | 'rejected'
  | 'no_binding'
  | 'unavailable'
  | 'server_error'
  | 'timeout'
  | 'unreachable'
  | 'not_usable'
  | 'held'

interface Ended {
  readonly result: AttemptResult
  /** In words. */
  readonly why: string
  /** The last final response there was. */
  readonly code: number | null
  readonly phrase: string | null
}

export interface Bound extends Ended {
  readonly kind: 'bound'
  readonly target: Target
  readonly grantedS: number
  /** Our Contact as the registrar shows it. */
  readonly contact: string
  readonly serviceRoute: readonly string[]
  readonly path: readonly string[]
  readonly minExpiresS: number | null
}

export interface NotBound extends Ended {
  /** `failed`: to be tried again soon; `refused`: the registrar refused us for good; `held`: nothing could be sent; `lost`: another's. */
  readonly kind: 'failed' | 'refused' | 'held' | 'lost'
  readonly retryAfterS?: number
  readonly minExpiresS: number | null
}

export type Outcome = Bound | NotBound

export interface AttemptParts {
  readonly targetsOf: (trunk: RegistrationSettings['trunk']) => Promise<readonly Target[]>
  readonly send: (request: TrunkRequest) => Promise<TrunkAnswer>
  /** Learns how a server did. */
  readonly note: (target: Target, response: TrunkAnswer['response']) => void
  readonly nextCseq: () => Promise<number>
  readonly responseTimeoutMs: number
  readonly minExpiresMaxS: number
}

/** What all REGISTERs of a trunk share. */
export interface Identity {
  readonly callId: string
  readonly fromTag: string
  readonly own: Own
  /** Of the Contact, without brackets. */
  readonly contact: string
  readonly userAgent: string | null
}

export interface AttemptOf {
  readonly settings: RegistrationSettings
  readonly credentials: Credentials | undefined
  readonly identity: Identity
  /** Learned from a 423 of before. */
  readonly minExpiresS: number | null
}

/** A stale nonce shown ahead, and a challenge each of proxy and registrar. */
const MAX_CHALLENGES = 3
const MAX_PHRASE = 120
/** Of a Contact that does not say how long it goes on (RFC 3261 20.19). */
const UNSAID_EXPIRY_S = 3_600

/**
 * One attempt to register a trunk: its servers in order, the next one after silence, a transport error or a 503; each sent to once, and
 * once more for a challenge and for a 423. Never rejects.
 */
export async function attemptRegister(parts: AttemptParts, attempt: AttemptOf): Promise<Outcome> {
  const { settings, minExpiresS } = attempt
  let learnedS = minExpiresS
  let last: NotBound | undefined
  let shortestRetryAfterS: number | undefined
  try {
    const targets = await parts.targetsOf(settings.trunk)
    for (const target of targets) {
      let answer = await send(parts, attempt, target, expiresOf(attempt, learnedS))
      if (answer.response.status === 423) {
        const raised = readMinExpires(answer.response, expiresOf(attempt, learnedS), parts.minExpiresMaxS)
        if (!raised.ok)
          return { ...ended(answer.response, 'refused', 'interval_too_brief', raised.why), minExpiresS: learnedS }
        learnedS = raised.seconds
        answer = await send(parts, attempt, target, expiresOf(attempt, learnedS))
      }
      const outcome = judge(parts, attempt, target, answer, learnedS)
      if (outcome.kind === 'bound' || !('next' in outcome)) return outcome
      const { next: _, ...failed } = outcome
      last = failed
      if (failed.retryAfterS !== undefined)
        shortestRetryAfterS = Math.min(failed.retryAfterS, shortestRetryAfterS ?? Infinity)
    }
    if (last === undefined) return notSent('failed', 'unreachable', 'the trunk has no server', learnedS)
    return { ...last, ...(shortestRetryAfterS === undefined ? {} : { retryAfterS: shortestRetryAfterS }) }
  } catch (error) {
    return thrown(error, learnedS)
  }
}

/**
 * Takes a binding away, or (`contact` of another) one that a former owner left. Tries the server that has it, once.
 * @returns how it ended; `unregistered` when the registrar agreed; `left` when it then still lists our own Contact
 */
export async function attemptUnregister(
  parts: AttemptParts,
  attempt: AttemptOf,
  target: Target | undefined,
  contact: string,
): Promise<Ended & { readonly kind: 'unbound' | 'lost'; readonly left?: boolean }> {
  try {
    const at = target ?? (await parts.targetsOf(attempt.settings.trunk))[0]
    if (at === undefined)
      return { ...notSent('failed', 'unreachable', 'the trunk has no server', null), kind: 'unbound' }
    const { response } = await send(parts, attempt, at, 0, contact)
    const gone = response.status >= 200 && response.status < 300
    const why = gone ? 'un-registered' : `un-REGISTER: ${describe(response)}; the binding ends by itself`
    const still = gone ? findOwnBinding(response.header('contact'), attempt.identity.own, UNSAID_EXPIRY_S) : undefined
    const left = !gone || (still !== undefined && still.expiresS > 0)
    return { ...ended(response, 'failed', gone ? 'unregistered' : 'rejected', why), kind: 'unbound', left }
  } catch (error) {
    const outcome = thrown(error, null)
    return { ...outcome, kind: outcome.kind === 'lost' ? 'lost' : 'unbound' }
  }
}

function send(
  parts: AttemptParts,
  { settings, credentials, identity }: AttemptOf,
  target: Target,
  expiresS: number,
  contact = identity.contact,
): Promise<TrunkAnswer> {
  return parts
    .send({
      trunkId: settings.trunk.id,
      method: 'REGISTER',
      uri: settings.requestUri,
      headers: {
        From: `<${settings.aor}>`,
        To: `<${settings.aor}>`,
        Contact: `<${contact}>;expires=${expiresS}`,
        Expires: String(expiresS),
        Supported: 'path',
        ...(identity.userAgent === null ? {} : { 'User-Agent': identity.userAgent }),
      },
      target,
      credentials,
      callId: identity.callId,
      fromTag: identity.fromTag,
      nextCseq: parts.nextCseq,
      silenceMs: parts.responseTimeoutMs,
      maxRetries: MAX_CHALLENGES,
    })
    .then((answer) => {
      parts.note(target, answer.response)
      return answer
    })
}

function judge(
  parts: AttemptParts,
  attempt: AttemptOf,
  target: Target,
  { response, refused }: TrunkAnswer,
  minExpiresS: number | null,
): Outcome | (NotBound & { readonly next: true }) {
  const { status } = response
  const said = describe(response)
  const at = nameTarget(target)
  const { aor, trunk } = attempt.settings
  const end = (kind: 'failed' | 'refused', result: AttemptResult, why: string): NotBound => ({
    ...ended(response, kind, result, why),
    minExpiresS,
  })
  if (status >= 200 && status < 300) return bound(attempt, target, response, minExpiresS)
  if (!response.sent)
    return { ...end('failed', 'unreachable', `${at} cannot be reached${ownWords(response)}`), next: true }
  if (status === 408) return { ...end('failed', 'timeout', `no answer from ${at}`), next: true }
  if (status === 503) return { ...end('failed', 'unavailable', `${at} says ${said}`), next: true }
  if (status >= 500 && status < 600) return end('failed', 'server_error', `${at} says ${said}`)
  if (status >= 300 && status < 400)
    return end('refused', 'redirected', `the registrar redirects (${said}), which is not followed`)
  switch (status) {
    case 401:
    case 407:
      return end(
        'refused',
        'wrong_password',
        `${whyUnauthorised(refused, trunk.auth_username ?? trunk.username)} (${said})`,
      )
    case 403:
      return end('refused', 'forbidden', `the registrar forbids ${aor} to register (${said})`)
    case 404:
      return end('refused', 'unknown_user', `the registrar does not know the user ${aor} (${said})`)
    case 423: {
      const raised = readMinExpires(response, minExpiresS ?? 0, parts.minExpiresMaxS)
      if (!raised.ok) return end('refused', 'interval_too_brief', raised.why)
      return { ...end('failed', 'interval_too_brief', `${at} raised Min-Expires again`), minExpiresS: raised.seconds }
    }
    default:
      return end('refused', 'rejected', `the registrar says ${said}`)
  }
}

/** A 408 that our own SIP server gave because the far end was silent. */
function isSilence(response: ClientResponse): boolean {
  return response.status === 408 && (response.header('warning') ?? '').includes('"Not answered: ')
}

/** What our own SIP server says of a response that it gave in place of an answer. */
function ownWords(response: ClientResponse): string {
  const words = /"Not sent: ([^"]{1,200})"/.exec((response.header('warning') ?? '').slice(0, 500))?.[1]
  return words === undefined ? '' : `: ${words}`
}

function whyUnauthorised(refused: TrunkAnswer['refused'], user: string | null): string {
  switch (refused?.code) {
    case 'no-credentials':
      return 'the registrar asks for a password, and the trunk has none'
    case 'unsupported':
    case 'malformed':
      return `the registrar's challenge cannot be answered: ${printable(refused.why, 200)}`
    default:
      return `the registrar does not accept the password of user ${printable(user ?? '', 128)}`
  }
}

function bound(
  { settings, identity, minExpiresS: _ }: AttemptOf,
  target: Target,
  response: TrunkAnswer['response'],
  minExpiresS: number | null,
): Outcome {
  const asked = Math.max(settings.trunk.register.expires, minExpiresS ?? 0)
  const binding = findOwnBinding(
    response.header('contact'),
    identity.own,
    readSeconds(response.header('expires')) ?? asked,
  )
  if (binding === undefined || binding.expiresS === 0) {
    const why = binding === undefined ? 'does not list our Contact' : 'lists our Contact with expires 0'
    return {
      ...ended(response, 'failed', 'no_binding', `the ${response.status} ${why}: nothing is registered`),
      minExpiresS,
    }
  }
  const serviceRoute = readRoutes(response.header('service-route'))
  const path = readRoutes(response.header('path'))
  const unread = [serviceRoute === undefined && 'Service-Route', path === undefined && 'Path'].filter(Boolean)
  return {
    ...ended(response, 'failed', 'registered', ''),
    kind: 'bound',
    why: `registered at ${nameTarget(target)}${unread.length > 0 ? `; its ${unread.join(' and ')} cannot be used` : ''}`,
    target: { ...target, settled: true },
    grantedS: binding.expiresS,
    contact: binding.contact,
    serviceRoute: serviceRoute ?? [],
    path: path ?? [],
    minExpiresS,
  }
}

function expiresOf({ settings }: AttemptOf, learnedS: number | null): number {
  return Math.max(settings.trunk.register.expires, learnedS ?? 0)
}

/** Min-Expires of a 423: more than was asked for, and not absurd. */
function readMinExpires(
  response: ClientResponse,
  askedS: number,
  mostS: number,
): { readonly ok: true; readonly seconds: number } | { readonly ok: false; readonly why: string } {
  const digits = /^\s{0,16}([0-9]{1,10})\s{0,16}$/.exec((response.header('min-expires') ?? '').slice(0, 64))?.[1]
  if (digits === undefined) return { ok: false, why: '423 without a Min-Expires that can be read' }
  const seconds = Number(digits)
  if (seconds > mostS)
    return {
      ok: false,
      why: `the registrar wants an expiry of at least ${seconds} s, and ${mostS} s is the most we take`,
    }
  if (seconds <= askedS) return { ok: false, why: `423 with Min-Expires ${seconds}, and ${askedS} s were asked for` }
  return { ok: true, seconds }
}

function ended<Kind extends NotBound['kind']>(
  response: ClientResponse & { readonly sent: boolean },
  kind: Kind,
  result: AttemptResult,
  why: string,
): Ended & { readonly kind: Kind; readonly retryAfterS?: number } {
  const heard = response.sent && !isSilence(response)
  const retryAfterS = heard ? readRetryAfter(response.header('retry-after')) : undefined
  return {
    kind,
    result,
    why: shown(why, 400),
    code: heard ? response.status : null,
    phrase: heard ? shown(response.reason, MAX_PHRASE) : null,
    ...(retryAfterS === undefined ? {} : { retryAfterS }),
  }
}

function notSent(kind: NotBound['kind'], result: AttemptResult, why: string, minExpiresS: number | null): NotBound {
  return { kind, result, why: shown(why, 400), code: null, phrase: null, minExpiresS }
}

function thrown(error: unknown, minExpiresS: number | null): NotBound {
  const why = error instanceof Error ? error.message : String(error)
  if (error instanceof NotOurs) return notSent('lost', 'held', why, minExpiresS)
  if (error instanceof NotNow || error instanceof SipServerAway) return notSent('held', 'held', why, minExpiresS)
  const { code } = error as { code?: unknown }
  const unusable = code === 'TRUNK_NOT_USABLE' || code === 'TRUNK_ADDRESS_REFUSED'
  return notSent(unusable ? 'refused' : 'failed', unusable ? 'not_usable' : 'unreachable', why, minExpiresS)
}

/** Text of a registrar, for people: it may have written our Contact into it. */
function shown(text: string, maxLength: number): string {
  // Before it is cut: a token without its end would not be known as one.
  return printable(hideContactTokens(text.slice(0, 4 * maxLength)), maxLength)
}

function describe(response: ClientResponse): string {
  return `${response.status} ${shown(response.reason, MAX_PHRASE)}`.trim()
}
