import type { Config } from '../config/index.js'
import { AgentAuth, OutboundCalls, type OutboundParts } from '../edge/index.js'
import { AgentIdentifier } from '../routing/identify-agent.js'
import type { Directory } from '../store/directory.js'
import type { Passwords } from '../store/passwords.js'
import type { DigestVerifier } from '../trunks/digest/verifier.js'
import { TrunkCredentials } from '../trunks/trunk-credentials.js'
import { createDialling, type DiallingOptions } from './dialling.js'
import type { TrunkParts } from './trunks.js'

export interface OutboundOptions extends DiallingOptions, Pick<OutboundParts, 'metrics' | 'router' | 'proved'> {
  readonly directory: Directory
  readonly verifier: DigestVerifier
  /** The passwords of agents. */
  readonly passwords: Pick<Passwords, 'get'>
  readonly trunks: DiallingOptions['trunks'] & Pick<TrunkParts, 'limits'>
}

/** What takes calls of agents. */
export function createOutbound(config: Config, options: OutboundOptions): OutboundCalls {
  const { metrics, router, directory, trunks } = options
  const identifier = new AgentIdentifier(directory)
  const credentials = new TrunkCredentials({ passwords: options.passwords, max: config.cache.max_agents })
  return new OutboundCalls({
    metrics,
    router,
    proved: options.proved,
    identifier,
    auth: new AgentAuth({
      verifier: options.verifier,
      behind: (username, listed) => identifier.behind(username, listed),
      passwordOf: async ({ id, updated_at, auth }) => {
        const owner = { id, updated_at, username: auth?.username ?? null, auth_username: null }
        return (await credentials.credentialsOf(owner))?.password
      },
    }),
    limits: trunks.limits,
    maxCallSeconds: config.limits.max_call_seconds,
    dialling: createDialling(config, options),
    ringTimeoutMs: config.trunks.ring_timeout_s * 1_000,
  })
}
