import type { Problem } from '../config-error.js'
import { settings, type SettingName, type SimpleSettings } from './settings.js'
import { BadValue, usableContact } from './values.js'

/** One listening address, with what holds for it alone. */
export interface DrachtioContact {
  readonly uri: string
  readonly externalIp?: string
  readonly localNet?: string
  readonly dnsNames?: readonly string[]
}

export interface DrachtioSpammers {
  readonly action: 'reject' | 'discard'
  readonly tcpAction: 'reject' | 'discard'
  readonly headers: ReadonlyArray<{ readonly name: string; readonly values: readonly string[] }>
}

export interface RequestHandler {
  /** Upper case, or `*`. */
  readonly method: string
  readonly httpMethod: 'GET' | 'POST'
  readonly url: string
  /** The certificate of an https:// handler must be good. */
  readonly verifyPeer: boolean
}

/** What drachtio-server's flags, variables and file say. What none of them says is absent. */
export interface DrachtioSettings extends SimpleSettings {
  contacts?: readonly DrachtioContact[]
  /** What peers see of contacts that say nothing themselves. */
  externalIp?: string
  spammers?: DrachtioSpammers
  requestHandlers?: readonly RequestHandler[]
}

/** What one source says. */
export class Layer {
  readonly settings: DrachtioSettings = {}
  readonly problems: Problem[] = []
  /** One line each: what was given and has no effect. */
  readonly ignored: string[] = []

  /** @param path how the place is called, @param source where it stands, when the path does not say it */
  set(name: SettingName, text: string, path: string, source?: string): void {
    this.guard(path, source, () => Object.assign(this.settings, { [name]: settings[name].read(text) }))
  }

  /** The contact without what is not supported; undefined when nothing is left of it, or it is wrong. */
  contact(text: string, path: string, source?: string): string | undefined {
    let uri: string | undefined
    this.guard(path, source, () => {
      const usable = usableContact(text)
      uri = usable.uri
      if (usable.unsupported.length > 0)
        this.ignore(`${path} ${text.trim()}`, `transport ${usable.unsupported.join(' and ')} is not supported`)
    })
    return uri
  }

  /** Reads a value of another kind. */
  guard(path: string, source: string | undefined, read: () => void): void {
    try {
      read()
    } catch (error) {
      if (!(error instanceof BadValue)) throw error
      this.problems.push({ path, message: error.message, ...(source === undefined ? {} : { source }) })
    }
  }

  ignore(what: string, why: string): void {
    this.ignored.push(`${what} has no effect: ${why}`)
  }
}
