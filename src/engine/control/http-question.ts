import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import { VERSION } from './version.js'

/** How long a connection to an HTTP server may take to come up, its TLS handshake included. */
const CONNECT_WITHIN_MS = 2_000
/** How long the whole exchange may take, redirects included. */
const ANSWER_WITHIN_MS = 3_000
const MAX_REDIRECTS = 5
const MAX_BODY_BYTES = 65_536
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** What is asked of an HTTP server. */
export interface HttpQuestion {
  readonly url: URL
  /** Text of a POST, a byte string; undefined: it is a GET. */
  readonly body: string | undefined
  readonly verifyPeer: boolean
}

/** The HTTP exchanges of one engine: they share connections that are kept alive. */
export class HttpQuestions {
  private readonly plain = new http.Agent({ keepAlive: true, maxFreeSockets: 64 })
  private readonly secure = new https.Agent({ keepAlive: true, maxFreeSockets: 64 })

  constructor(private readonly clock: Clock) {}

  /**
   * @param answered gets the text of the answer, whatever its status, or why there is none; called once
   * @returns ends it; `answered` is not called then
   */
  ask(question: HttpQuestion, answered: (answer: string | Error) => void): () => void {
    return new Exchange(question, this.plain, this.secure, this.clock, answered).abort
  }

  close(): void {
    this.plain.destroy()
    this.secure.destroy()
  }
}

class Exchange {
  private over = false
  private redirects = 0
  private request: ClientRequest | undefined
  private readonly deadline: Timer
  private connecting: Timer | undefined

  constructor(
    private readonly question: HttpQuestion,
    private readonly plain: http.Agent,
    private readonly secure: https.Agent,
    private readonly clock: Clock,
    private readonly answered: (answer: string | Error) => void,
  ) {
    this.deadline = clock.after(ANSWER_WITHIN_MS, () => this.fail(`no answer within ${ANSWER_WITHIN_MS} ms`))
    this.send(question.url, question.body)
  }

  readonly abort = (): void => {
    this.over = true
    this.deadline.cancel()
    this.connecting?.cancel()
    this.request?.destroy()
  }

  private send(url: URL, body: string | undefined, fresh = false): void {
    try {
      this.open(url, body, fresh)
    } catch (error) {
      // Credentials in the URL that are no percent-encoding.
      this.fail((error as Error).message)
    }
  }

  private open(url: URL, body: string | undefined, fresh: boolean): void {
    const secure = url.protocol === 'https:'
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      method: body === undefined ? 'GET' : 'POST',
      // A connection of its own where one that was kept alive has just turned out to be dead.
      agent: fresh ? false : secure ? this.secure : this.plain,
      headers: {
        accept: 'application/json',
        // Firewalls of web applications refuse, or know, a client by it.
        'user-agent': `Drachtio/${VERSION}`,
        ...(body === undefined
          ? {}
          : { 'content-type': 'text/plain; charset=UTF-8', 'content-length': String(body.length) }),
      },
      rejectUnauthorized: this.question.verifyPeer,
    }
    const request = (secure ? https : http).request(url, options)
    this.request = request
    let heard = false
    request.on('socket', (socket) => this.watch(socket, secure))
    request.on('response', (response) => {
      heard = true
      this.response(response, url, body)
    })
    request.on('error', (error) => {
      if (this.over || request !== this.request) return
      if (request.reusedSocket && !heard && !fresh) return this.send(url, body, true)
      this.fail(whatFailed(error))
    })
    request.end(body, 'latin1')
  }

  private watch(socket: Socket, secure: boolean): void {
    if (this.over || !socket.connecting) return
    this.connecting?.cancel()
    const connecting = this.clock.after(CONNECT_WITHIN_MS, () =>
      this.fail(`no connection within ${CONNECT_WITHIN_MS} ms`),
    )
    this.connecting = connecting
    socket.once(secure ? 'secureConnect' : 'connect', () => connecting.cancel())
  }

  private response(response: IncomingMessage, url: URL, body: string | undefined): void {
    const { statusCode = 0, headers } = response
    if (this.over) return void response.destroy()
    if (REDIRECTS.has(statusCode) && headers.location !== undefined) {
      response.destroy()
      return this.redirected(headers.location, url, statusCode < 307 ? undefined : body)
    }
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > MAX_BODY_BYTES) return this.fail(`the answer is longer than ${MAX_BODY_BYTES} bytes`)
      chunks.push(chunk)
    })
    response.on('error', (error) => this.fail(whatFailed(error)))
    response.on('end', () => {
      if (!response.complete) return this.fail('the answer is cut off')
      this.finish(Buffer.concat(chunks, size).toString('utf8'))
    })
  }

  private redirected(location: string, from: URL, body: string | undefined): void {
    if (++this.redirects > MAX_REDIRECTS) return this.fail(`more than ${MAX_REDIRECTS} redirects`)
    let url: URL
    try {
      url = new URL(location, from)
    } catch {
      return this.fail('redirected to what is no URL')
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return this.fail('redirected to what is no HTTP server')
    if (this.question.verifyPeer && from.protocol === 'https:' && url.protocol === 'http:')
      return this.fail('redirected from a checked server to one that is not')
    this.send(url, body)
  }

  private fail(why: string): void {
    this.finish(new Error(why))
  }

  private finish(answer: string | Error): void {
    if (this.over) return
    this.deadline.cancel()
    this.connecting?.cancel()
    this.over = true
    if (typeof answer !== 'string') this.request?.destroy()
    this.answered(answer)
  }
}

/** What to tell people of a failed connection: where several addresses were tried, the message is empty. */
export function whatFailed(error: NodeJS.ErrnoException): string {
  return error.message || error.code || 'the connection failed'
}
