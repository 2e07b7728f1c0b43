import { printable } from '../../model/printable.js'
import { hasControls } from './auth-params.js'
import { type Challenge, readChallenges, readNextNonce } from './challenge.js'
import { type Challenged, type Credentials, type DigestExchange, type DigestRequest, isChallenge } from './exchange.js'
import { addLine } from './header-lines.js'
import { type Asker, headersOf, type NonceUse } from './nonce-use.js'

type Response = Parameters<DigestExchange['challenged']>[0]
type Refusal = Extract<Challenged, { answered: false }>

/** Challenges answered for one request, at most: a chain of proxies has each its own. */
const MAX_ROUNDS = 6
/** Realms that one request carries credentials for. */
const MAX_REALMS = 4
/** New nonces taken for one realm because the last one was stale. */
const MAX_STALE = 2

/** What an exchange asks of the trunk's session. */
export interface ExchangeMemory {
  /** Nonces to show ahead of any challenge. */
  ahead(): readonly NonceUse[]
  /** The use of a challenge's nonce, with all that have shown it before. */
  use(asker: Asker, challenge: Challenge): NonceUse
  accepted(use: NonceUse): void
  refused(use: NonceUse): void
}

/** What is shown for one realm. */
interface Shown {
  use: NonceUse
  /** Whether it answers a challenge of this exchange; else it was shown ahead. */
  answer: boolean
  stale: number
}

const ASKERS: readonly Asker[] = ['server', 'proxy']

const realmKey = (asker: Asker, { realm }: Challenge): string => `${asker} ${realm.text}`

/** The credentials of one request of ours: one answer a challenge, never a loop. */
export class ClientExchange implements DigestExchange {
  readonly #shown = new Map<string, Shown>()
  #headers: Readonly<Record<string, string>> = {}
  #rounds = 0

  constructor(
    private readonly memory: ExchangeMemory,
    private readonly request: DigestRequest,
    private readonly credentials: Credentials | undefined,
  ) {
    if (unusable(credentials) !== undefined) return
    for (const use of memory.ahead().slice(-MAX_REALMS))
      this.#shown.set(realmKey(use.asker, use.challenge), { use, answer: false, stale: 0 })
    this.authorize()
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#headers
  }

  challenged(response: Response): Challenged {
    const lack = unusable(this.credentials)
    if (lack !== undefined) return refusal('no-credentials', lack)
    const { challenges, why } = challengesOf(response)
    if (challenges.length === 0) return why
    if (this.#rounds === MAX_ROUNDS) return refusal('refused', `challenged more than ${MAX_ROUNDS} times`)
    this.#rounds += 1
    let answered = 0
    for (const [asker, challenge] of challenges) {
      const refused = this.refusedBy(asker, challenge)
      if (refused !== undefined) return refused
      if (this.answer(asker, challenge)) answered += 1
    }
    if (answered === 0) return refusal('refused', `more than ${MAX_REALMS} realms ask for credentials`)
    this.authorize()
    return { answered: true }
  }

  ended(response: Response): void {
    const { status } = response
    if (isChallenge(status)) return
    for (const { use, answer } of this.#shown.values()) {
      if (status === 403) this.memory.refused(use)
      // What was shown ahead may not have been asked for: it proves nothing new.
      else if (answer && isVerdict(status)) this.memory.accepted(use)
    }
    for (const asker of ASKERS) this.takeNextNonce(asker, response.header(headersOf[asker].info))
  }

  /** The refusal that a challenge means after what was shown for its realm. */
  private refusedBy(asker: Asker, challenge: Challenge): Refusal | undefined {
    const shown = this.#shown.get(realmKey(asker, challenge))
    if (shown === undefined) return undefined
    this.memory.refused(shown.use)
    const fresh = challenge.nonce.text !== shown.use.challenge.nonce.text
    if (!shown.answer || (challenge.stale && fresh && shown.stale < MAX_STALE)) return undefined
    return refusal('refused', `the credentials for realm "${printable(challenge.realm.text, 64)}" were not accepted`)
  }

  /** Takes a challenge on; false when there is no room for its realm. */
  private answer(asker: Asker, challenge: Challenge): boolean {
    const key = realmKey(asker, challenge)
    const shown = this.#shown.get(key)
    if (shown === undefined && this.#shown.size === MAX_REALMS) {
      const [spare] = [...this.#shown].find(([, { answer }]) => !answer) ?? []
      if (spare === undefined) return false
      this.#shown.delete(spare)
    }
    const stale = shown?.answer ? shown.stale + 1 : 0
    this.#shown.set(key, { use: this.memory.use(asker, challenge), answer: true, stale })
    return true
  }

  private authorize(): void {
    const { credentials } = this
    if (credentials === undefined) return
    const headers: Record<string, string> = {}
    for (const { use } of this.#shown.values())
      addLine(headers, headersOf[use.asker].credentials, use.authorize(credentials, this.request))
    this.#headers = headers
  }

  /** RFC 7615: says nothing about the realm, so it is taken only where there is one. */
  private takeNextNonce(asker: Asker, info: string | undefined): void {
    const nonce = info === undefined ? undefined : readNextNonce(info)
    const [shown, ...others] = [...this.#shown.values()].filter(({ use }) => use.asker === asker)
    if (nonce === undefined || shown === undefined || others.length > 0) return
    const { challenge } = shown.use
    // The key of a session is made of its first nonce for some servers, of the present one for others: it begins anew.
    if (challenge.algorithm.sess) return this.memory.refused(shown.use)
    this.memory.accepted(this.memory.use(asker, { ...challenge, nonce, stale: false }))
  }
}

/** Whether a response comes from somebody who has looked at the credentials. */
const isVerdict = (status: number): boolean => (status < 500 ? status !== 408 : status >= 600)

const refusal = (code: Refusal['code'], why: string): Refusal => ({ answered: false, code, why })

function unusable(credentials: Credentials | undefined): string | undefined {
  if (credentials === undefined) return 'there are no credentials'
  return hasControls(credentials.username) ? 'the user name has control characters' : undefined
}

/** Realms of the challenges in a response that could be answered. */
export function challengedRealms(response: Response): string[] {
  return challengesOf(response).challenges.map(([, { realm }]) => realm.text)
}

/** The challenges of a response, WWW-Authenticate and Proxy-Authenticate alike, and what is wrong when there are none. */
function challengesOf(response: Response): { challenges: (readonly [Asker, Challenge])[]; why: Refusal } {
  const challenges: (readonly [Asker, Challenge])[] = []
  let unsupported: string | undefined
  let malformed: string | undefined
  for (const asker of ASKERS) {
    const name = headersOf[asker].challenge
    const value = response.header(name)
    if (value === undefined) continue
    const read = readChallenges(value)
    for (const challenge of read.usable) challenges.push([asker, challenge])
    if (read.unsupported !== undefined) unsupported ??= `${name}: ${read.unsupported}`
    if (read.malformed !== undefined) malformed ??= `${name}: ${read.malformed}`
  }
  if (unsupported !== undefined) return { challenges, why: refusal('unsupported', unsupported) }
  return { challenges, why: refusal('malformed', malformed ?? `the ${response.status} has no challenge`) }
}
