import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import type Srf from 'drachtio-srf'
import { createEngine, parseUri, type Engine, type Flow } from '../engine/index.js'
import { CliError } from './errors.js'
import { describeMessage, type LadderEvent, type Party } from './ladder.js'

/** SIP messages as they pass, told by both outer parties of one process and therefore on one clock. */
export class Recording {
  readonly events: LadderEvent[] = []
  private startedAt: number | undefined
  private readonly seen = new Set<string>()

  /** Takes down what `party` sends to the edge and gets from it. */
  observerOf(party: 'caller' | 'agent') {
    return {
      message: (direction: 'in' | 'out', text: () => string, _flow: Flow): void => {
        const now = performance.now()
        this.startedAt ??= now
        const bytes = text()
        const key = `${party} ${direction} ${bytes}`
        const [from, to]: [Party, Party] = direction === 'out' ? [party, 'edge'] : ['edge', party]
        const at_ms = Math.round((now - this.startedAt) * 10) / 10
        this.events.push({ at_ms, from, to, ...describeMessage(bytes), repeated: this.seen.has(key) })
        this.seen.add(key)
      },
    }
  }
}

/** An engine of the demo's own with one application on it. */
export interface Station {
  readonly srf: Srf
  /** `127.0.0.1:41234` */
  readonly address: string
  readonly transport: string
  stop(): Promise<void>
}

/** Starts a station at a free port of an address of this machine. */
export async function startStation(
  party: 'caller' | 'agent',
  address: string,
  transport: string,
  recording: Recording,
): Promise<Station> {
  const host = isIP(address) === 6 ? `[${address}]` : address
  const secret = randomBytes(16).toString('hex')
  const engine = createEngine({
    contacts: [`sip:${host}:0;transport=${transport}`],
    control: { host: '127.0.0.1', port: 0, secret },
    observer: recording.observerOf(party),
  })
  const { control, addresses } = await engine.start()
  // Only here: the edge has its own way to load it.
  const { default: Library } = await import('drachtio-srf')
  const srf = new Library()
  // Whatever happens to the connection shows in the call itself.
  srf.on('error', () => {})
  try {
    await new Promise<void>((resolve, reject) => {
      srf.on('connect', (error) => (error ? reject(error) : resolve()))
      void srf.connect({ ...control, secret })
    })
  } catch (error) {
    await engine.stop()
    throw new CliError('the demo cannot start its own SIP server', undefined, { cause: error })
  }
  return {
    srf,
    address: (addresses[0] ?? '').split('/')[1] ?? '',
    transport,
    stop: () => stopStation(srf, engine),
  }
}

async function stopStation(srf: Srf, engine: Engine): Promise<void> {
  srf.disconnect()
  await engine.stop()
}

/** Where the demo sends its call, and the address of this machine it calls from. */
export interface Destination {
  /** Host with an optional port, as in a URI. */
  readonly hostPort: string
  readonly transport: string
  readonly localAddress: string
}

/**
 * The first of the edge's URIs that this machine can reach from an address it can name: loopback, or one of its own.
 * @throws {CliError} when there is none
 */
export function chooseDestination(uris: readonly string[], own = ownAddresses()): Destination {
  for (const text of uris) {
    const uri = parseUri(text)
    if (uri === undefined || uri.scheme !== 'sip') continue
    const host = uri.host.replace(/^\[|\]$/g, '')
    const transport = (uri.params.get('transport') ?? 'udp').toLowerCase()
    if (transport !== 'udp' && transport !== 'tcp') continue
    const localAddress =
      host.startsWith('127.') || host === 'localhost' ? '127.0.0.1' : own.has(host) ? host : undefined
    if (localAddress === undefined) continue
    return { hostPort: uri.host + (uri.port === undefined ? '' : `:${uri.port}`), transport, localAddress }
  }
  throw new CliError(
    `the edge takes calls at ${uris.join(', ') || 'no address'}, none of which is on this machine: run the demo where the edge runs, or name an address with --sip`,
  )
}

function ownAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)))
}
