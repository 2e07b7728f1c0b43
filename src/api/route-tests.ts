import { isIP } from 'node:net'
import { z } from 'zod'
import { parseUri } from '../engine/index.js'
import { shownDecision, type OutboundDecisionView } from '../model/decision.js'
import { localId } from '../model/account.js'
import { dialText } from '../model/strict-text.js'
import { headerMap, identifier } from '../model/text.js'
import { verdicts } from '../model/verdict.js'
import type { OutboundAnswer } from '../routing/outbound-test.js'
import type { InboundRequest } from '../routing/router.js'
import { accountField, idFor } from './account.js'
import { fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { namedBody, refusals, routeTestView } from './views.js'

const HOST = 'signalbox.invalid'
const LIKE_URI = /^(sips?|tel):/i

const uriOrNumber = (what: string) =>
  dialText(256)
    .min(1)
    .refine(
      (text) => !LIKE_URI.test(text) || (!/[\s<>",]/.test(text) && parseUri(text) !== undefined),
      'is not a SIP or tel URI',
    )
    .describe(`${what}: a number in any spelling, or a sip: or tel: URI`)

const routeTest = namedBody(
  'RouteTest',
  z.strictObject({
    account_id: accountField,
    direction: z
      .enum(['inbound', 'outbound'])
      .default('inbound')
      .describe('`inbound`: a call from a trunk; `outbound`: one that an agent places'),
    agent_id: identifier
      .optional()
      .describe('The agent that calls, of an outbound call; else its source address tells'),
    to: uriOrNumber('The dialled number'),
    from: uriOrNumber('Who calls').optional(),
    source_address: z
      .string()
      .max(64)
      .refine((text) => isIP(text) !== 0 && !text.includes('%'), 'must be an IP address')
      .optional()
      .describe('The address the call comes from; needed unless an agent_id says who calls'),
    headers: headerMap.default({}).describe('Other headers of the INVITE, such as Diversion or P-Called-Party-ID'),
  }),
)

/** The user part of a SIP URI that stands for `text`: everything but the unreserved characters and `+` escaped. */
const userPart = (text: string): string => encodeURIComponent(text).replaceAll('%2B', '+')

const toUri = (text: string): string => (LIKE_URI.test(text) ? text : `sip:${userPart(text)}@${HOST}`)

type SyntheticCall = Pick<z.output<typeof routeTest>, 'to' | 'from' | 'headers'> & { readonly source_address: string }

/** The INVITE a route test stands for, as routing sees it. */
export function syntheticRequest(test: SyntheticCall): InboundRequest {
  const to = toUri(test.to)
  const headers = new Map(Object.entries(test.headers).map(([name, value]) => [name.toLowerCase(), value]))
  headers.set('to', `<${to}>`)
  headers.set('from', `<${toUri(test.from ?? 'anonymous')}>;tag=route-test`)
  return {
    requestUri: to,
    sourceAddress: test.source_address,
    header: (name) => headers.get(name.toLowerCase()),
  }
}

/** `/v1/route-tests`: where a call would go, and why, without one being placed. */
export function addRouteTests(api: Api, { router, outboundTests }: Services): void {
  api.post(
    '/route-tests',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['route-tests'],
        summary: 'Decide where a call would go, and say why',
        body: routeTest,
        response: { 200: routeTestView, ...refusals(400) },
      },
    },
    async (request) => {
      const { account, body } = request
      const { direction, agent_id, source_address, to, from = '' } = body
      if (direction === 'outbound') {
        if (agent_id === undefined && source_address === undefined)
          throw fieldRefused('agent_id', 'is required, or source_address: what says who calls')
        const agentId = agent_id === undefined ? undefined : idFor(request, agent_id)
        return showOutbound(
          await outboundTests.ask({ agentId, sourceAddress: source_address, from, to, accountId: account }),
        )
      }
      if (agent_id !== undefined) throw fieldRefused('agent_id', 'is of an outbound call: give "direction": "outbound"')
      if (source_address === undefined) throw fieldRefused('source_address', 'is required')
      const asked = syntheticRequest({ ...body, source_address })
      const { decision } = await router.decide(account === undefined ? asked : { ...asked, accountId: account })
      return shownDecision(decision)
    },
  )
}

function showOutbound({ decision: { plan, code, detail, trace }, agentId }: OutboundAnswer): OutboundDecisionView {
  return {
    direction: 'outbound',
    outcome: plan === undefined ? 'refused' : 'trunk',
    code: code ?? null,
    sip_status: code === undefined ? null : verdicts[code].status,
    detail,
    account_id: plan?.agent.account_id ?? null,
    phone_number: plan?.number.phone_number ?? null,
    trunk_id: plan === undefined ? null : localId(plan.trunk.id),
    agent_id: agentId === null ? null : localId(agentId),
    destination: plan?.destination.value ?? null,
    trace,
  }
}
