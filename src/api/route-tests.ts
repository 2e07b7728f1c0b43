import { isIP } from 'node:net'
import { z } from 'zod'
import { parseUri } from '../engine/index.js'
import { shownDecision } from '../model/decision.js'
import { dialText } from '../model/strict-text.js'
import { headerMap } from '../model/text.js'
import type { InboundRequest } from '../routing/router.js'
import { accountField } from './account.js'
import type { Api, Services } from './services.js'
import { decisionView, namedBody, refusals } from './views.js'

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
    to: uriOrNumber('The dialled number'),
    from: uriOrNumber('Who calls').optional(),
    source_address: z
      .string()
      .max(64)
      .refine((text) => isIP(text) !== 0 && !text.includes('%'), 'must be an IP address')
      .describe('The address the call comes from'),
    headers: headerMap.default({}).describe('Other headers of the INVITE, such as Diversion or P-Called-Party-ID'),
  }),
)

/** The user part of a SIP URI that stands for `text`: everything but the unreserved characters and `+` escaped. */
const userPart = (text: string): string => encodeURIComponent(text).replaceAll('%2B', '+')

const toUri = (text: string): string => (LIKE_URI.test(text) ? text : `sip:${userPart(text)}@${HOST}`)

/** The INVITE a route test stands for, as routing sees it. */
export function syntheticRequest(test: Omit<z.output<typeof routeTest>, 'account_id'>): InboundRequest {
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
export function addRouteTests(api: Api, { router }: Services): void {
  api.post(
    '/route-tests',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['route-tests'],
        summary: 'Decide where a call would go, and say why',
        body: routeTest,
        response: { 200: decisionView, ...refusals(400) },
      },
    },
    async (request) => {
      const { account } = request
      const asked = syntheticRequest(request.body)
      const { decision } = await router.decide(account === undefined ? asked : { ...asked, accountId: account })
      return shownDecision(decision)
    },
  )
}
