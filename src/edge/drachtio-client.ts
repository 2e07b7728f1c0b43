import type { ClientRequest, ClientResponse } from '../trunks/sip-client.js'
import { formatTarget } from '../trunks/target.js'
import type { Library, LibraryResponse } from './drachtio-library.js'
import { DrachtioResponse, errorOf } from './drachtio-message.js'
import { isNotSent } from './not-sent.js'

/**
 * Sends a request outside dialogs and resolves with its final response, as `SipClient` says.
 * @throws {Error} when the server is away or refuses the request
 */
export function sendRequest(
  library: Library,
  { method, uri, headers, target, silenceMs }: ClientRequest,
): Promise<ClientResponse & { readonly sent: boolean }> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers }, proxy: nextHop(formatTarget(target), silenceMs) }
    library.request(uri, options, (error, request) => {
      if (error || request === undefined) return reject(errorOf(error))
      request.on('response', (response: LibraryResponse) => {
        if (response.status < 200) return
        const received = new DrachtioResponse(response)
        resolve(Object.assign(received, { sent: !isNotSent(received) }))
      })
    })
  })
}

/** The next hop of a request, with the time it may be silent for: a parameter that the engine reads and other servers pass over. */
export const nextHop = (proxy: string, silenceMs: number | undefined): string =>
  silenceMs === undefined ? proxy : `${proxy};x-signalbox-silence=${silenceMs}`
