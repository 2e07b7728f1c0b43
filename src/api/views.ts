import { z } from 'zod'
import { localId } from '../model/account.js'
import { agentSchema } from '../model/agent.js'
import { apiTokenSchema } from '../model/api-token.js'
import { bindingViewSchema } from '../model/binding.js'
import { listedAuditEntry } from '../model/audit.js'
import { cdrSchema, liveCallSchema } from '../model/call.js'
import { decisionSchema, outboundDecisionSchema } from '../model/decision.js'
import { numberSchema } from '../model/number.js'
import { instant } from '../model/text.js'
import { registrationSchema } from '../model/registration.js'
import { trunkSchema, type Trunk } from '../model/trunk.js'
import { formatNextHop, nextHopOf } from '../trunks/next-hop.js'
import { pageOf } from './paging.js'
import { problemSchema } from './problem.js'
import type { Services } from './services.js'
import { answerOf } from './store-answer.js'

/** Names of schemas in the OpenAPI document. */
export const schemaNames = z.registry<{ id: string }>()

function named<T extends z.ZodType>(id: string, schema: T): T {
  schemaNames.add(schema, { id })
  return schema
}

const rejectedText = z
  .string()
  .nullable()
  .describe('Why nothing is sent to it: an address that `access.allowed_networks` does not have; null when it may be')

/** Answers are built from these: a field that is not listed is left out, so nothing leaves by accident. */
export const agentView = named(
  'Agent',
  z.object({
    ...agentSchema.shape,
    has_password: z.boolean().describe('Whether a password for `auth` is kept; it is never returned'),
    rejected: rejectedText,
  }),
)

const nextHopText = z
  .string()
  .nullable()
  .describe(
    'Where calls to the trunk go: the outbound proxy, else the SIP domain; null when it has neither, and for one that registers to us: they go to its `bindings`',
  )

const registrationNextHopText = z
  .string()
  .nullable()
  .describe('Where REGISTERs for the trunk go; null when it does not register')

export const trunkView = named(
  'Trunk',
  z.object({
    ...trunkSchema.shape,
    has_password: z.boolean().describe('Whether a password is kept; it is never returned'),
    has_inbound_password: z.boolean().describe('Whether a password of `inbound_auth` is kept; it is never returned'),
    next_hop: nextHopText,
    registration_next_hop: registrationNextHopText,
    rejected: rejectedText,
  }),
)

/** A contact that a PBX has registered with us. */
export const bindingView = named('Binding', bindingViewSchema)

export const registrationView = named('Registration', z.object(registrationSchema.shape))

/** An entry of the list: our registration at a trunk, or that of a PBX with us. */
export const registrationEntryView = named(
  'RegistrationEntry',
  registrationView.extend({
    direction: z
      .enum(['out', 'in'])
      .describe('`out`: we register at the trunk; `in`: it registers to us (`register_in`)'),
    bindings: z.array(bindingView).nullable().describe('The contacts it has registered; null for `out`'),
  }),
)

export const trunkWithRegistrationView = named(
  'TrunkWithRegistration',
  trunkView.extend({
    registration: registrationView.nullable().describe('Null while `register.enabled` is false'),
    tls_state: z
      .object({
        peer_name: z.string().nullable().describe('Whom the certificate is for that its server showed last'),
        not_after: z.string().nullable().describe('Until when that is good'),
        verified_at: z.string().nullable().describe('When its server last proved who it is'),
        problem: z.string().nullable().describe('Why the last handshake failed; null: it did not'),
        problem_at: z.string().nullable(),
      })
      .nullable()
      .describe('TLS towards its servers, as this edge knows it; null: nothing was sent over TLS yet'),
    warnings: z
      .array(z.string())
      .describe('What in its settings weakens it or has no effect, and certificates that end'),
    bindings: z
      .array(bindingView)
      .nullable()
      .describe('The contacts it has registered with us; null while `register_in` is false'),
  }),
)

/** Servers of a trunk, as the edge that is asked knows them. */
export const trunkServersView = named(
  'TrunkServers',
  z.object({
    items: z
      .array(
        z.object({
          target: z.string().describe('`sip:192.0.2.7:5065;transport=tcp`'),
          state: z
            .enum(['up', 'down', 'avoided'])
            .describe('`down`: does not answer OPTIONS; `avoided`: failed lately. Both are tried last'),
          avoided_until: z.string().nullable(),
        }),
      )
      .describe('In the order in which a call would try them now'),
    problem: z.string().nullable().describe('Why there is none: what name servers were asked and said'),
  }),
)

const usageFields = {
  channels_in_use: z.number().int().nullable().describe('Null where there is no channel_limit: they are not counted'),
  channel_limit: z.number().nullable(),
  minutes_today: z
    .number()
    .nullable()
    .describe(
      'Minutes of this day, in UTC, that calls have had or have reserved; null where there is no minutes_per_day',
    ),
  minutes_per_day: z.number().nullable(),
}

export const agentUsageView = named('AgentUsage', z.object(usageFields))

export const trunkUsageView = named(
  'TrunkUsage',
  z.object({
    ...usageFields,
    outbound_minutes_today: z.number().nullable().describe('The same of calls placed on the trunk'),
    outbound_minutes_per_day: z.number().nullable(),
  }),
)

export const numberView = named('Number', z.object(numberSchema.shape))

export const numberWithTrunkView = named(
  'NumberWithTrunk',
  z.object({
    ...numberSchema.shape,
    trunk: trunkView.nullable().describe('Null when the trunk it names does not exist'),
    origination_uris: z.array(z.string()).describe('Where the customer sends calls for this number'),
    allow_addresses: z.array(z.string()).describe('Where our requests come from: what the customer must let in'),
    next_hop: nextHopText,
    registration_next_hop: registrationNextHopText,
    dry_run: z.literal(true).optional().describe('Nothing of this was written'),
  }),
)

export const liveCallView = named('LiveCall', liveCallSchema)
export const cdrView = named('Cdr', cdrSchema)
export const endedCallView = named('EndedCall', cdrSchema.extend({ state: z.literal('ended') }))
export const callView = named('Call', z.union([liveCallView, endedCallView]))
export const eventStreamView = named(
  'EventStream',
  z.string().describe('Server-sent events: id, event (the type), data (one line of JSON: an Event)'),
)
const decisionView = named('Decision', decisionSchema)
const outboundDecisionView = named('OutboundDecision', outboundDecisionSchema)
export const routeTestView = named('RouteTestAnswer', z.union([outboundDecisionView, decisionView]))

export const originationView = named(
  'Origination',
  z.object({
    origination_uris: z.array(z.string()),
    signalling_addresses: z.array(z.string()),
    transports: z.array(z.string()),
  }),
)

export const secretKeyView = named(
  'SecretKey',
  z.object({
    makes_keys: z.boolean().describe('Whether a rotation makes a key: false when one is configured'),
    key_id: z.string().describe('Names the present key; tells nothing of it'),
    former_key_ids: z.array(z.string()),
  }),
)

export const rotationView = named(
  'SecretKeyRotation',
  z.object({
    id: z.string(),
    state: z.enum(['running', 'done', 'failed']),
    made_key: z.boolean().describe('Whether a key was made for it; false: a configured key was gone over to'),
    key_id: z.string().describe('Names the present key; tells nothing of it'),
    total: z.number().int().nullable().describe('Secrets there are; null while they are counted'),
    done: z.number().int().describe('Secrets looked at'),
    resealed: z.number().int().describe('Secrets sealed anew with the present key'),
    unreadable: z
      .array(z.object({ record: z.enum(['trunk', 'agent']), id: z.string(), secret: z.string(), why: z.string() }))
      .describe('Secrets that do not open, a thousand at most: set them again'),
    unreadable_count: z.number().int(),
    unneeded_keys: z
      .array(z.string())
      .describe('Former keys that nothing is sealed with any more; those of the data folder are kept no longer'),
    kept_keys: z.array(z.object({ key_id: z.string(), secrets: z.number().int() })),
    started_at: instant,
    ended_at: instant.nullable(),
    error: z.string().nullable(),
  }),
)

export const apiTokenView = named('ApiToken', apiTokenSchema)

export const newApiTokenView = named(
  'NewApiToken',
  apiTokenSchema.extend({ token: z.string().describe('What a client sends; shown this once, only a digest is kept') }),
)

export const healthView = named('Health', z.object({ status: z.literal('ok') }))

export const readinessView = named(
  'Readiness',
  z.object({
    ready: z.boolean(),
    status: z.enum(['ready', 'degraded', 'starting', 'stopping']),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
  }),
)

export const auditEntryView = named('AuditEntry', listedAuditEntry)
export const auditPage = named('AuditPage', pageOf(auditEntryView))
export const apiTokenPage = named('ApiTokenPage', pageOf(apiTokenView))
export const banView = named(
  'Ban',
  z.object({
    address: z.string().describe('An IPv4 address, or an IPv6 network: 2001:db8::/64'),
    reason: z.enum(['rate', 'scanner']).describe('It sent too many requests, or looked like a scanner'),
    since: instant,
    until: instant.describe('When it ends by itself'),
    seconds: z.number().int().describe('Its length'),
    offences: z
      .number()
      .int()
      .describe('Bans in a row that good behaviour has not made up for; each doubles the length'),
    dropped: z.number().int().describe('Messages and connections that were not looked at since'),
  }),
)
export const banPage = named('BanPage', pageOf(banView))
export const accountPage = named('AccountPage', pageOf(z.object({ account_id: z.string() })))
export const agentPage = named('AgentPage', pageOf(agentView))
export const numberPage = named('NumberPage', pageOf(numberView))
export const registrationPage = named('RegistrationPage', pageOf(registrationEntryView))
export const trunkPage = named('TrunkPage', pageOf(trunkView))
export const liveCallPage = named('LiveCallPage', pageOf(liveCallView))
export const cdrPage = named('CdrPage', pageOf(cdrView))

named('Problem', problemSchema)

/** Names a request body in the OpenAPI document. */
export const namedBody = <T extends z.ZodType>(id: string, schema: T): T => named(id, schema)

/** An answer of a route, for its schema. */
export const answer = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
})

const refusal = {
  description: 'Refused: a problem document',
  content: { 'application/problem+json': { schema: problemSchema } },
}

/** The statuses a route may refuse with besides 401, 403 and 429, for its schema. */
export const refusals = (...statuses: number[]) =>
  Object.fromEntries([401, 403, 429, ...statuses, 'default'].map((status) => [status, refusal]))

/** A trunk as the API shows it. */
export async function showTrunk(
  trunk: Trunk,
  { passwords, destinations, trunkPaths }: Pick<Services, 'passwords' | 'destinations' | 'trunkPaths'>,
): Promise<z.output<typeof trunkView>> {
  const hop = trunk.register_in ? undefined : nextHopOf(trunk)
  const next_hop = hop === undefined ? null : formatNextHop(hop)
  const [has_password, has_inbound_password] = await Promise.all([
    answerOf('trunk', passwords.trunk.has(trunk.id)),
    answerOf('trunk', passwords.trunkInbound.has(trunk.id)),
  ])
  const registration_next_hop = trunk.register.enabled ? next_hop : null
  const literal = hop === undefined ? undefined : destinations.hostRefusal(hop.host, hop.port)
  const rejected = literal ?? trunkPaths.rejection(trunk.id) ?? null
  return {
    ...trunk,
    id: localId(trunk.id),
    has_password,
    has_inbound_password,
    next_hop,
    registration_next_hop,
    rejected,
  }
}
