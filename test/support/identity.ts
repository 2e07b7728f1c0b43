import { DigestSession } from '../../src/trunks/digest/session.js'
import type { TrunkIdentity } from '../../src/trunks/trunk-identities.js'

/** Who we are to a trunk of a test, whose servers are at 127.0.0.1. */
export class TestIdentity implements TrunkIdentity {
  credentials: TrunkIdentity['credentials'] = { username: 'line', password: 'geheim' }
  readonly session = new DigestSession()
  hosts = ['127.0.0.1']
  servers = ['127.0.0.1']
  allowed: readonly string[] = []
  refusals = 0

  addresses(): Promise<readonly string[]> {
    return Promise.resolve(this.servers)
  }

  allows(address: string): boolean {
    return this.allowed.includes(address)
  }

  refused(): void {
    this.refusals += 1
  }

  /** The trunk has accepted credentials for this realm, with a nonce of this name. */
  knowing(realm: string, nonce = 'known', method = 'INVITE'): this {
    const exchange = this.session.begin({ method, uri: 'sip:x', body: '' }, { username: 'line', password: 'geheim' })
    const value = `Digest realm="${realm}", nonce="${nonce}", qop="auth"`
    exchange.challenged({ status: 407, header: (name) => (name === 'Proxy-Authenticate' ? value : undefined) })
    exchange.ended({ status: 200, header: () => undefined })
    return this
  }
}
