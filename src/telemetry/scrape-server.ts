import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What is shown at `/metrics`. */
export interface Scraped {
  readonly contentType: string
  render(): Promise<string>
}

/** Times within which a request must be complete, and how many may be at once: a scrape is one short request. */
const REQUEST_TIMEOUT_MS = 5_000
const MOST_CONNECTIONS = 64

/** A small HTTP server for Prometheus to read metrics from. */
export class ScrapeServer {
  private readonly server: Server

  constructor(metrics: Scraped) {
    this.server = createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        const known = request.url?.split('?')[0] === '/metrics'
        if (!known || (request.method !== 'GET' && request.method !== 'HEAD')) {
          response.writeHead(known ? 405 : 404, known ? { allow: 'GET, HEAD' } : {}).end()
          return
        }
        metrics.render().then(
          (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      },
    )
    this.server.maxConnections = MOST_CONNECTIONS
  }

  /**
   * @param port 0: any free one
   * @throws {Error} of the system when it cannot listen there (EADDRINUSE, ...)
   */
  async listen(host: string, port: number): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen({ host, port }, () => {
        this.server.off('error', reject)
        resolve()
      })
    })
    return this.server.address() as AddressInfo
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (!this.server.listening) return
    await new Promise((resolve) => {
      this.server.close(resolve)
      this.server.closeAllConnections()
    })
  }
}
