export { ConfigError, type Problem } from './config-error.js'
export {
  adminToken,
  forgetInstance,
  type Instance,
  readAdminToken,
  readInstance,
  secretKey,
  writeInstance,
} from './instance.js'
export { loadConfig, type LoadOptions } from './load.js'
export { type Config, configSchema } from './schema.js'
export { type Listen, parseListen } from './values.js'
