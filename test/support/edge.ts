import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cdr } from '../../src/model/call.js'
import { Child } from './children.js'
import { eventually, wait } from './eventually.js'
import { freePort } from './free-port.js'
import { leaksIn, secretsIn } from './leaks.js'
import { LOCAL_NETWORKS } from './local-networks.js'
import { Samples } from './prometheus.js'
import { startRedis } from './redis.js'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
/** The built `signalbox` command. */
export const commandFile = join(root, 'dist', 'src', 'main.js')

/** Addresses of the parties: one each, so that an address on the wrong leg is seen. */
export const CALLER = '127.0.0.2'
export const EDGE = '127.0.0.1'
export const AGENT = '127.0.0.3'

/** Everything the edge counts of a call that goes on. */
const GAUGES = [
  'signalbox_calls_active',
  'signalbox_engine_dialogs',
  'signalbox_engine_transactions',
  'signalbox_engine_timers',
]

export interface EdgeOptions {
  /** Environment besides what is always set. T1 is 500 ms unless this shortens it. */
  readonly env?: Readonly<Record<string, string>>
  /** A Redis of the test's own; by default one is started, and stopped with the edge. `null`: the edge starts its own. */
  readonly redisUrl?: string | null
  /** An address `sip:` and `http:` of the edge are reachable at, for a second start. */
  readonly sipPort?: number
  readonly httpPort?: number
  readonly dataFolder?: string
}

export interface Answer<T> {
  readonly status: number
  readonly body: T
}

/** Environment of a command of ours: nothing of the caller's that would point it elsewhere, but for the SIP server to test against. */
export function commandEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = /^(SIGNALBOX_.*|REDIS_URL|SIP_CONTACTS|SIP_EXTERNAL_IP|HTTP_LISTEN|HTTP_TRUST_PROXY|LOG_LEVEL)$/
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
  return { ...inherited, ...env }
}

/** Runs a command of ours to its end. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  timeoutMs = 30_000,
): Promise<{ exitCode: number | null; output: string }> {
  const child = new Child(process.execPath, [commandFile, ...args], { env: commandEnvironment(env) })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const exitCode = await child.exited
  clearTimeout(timer)
  return { exitCode, output: child.output }
}

/** A whole edge, started as `signalbox serve` in a process of its own. What it prints and answers must not hold a secret that it was given. */
export class TestEdge {
  /** Passwords that requests have carried. */
  readonly secrets = new Set<string>()

  private constructor(
    readonly child: Child,
    readonly sipPort: number,
    readonly httpPort: number,
    readonly token: string,
    readonly dataFolder: string,
    private readonly stopRedis: () => Promise<unknown>,
    private readonly keepData: boolean,
  ) {}

  static async start(options: EdgeOptions = {}): Promise<TestEdge> {
    const sipPort = options.sipPort ?? (await freePort(EDGE))
    const httpPort = options.httpPort ?? (await freePort(EDGE))
    const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'signalbox-edge-'))
    const token = options.env?.['SIGNALBOX_ADMIN_TOKEN'] ?? 'token-of-the-tests-0123456789'
    const redis = options.redisUrl === undefined ? await startRedis() : undefined
    const redisUrl = redis?.url ?? options.redisUrl
    const env = {
      SIP_CONTACTS: `sip:${EDGE}:${sipPort};transport=udp,tcp`,
      HTTP_LISTEN: `${EDGE}:${httpPort}`,
      SIGNALBOX_DATA_DIR: dataFolder,
      SIGNALBOX_ADMIN_TOKEN: token,
      LOG_LEVEL: 'info',
      SIGNALBOX__ACCESS__ALLOWED_NETWORKS: LOCAL_NETWORKS.join(','),
      // The engine's control port: any free one, unless the tests run against a drachtio-server.
      ...(process.env['DRACHTIO_HOST'] === undefined ? { DRACHTIO_PORT: '0' } : {}),
      ...(redisUrl === null || redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
      ...options.env,
    }
    const child = new Child(process.execPath, ['--enable-source-maps', commandFile, 'serve'], {
      env: commandEnvironment(env),
    })
    const edge = new TestEdge(
      child,
      sipPort,
      httpPort,
      token,
      dataFolder,
      async () => redis?.stop(),
      options.dataFolder !== undefined,
    )
    await edge.waitUntilReady()
    return edge
  }

  get url(): string {
    return `http://${EDGE}:${this.httpPort}`
  }

  /** Where SIP is sent to. */
  get sip(): { readonly address: string; readonly port: number } {
    return { address: EDGE, port: this.sipPort }
  }

  /** Everything it has printed. */
  get output(): string {
    return this.child.output
  }

  private async waitUntilReady(): Promise<void> {
    await eventually(
      'the edge is ready',
      async () => {
        if (this.child.exit !== undefined)
          throw new Error(`the edge ended while starting:\n${this.output.slice(-4_000)}`)
        return (await this.ready().catch(() => undefined))?.status === 200
      },
      30_000,
    ).catch(async (error: unknown) => {
      await this.stop()
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${this.output.slice(-4_000)}`)
    })
  }

  /** A request to the REST API. The body of an answer that is not JSON is its text. */
  async api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    for (const secret of secretsIn(body)) this.secrets.add(secret)
    const leaks = leaksIn(text, this.secrets)
    if (leaks.length > 0) throw new Error(`[A14] the answer to ${method} ${path} holds ${leaks.join(', ')}`)
    const json = (response.headers.get('content-type') ?? '').includes('json')
    return { status: response.status, body: (json ? JSON.parse(text) : text) as T }
  }

  /**
   * As `api`; anything but 2xx is an error. What can be repeated is, when the store was too slow for its deadline: on a busy
   * machine that says nothing about the edge.
   */
  async must<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    for (let tries = method === 'POST' ? 1 : 3; ; tries--) {
      const answer = await this.api<T>(method, path, body)
      if (answer.status < 300) return answer.body
      if (answer.status !== 503 || tries <= 1)
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      await wait(200)
    }
  }

  ready(): Promise<
    Answer<{ ready: boolean; status: string; checks: Record<string, { ok: boolean; detail: string }> }>
  > {
    return this.api('GET', '/readyz')
  }

  async metrics(): Promise<Samples> {
    return new Samples((await this.must<string>('GET', '/metrics')) as string)
  }

  /** The record of the call with this Call-ID on leg A, whatever number it was for. */
  async cdrOfLegA(callId: string): Promise<Cdr> {
    return eventually(`record of the call ${callId}`, async () => {
      const { items } = await this.must<{ items: Cdr[] }>('GET', '/v1/cdrs?limit=100')
      return items.find((cdr) => cdr.leg_a_call_id === callId)
    })
  }

  /** The records of calls to a number, newest first. */
  async cdrs(phoneNumber: string): Promise<Cdr[]> {
    const path = `/v1/cdrs?phone_number=${encodeURIComponent(phoneNumber)}&limit=100`
    return (await this.must<{ items: Cdr[] }>('GET', path)).items
  }

  /** Every record there is, newest first, each as often as it is listed. */
  async allCdrs(): Promise<Cdr[]> {
    const found: Cdr[] = []
    let cursor: string | null = null
    do {
      const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: { items: Cdr[]; next_cursor: string | null } = await this.must('GET', `/v1/cdrs?limit=100${after}`)
      found.push(...page.items)
      cursor = page.next_cursor
    } while (cursor !== null)
    return found
  }

  /**
   * An agent, and a number that it answers.
   * @param sipUris the agent's address and those tried after it
   */
  async addNumber(
    phoneNumber: string,
    agentId: string,
    sipUris: readonly string[],
    more: { readonly agent?: Record<string, unknown>; readonly number?: Record<string, unknown> } = {},
  ): Promise<void> {
    const [sip_uri, ...fallback_sip_uris] = sipUris
    await this.must('PUT', `/v1/agents/${agentId}`, { name: agentId, sip_uri, fallback_sip_uris, ...more.agent })
    await this.must('POST', '/v1/numbers', {
      phone_number: phoneNumber,
      sip_domain: 'pbx.example.com',
      allowed_addresses: [`${CALLER}/32`],
      inbound_agent_id: agentId,
      ...more.number,
    })
  }

  /** What is left of calls: the gauges that are not zero, `{}` when nothing is. A gauge that does not exist counts as left. */
  async leftovers(): Promise<Record<string, number | 'missing'>> {
    const samples = await this.metrics()
    const left = GAUGES.map((name) => [name, samples.sum(name) ?? 'missing'] as const)
    return Object.fromEntries(left.filter(([, value]) => value !== 0))
  }

  /** Waits until nothing is left of calls, at most `timeoutMs`; then what is left all the same. */
  async settle(timeoutMs: number): Promise<Record<string, number | 'missing'>> {
    const end = performance.now() + timeoutMs
    for (;;) {
      const left = await this.leftovers()
      if (Object.keys(left).length === 0 || performance.now() > end) return left
      await wait(100)
    }
  }

  /** What of secrets stands in what it has printed. */
  leaks(): string[] {
    return leaksIn(this.output, [...this.secrets, this.token])
  }

  /** Ends it as Ctrl-C does; resolves to its exit code. */
  async stop(): Promise<number | null> {
    const code = await this.child.stop('SIGINT', 15_000)
    await this.stopRedis()
    const leaks = this.leaks()
    if (!this.keepData) rmSync(this.dataFolder, { recursive: true, force: true })
    if (leaks.length > 0) throw new Error(`[A14] what the edge printed holds ${leaks.join(', ')}`)
    return code
  }
}
