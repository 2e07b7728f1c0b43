import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { Readable } from 'node:stream'
import { connect } from 'node:tls'

/** What a client asks over HTTP with: the global `fetch`, or one that holds the edge to a certificate. */
export type Fetch = (url: URL, init: FetchInit) => Promise<Response>

interface FetchInit {
  readonly method?: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly redirect: 'error'
  readonly signal: AbortSignal
}

/**
 * Asks the edge of this machine, which must show the very certificate of that file: it is not asked whom it names, for it names what
 * others call the edge, and not who vouches for it. Nothing is sent before that.
 */
export function pinnedFetch(certificateFile: string): Fetch {
  return (url, { method = 'GET', headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const pinned = new X509Certificate(readFileSync(certificateFile)).fingerprint256
      const port = Number(url.port || 443)
      const host = url.hostname.replace(/^\[|\]$/g, '')
      const outgoing = request(url, {
        method,
        headers,
        signal,
        createConnection: (_options, connected) => {
          const socket = connect({ host, port, rejectUnauthorized: false }, () => {
            if (socket.getPeerX509Certificate()?.fingerprint256 === pinned) return connected(null, socket)
            socket.destroy()
            connected(new Error(`shows another certificate than ${certificateFile} holds`), socket)
          })
          socket.once('error', (error: Error) => connected(error, socket))
          return undefined
        },
      })
      outgoing.once('error', (error) => {
        const isLate = signal.aborted && (signal.reason as Error | undefined)?.name === 'TimeoutError'
        reject(isLate ? (signal.reason as Error) : new TypeError('fetch failed', { cause: error }))
      })
      outgoing.once('response', (incoming) => {
        const status = incoming.statusCode ?? 0
        if (status >= 300 && status < 400) {
          incoming.destroy()
          return reject(new TypeError('fetch failed', { cause: new Error('it points elsewhere') }))
        }
        const empty = status === 204 || status === 304
        if (empty) incoming.resume()
        resolve(
          new Response(empty ? null : Readable.toWeb(incoming), {
            status,
            headers: Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]),
          }),
        )
      })
      outgoing.end(body)
    })
}
