import { agentSchema, type Agent } from '../../src/model/agent.js'
import { numberSchema } from '../../src/model/number.js'
import { type Trunk, trunkSchema } from '../../src/model/trunk.js'
import type { Destination, OutboundPlan } from '../../src/routing/outbound-plan.js'

const times = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' }

/** A call of the agent `front` as +14155550100 to +13125550199, by the trunk `pbx-1`. */
export function planOf(
  trunk: Partial<Trunk> = {},
  more: {
    readonly agent?: Partial<Agent>
    readonly number?: { phone_number: string; kind?: 'e164' | 'extension' }
    readonly destination?: Destination
  } = {},
): OutboundPlan {
  return {
    agent: agentSchema.parse({ id: 'front', sip_uri: 'sip:front@127.0.0.1:5090', ...times, ...more.agent }),
    number: numberSchema.parse({
      phone_number: '+14155550100',
      trunk_id: 'pbx-1',
      outbound_agent_ids: ['front'],
      ...times,
      ...more.number,
    }),
    trunk: trunkSchema.parse({ id: 'pbx-1', sip_domain: 'pbx.example.com', ...times, ...trunk }),
    destination: more.destination ?? { kind: 'e164', value: '+13125550199' },
  }
}
