import { CliError } from './errors.js'
import { pinnedFetch, type Fetch } from './pinned-fetch.js'

const TIMEOUT_MS = 10_000

/** Tells the audit of the edge that it was a command. */
const AGENT = { 'user-agent': 'signalbox-cli' }

export interface EdgeAddress {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly token: string | undefined
  /** The certificate that the edge of this machine must show; else it must prove its name. */
  readonly certificateFile?: string | undefined
}

/** An answer of the API: `problem` when it refused. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

interface Problem {
  readonly detail?: unknown
  readonly code?: unknown
  readonly errors?: unknown
}

/** One page of a list. */
export interface Page<T> {
  readonly items: T[]
  readonly next_cursor: string | null
}

/** Asks a running edge over its REST API. */
export class Client {
  readonly #fetch: Fetch

  /** @param account what is asked is this account's; undefined: the token says whose */
  constructor(
    readonly edge: EdgeAddress,
    private readonly account?: string,
  ) {
    const { url, certificateFile } = edge
    this.#fetch = certificateFile !== undefined && url.startsWith('https:') ? pinnedFetch(certificateFile) : fetch
  }

  private at(path: string): URL {
    const url = new URL(path, this.edge.url)
    if (this.account !== undefined) url.searchParams.set('account_id', this.account)
    return url
  }

  /** The answer's body. @throws {CliError} in one line, when the edge cannot be asked or refuses */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.answer(method, path, body)
    if (answer.status >= 400) throw this.refused(answer)
    return answer.body as T
  }

  /** As `ask`, but undefined for 404. */
  async find<T>(path: string): Promise<T | undefined> {
    const answer = await this.answer('GET', path)
    if (answer.status === 404) return undefined
    if (answer.status >= 400) throw this.refused(answer)
    return answer.body as T
  }

  /** The items of a list, page after page, `limit` at most. */
  async list<T>(path: string, query: Record<string, string | undefined>, limit: number): Promise<Page<T>> {
    const items: T[] = []
    let cursor: string | null = null
    do {
      const given = { ...query, limit: String(Math.min(1000, limit - items.length)), cursor: cursor ?? undefined }
      const set = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined)
      const page: Page<T> = await this.ask('GET', `${path}?${new URLSearchParams(set).toString()}`)
      items.push(...page.items)
      cursor = page.next_cursor
    } while (cursor !== null && items.length < limit)
    return { items, next_cursor: cursor }
  }

  /**
   * An answer that goes on for as long as the edge has something to say, piece by piece.
   * @param waiting called when it is there
   * @throws {CliError} when nothing that is an edge answers, or it refuses
   */
  async *stream(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    waiting: () => void,
  ): AsyncIterable<string> {
    const { url, token } = this.edge
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new DOMException('', 'TimeoutError')), TIMEOUT_MS)
    const response = await this.#fetch(this.at(path), {
      headers: { ...headers, ...authorization },
      redirect: 'error',
      signal: AbortSignal.any([signal, late.signal]),
    })
      .catch((error: unknown) => {
        throw new CliError(unreachable(url, error), undefined, { cause: error })
      })
      .finally(() => clearTimeout(timer))
    if (!response.ok || response.body === null) {
      const text = await response.text()
      const json = (response.headers.get('content-type') ?? '').includes('json')
      throw this.refused({ status: response.status, body: json ? (JSON.parse(text) as unknown) : text })
    }
    waiting()
    const decoder = new TextDecoder()
    for await (const bytes of response.body) yield decoder.decode(bytes as Uint8Array, { stream: true })
  }

  /** @throws {CliError} when nothing that is an edge answers */
  async answer(method: string, path: string, body?: unknown): Promise<Answer> {
    const { url, token } = this.edge
    try {
      const response = await this.#fetch(this.at(path), {
        method,
        headers: {
          ...AGENT,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The token is for this edge, not for where it may point.
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const text = await response.text()
      const json = (response.headers.get('content-type') ?? '').includes('json')
      return { status: response.status, body: text === '' ? undefined : json ? (JSON.parse(text) as unknown) : text }
    } catch (error) {
      throw new CliError(unreachable(url, error), undefined, { cause: error })
    }
  }

  private refused(answer: Answer): CliError {
    try {
      this.checkOrigin(answer)
    } catch (error) {
      if (error instanceof CliError) return error
      throw error
    }
    const { code, reason } = this.refusalOf(answer)
    return new CliError(`${reason} (${code})`)
  }

  /** @throws {CliError} when the answer is not what an edge says to one who may ask it */
  checkOrigin({ status, body }: Answer): void {
    const { url, token } = this.edge
    if (status === 401)
      throw new CliError(
        token === undefined
          ? `the edge at ${url} wants a token: give --token, or set SIGNALBOX_ADMIN_TOKEN`
          : `the edge at ${url} does not accept this token`,
      )
    if (status >= 400 && (typeof body !== 'object' || body === null))
      throw new CliError(`${url} answered ${status}: is it an edge?`)
  }

  /** What a refusal says. */
  refusalOf({ status, body }: Answer): { code: string; reason: string } {
    const { detail, code, errors } = (typeof body === 'object' && body !== null ? body : {}) as Problem
    const bad = Array.isArray(errors) ? errors.filter(isFieldError) : []
    // The detail names the first few of them.
    const what = bad.length > 3 ? bad.map(({ field, message }) => `${field}: ${message}`).join('; ') : detail
    return {
      code: typeof code === 'string' ? code : String(status),
      reason: typeof what === 'string' ? what : `status ${status}`,
    }
  }
}

const isFieldError = (value: unknown): value is { field: string; message: string } =>
  typeof value === 'object' && value !== null && 'field' in value && 'message' in value

/** Why nothing answers, in words. */
function unreachable(url: string, error: unknown): string {
  const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] } }
  const code = cause?.code ?? cause?.errors?.[0]?.code
  if (code === 'ECONNREFUSED') return `no edge answers at ${url}: is \`npm start\` running?`
  if (name === 'TimeoutError') return `the edge at ${url} did not answer within ${TIMEOUT_MS / 1000} s`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `no such host: ${url}`
  if (name === 'SyntaxError') return `${url} answers something that is not JSON: is it an edge?`
  return `the edge at ${url} cannot be asked (${code ?? cause?.message ?? (error as Error).message})`
}
