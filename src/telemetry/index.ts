export { blankSecrets } from './blank-secrets.js'
export { createLogger, type Logger, type LoggerOptions } from './logger.js'
export { Metrics } from './metrics.js'
export { SipTrace } from './sip-trace.js'
