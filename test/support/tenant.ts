import * as assert from 'uvu/assert'
import { AGENT, CALLER, type TestEdge } from './edge.js'
import { refusingAgent } from './sip-peer.js'

const CARRIER = '127.0.0.4'

type Far = Awaited<ReturnType<typeof refusingAgent>>

/** One account with things of its own, behind the same carrier and with the same agent's address as the other. */
export interface Tenant {
  readonly account: string
  readonly token: string
  readonly tokenId: string
  readonly number: string
  readonly trunkId: string
  readonly agent: Far
  readonly carrier: Far
  /** Whatever would give it away: its name, and those of its things. */
  readonly secrets: string[]
}

/** A request to the API with a token of its own. */
export async function askAs(edge: TestEdge, token: string, method: string, path: string, body?: unknown) {
  const response = await fetch(`${edge.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  })
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  return { status: response.status, text, body: (isJson ? JSON.parse(text) : {}) as Record<string, unknown> }
}

/** As `askAs`; anything but 2xx fails. */
export async function mustAs(edge: TestEdge, token: string, method: string, path: string, body?: unknown) {
  const answer = await askAs(edge, token, method, path, body)
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

/**
 * Makes an account: agents `front` and `only-<account>`, a number of the carrier that `front` answers and presents.
 * @param quiet an address that answers nothing, where `only-<account>` is
 */
export async function makeTenant(
  edge: TestEdge,
  quiet: number,
  account: string,
  number: string,
  more: object = {},
): Promise<Tenant> {
  const made = await edge.must<{ id: string; token: string }>('POST', '/v1/tokens', {
    name: `${account} platform`,
    role: 'admin',
    account_id: account,
  })
  const { token } = made
  const agent = await refusingAgent(AGENT)
  const far = await refusingAgent(CARRIER)
  const fields = { sip_uri: agent.uri, allowed_addresses: [`${AGENT}/32`] }
  await mustAs(edge, token, 'PUT', '/v1/agents/front', { ...fields, name: `${account} desk` })
  await mustAs(edge, token, 'PUT', `/v1/agents/only-${account}`, {
    sip_uri: `sip:quiet@${AGENT}:${quiet}`,
    name: `${account} quiet`,
  })
  const imported = await mustAs(edge, token, 'POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: `pbx.${account}.example`,
    username: `${account}-user`,
    password: `${account}-password`,
    outbound_proxy: far.uri.replace('agent@', ''),
    allowed_addresses: [`${CALLER}/32`],
    register: { enabled: true, expires: 300 },
    inbound_agent_id: 'front',
    outbound_agent_ids: ['front'],
    ...more,
  })
  const trunkId = String(imported['trunk_id'])
  const secrets = [account, number.slice(1), trunkId, made.id]
  return { account, token, tokenId: made.id, number, trunkId, agent, carrier: far, secrets }
}

/** Nothing of the other account stands in a text. */
export function assertNothingOf({ secrets }: Tenant, text: string, what: string): void {
  for (const secret of secrets) assert.not.ok(text.includes(secret), `${what} shows ${secret}: ${text.slice(0, 600)}`)
}
