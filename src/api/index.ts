export { createApi, type ApiOptions, type ApiTls } from './api.js'
export type { Api, Origination, Readiness, Services } from './services.js'
