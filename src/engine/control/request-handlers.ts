import { isIP } from 'node:net'
import { ControlError } from './secret.js'

/** Says where new requests of a method go, instead of the applications that are connected. */
export interface RequestHandler {
  /** SIP method in any case, or `*`: all that have no handler of their own. */
  readonly method: string
  /** `http://` or `https://`: asked about each request. `tcp://host:port` or `tls://host:port`: an application, dialled for each request. */
  readonly url: string
  /** Default GET. */
  readonly httpMethod?: 'GET' | 'POST'
  /** The certificate of whom the URL names, an HTTP server or an application, must be good. Default false. */
  readonly verifyPeer?: boolean
  /** So must those of applications that an HTTP server names. Default false: drachtio-server never looks at them. */
  readonly verifyApplications?: boolean
}

/** An application that is to be dialled. */
export interface DialTarget {
  /** Name, or IP literal without brackets. */
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** A request handler whose values are checked. */
export type Handler = { readonly verifyPeer: boolean; readonly verifyApplications: boolean } & (
  | { readonly kind: 'dial'; readonly target: DialTarget }
  | { readonly kind: 'http'; readonly url: URL; readonly post: boolean }
)

/**
 * The handlers by method in upper case, or `*`.
 * @throws {ControlError} BAD_REQUEST_HANDLER naming the one that is wrong, and how
 */
export function readHandlers(given: readonly RequestHandler[]): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>()
  for (const handler of given) {
    const method = handler.method.toUpperCase()
    const bad = (why: string): ControlError =>
      new ControlError('BAD_REQUEST_HANDLER', `request handler for ${handler.method}: ${why}`)
    if (method !== '*' && !/^[A-Z]{3,12}$/.test(method)) throw bad('that is neither a SIP method nor *')
    if (handlers.has(method)) throw bad('there are two')
    const { verifyPeer = false, verifyApplications = false } = handler
    handlers.set(method, { verifyPeer, verifyApplications, ...kindOf(handler, bad) })
  }
  return handlers
}

type Kind = { kind: 'dial'; target: DialTarget } | { kind: 'http'; url: URL; post: boolean }

function kindOf({ url: text, httpMethod = 'GET' }: RequestHandler, bad: (why: string) => ControlError): Kind {
  const direct = /^(tcp|tls):\/\/(.*?)\/?$/.exec(text)
  if (direct !== null) {
    const target = readTarget(`${direct[2]};transport=${direct[1]}`)
    if (target === undefined) throw bad('an application is named as tcp://host:port or tls://host:port')
    return { kind: 'dial', target }
  }
  if (httpMethod !== 'GET' && httpMethod !== 'POST') throw bad('the HTTP method is GET or POST')
  let url: URL
  try {
    url = new URL(text)
  } catch {
    // The text is not shown: it may hold a password.
    throw bad('its URL is none')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw bad('its URL begins http, https, tcp or tls')
  return { kind: 'http', url, post: httpMethod === 'POST' }
}

const TARGET = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})(?:;transport=(tcp|tls))?$/

/** The application in `host:port[;transport=tcp|tls]`; undefined when that is not what the text is. */
export function readTarget(text: string): DialTarget | undefined {
  const [, literal, name, port, transport] = TARGET.exec(text) ?? []
  const host = literal ?? name
  const number = Number(port)
  if (host === undefined || number < 1 || number > 65_535) return undefined
  if (literal !== undefined && isIP(literal) !== 6) return undefined
  return { host, port: number, tls: transport === 'tls' }
}
