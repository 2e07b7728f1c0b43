import { hkdfSync } from 'node:crypto'
import type { Config } from '../config/index.js'
import { TrunkAuth } from '../edge/index.js'
import type { Clock } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import type { KeyRing } from '../store/key-ring.js'
import type { Passwords } from '../store/passwords.js'
import { DigestVerifier } from '../trunks/digest/verifier.js'
import { TrunkCredentials } from '../trunks/trunk-credentials.js'
import type { Metrics } from '../telemetry/index.js'

export interface CallerOptions {
  readonly clock: Clock
  readonly ring: Pick<KeyRing, 'present'>
  readonly metrics: Pick<Metrics, 'challenges'>
  /** The passwords of `inbound_auth`. */
  readonly passwords: Pick<Passwords, 'get'>
}

/** What checks the credentials of those who call us. */
export interface CallerParts {
  readonly verifier: DigestVerifier
  readonly trunkAuth: TrunkAuth
  /** The password of a trunk's `inbound_auth`; undefined when it has none. Rejects when that cannot be told. */
  passwordOf(trunk: Trunk): Promise<string | undefined>
}

export function createCallers(config: Config, { clock, ring, metrics, passwords }: CallerOptions): CallerParts {
  // Edges with the same secret key take each other's nonces: the answer to a challenge may reach another one.
  const key = Buffer.from(hkdfSync('sha256', ring.present, '', 'signalbox digest nonce', 32))
  const verifier = new DigestVerifier({ clock, key, algorithms: config.sip.digest_algorithms })
  const credentials = new TrunkCredentials({ passwords, max: config.cache.max_trunks })
  const passwordOf = async ({ id, updated_at, inbound_auth }: Trunk): Promise<string | undefined> => {
    const owner = { id, updated_at, username: inbound_auth?.username ?? null, auth_username: null }
    return (await credentials.credentialsOf(owner))?.password
  }
  return { verifier, trunkAuth: new TrunkAuth({ verifier, metrics, passwordOf }), passwordOf }
}
