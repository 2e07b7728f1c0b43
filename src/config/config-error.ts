/** One thing that is wrong with the configuration. */
export interface Problem {
  /** The key: `sip.t1_ms`; a file or variable when there is no key. */
  readonly path: string
  /** What is wrong, never with the value: it may be a secret. */
  readonly message: string
  /** Where the value stands: a file, or the name of an environment variable. */
  readonly source?: string
}

/** The configuration cannot be used. Holds all that is wrong, so that one look mends it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(describe).join('\n'))
  }
}

const describe = ({ path, message, source }: Problem): string =>
  source === undefined || source === path ? `${path}: ${message}` : `${path} (${source}): ${message}`
