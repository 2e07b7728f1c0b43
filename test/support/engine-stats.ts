import { CallDurations } from '../../src/engine/counts.js'
import type { EngineStats } from '../../src/engine/index.js'

/** What an engine tells with which nothing has happened, but for what is given. */
export const engineStats = (more: Partial<EngineStats> = {}): EngineStats => ({
  badRequests: 0,
  repeatedRequests: 0,
  repeatedResponses: 0,
  inbound: new CallDurations(),
  outbound: new CallDurations(),
  inboundCalls: 0,
  outboundCalls: 0,
  clientTransactions: 0,
  serverTransactions: 0,
  proxied: 0,
  registeredContacts: 0,
  blacklisted: 0,
  spammers: 0,
  applications: 0,
  ...more,
})
