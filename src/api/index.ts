export { createApi, type ApiOptions } from './api.js'
export type { Api, Origination, Readiness, Services } from './services.js'
