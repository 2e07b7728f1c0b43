import { readFileSync } from 'node:fs'
import { Server as HttpsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Api, ApiTls } from '../api/index.js'
import { type Config, ConfigError, parseListen } from '../config/index.js'
import { isLoopbackHost } from '../model/network.js'
import type { Logger } from '../telemetry/index.js'

type HttpConfig = Pick<Config, 'http'>

/**
 * Refuses an API that others reach in the clear: its tokens would go over the network with every request.
 * @throws {ConfigError} in one line that says how to mend it
 */
export function refuseClearHttp({ http }: HttpConfig): void {
  const host = parseListen(http.listen)?.host ?? ''
  const isGuarded = http.tls.certificate_file !== null || http.trust_proxy !== false
  if (isLoopbackHost(host) || isGuarded) return
  throw new ConfigError([
    {
      path: 'http.listen',
      message:
        `${http.listen} is reached by others, and tokens would go to it in the clear: set http.tls.certificate_file and http.tls.key_file, ` +
        'or http.trust_proxy when a proxy with TLS stands in front, or listen on 127.0.0.1',
    },
  ])
}

/** TLS of the API as the files have it now; undefined: it is not configured. @throws {Error} in one line, when they cannot be used */
export function httpTls({ http: { tls } }: HttpConfig): ApiTls | undefined {
  const { certificate_file, key_file, min_version } = tls
  if (certificate_file === null || key_file === null) return undefined
  const options = {
    cert: read('http.tls.certificate_file', certificate_file),
    key: read('http.tls.key_file', key_file),
    minVersion: min_version,
  }
  try {
    createSecureContext(options)
  } catch (error) {
    throw new Error(`http.tls: ${certificate_file} and ${key_file} cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return options
}

/** Has new connections to the API get the certificate that the files hold now; when it cannot be used, the one before stays. */
export function reloadHttpTls(api: Api, config: HttpConfig, logger: Logger): void {
  try {
    const tls = httpTls(config)
    if (tls === undefined || !(api.server instanceof HttpsServer)) return
    api.server.setSecureContext(tls)
    logger.info({ file: config.http.tls.certificate_file }, 'The certificate of the API was read anew')
  } catch (error) {
    logger.error({ err: error }, `The certificate of the API stays as it was: ${(error as Error).message}`)
  }
}

function read(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new Error(`${key}: ${file} cannot be read (${why})`, { cause: error })
  }
}

/** Has the API listen; its URL. @throws {Error} when the address is taken */
export async function listen(api: Api, at: string): Promise<string> {
  const { host, port } = parseListen(at)!
  try {
    return await api.listen({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Error(`${at} (HTTP) is in use: is another Signalbox running?`, { cause: error })
  }
}
