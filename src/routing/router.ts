import type { Agent } from '../model/agent.js'
import type { Decision } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import type { Directory } from '../store/directory.js'
import type { Log } from '../store/observe.js'
import type { InboundRequest } from './did.js'

export type { InboundRequest } from './did.js'

/** Where a call goes, or why nowhere; the records the decision rests on, as far as they were found. */
export interface Routed {
  readonly decision: Decision
  readonly number?: PhoneNumber
  readonly trunk?: Trunk
  readonly agent?: Agent
}

/** Decides where an inbound call goes. */
export declare class Router {
  constructor(options: { directory: Directory; logger: Log })
  /** Never throws, and never waits longer than Redis's command deadline allows. */
  decide(request: InboundRequest): Promise<Routed>
}
