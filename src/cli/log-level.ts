import { type Config, type DrachtioFlags, type DrachtioSettings, loadDrachtio } from '../config/index.js'
import type { Logger } from '../telemetry/index.js'

/** drachtio's names of log levels, and ours. */
const LEVELS = { notice: 'info', error: 'error', warning: 'warn', info: 'info', debug: 'debug' } as const

/** The level that an operator has set for the log, over that of the configuration. */
export function logLevel({ logLevel }: DrachtioSettings, config: Config): Config['log']['level'] {
  return logLevel === undefined ? config.log.level : LEVELS[logLevel]
}

/** Takes the log's level from the XML file as it is now; a file that is wrong is written about, and the level stays. */
export function reloadLogLevel(flags: DrachtioFlags, config: Config, logger: Logger): void {
  try {
    const level = logLevel(loadDrachtio(flags).settings, config)
    if (level === logger.level) return
    logger.info({ logLevel: level }, 'Log level changed')
    logger.level = level
  } catch (error) {
    logger.error({ err: error }, `The log level stays as it was: ${(error as Error).message}`)
  }
}
