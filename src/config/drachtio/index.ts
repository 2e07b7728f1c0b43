export type { DrachtioContact, DrachtioSettings, DrachtioSpammers, RequestHandler } from './layer.js'
export { type ContactFlag, type Drachtio, type DrachtioFlags, loadDrachtio, longName } from './load.js'
export { noEffects, type Setting, settings, type SettingName } from './settings.js'
