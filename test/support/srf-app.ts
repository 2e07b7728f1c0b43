import type { Server, Socket } from 'node:net'
import Srf from 'drachtio-srf'
import { type ControlAddress, createEngine, type Engine, type EngineOptions } from '../../src/engine/index.js'
import { freePort } from './free-port.js'

/** What the tests use of drachtio-srf, as its code has it; the package's own types leave most of it out. */
export interface SrfMessage {
  readonly method: string
  readonly uri: string
  readonly status: number
  readonly reason: string
  readonly body: string
  readonly source_address: string
  readonly receivedOn?: string
  get(name: string): string | undefined
  has(name: string): boolean
  on(event: string, listener: (...args: never[]) => void): void
  cancel(options?: object): void
}

export interface SrfReply {
  send(status: number, options?: object, callback?: (error?: unknown) => void): void
  send(status: number, reason: string, options?: object): void
}

export interface SrfDialog {
  readonly id: string
  readonly sip: { callId: string; localTag: string; remoteTag: string }
  readonly local: { sdp: string }
  readonly remote: { sdp: string }
  on(event: string, listener: (...args: never[]) => void): void
  once(event: string, listener: (...args: never[]) => void): void
  modify(sdp: string, options?: object): Promise<string>
  request(options: object): Promise<SrfMessage>
  destroy(options?: object): Promise<SrfMessage>
}

export interface SrfProxyResult {
  readonly connected: boolean
  readonly finalStatus?: number
  readonly responses: ReadonlyArray<{ address: string; port: number; msgs: ReadonlyArray<{ status: number }> }>
}

export interface SrfApp {
  invite(handler: (req: SrfMessage, res: SrfReply) => void): void
  options(handler: (req: SrfMessage, res: SrfReply) => void): void
  message(handler: (req: SrfMessage, res: SrfReply) => void): void
  subscribe(handler: (req: SrfMessage, res: SrfReply) => void): void
  findDialogByCallIDAndFromTag(callId: string, tag: string): SrfDialog | undefined
  connect(options: object): void
  listen(options: object): unknown
  endSession(req: SrfMessage): void
  disconnect(): void
  on(event: string, listener: (...args: never[]) => void): void
  createUAC(uri: string, options: object, progress?: object): Promise<SrfDialog>
  createUAS(req: SrfMessage, res: SrfReply, options: object): Promise<SrfDialog>
  register(handler: (req: SrfMessage, res: SrfReply) => void): void
  proxyRequest(req: SrfMessage, destination: string | string[], options?: object): Promise<SrfProxyResult>
  createB2BUA(req: SrfMessage, res: SrfReply, uri: string, options: object): Promise<{ uas: SrfDialog; uac: SrfDialog }>
  request(uri: string, options: object, callback: (error: Error | undefined, req?: SrfMessage) => void): void
}

/** An application of the unmodified drachtio-srf that is connected to a control port. */
export async function connectApp(
  control: { host: string; port: number },
  secret: string,
  options: object = {},
): Promise<SrfApp> {
  const app = new Srf() as unknown as SrfApp
  app.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    app.on('connect', (error: Error | null) => (error ? reject(error) : resolve()))
    app.connect({ ...control, secret, ...options })
  })
  return app
}

/** An application of the unmodified drachtio-srf that waits to be dialled. */
export interface ListeningApp {
  readonly app: SrfApp
  readonly port: number
  /** Connections there have been, and those that are open. */
  readonly connections: { total: number; open: number }
  close(): Promise<void>
}

/** @param tls certificate and key (PEM) to listen with */
export async function listenApp(options: { secret?: string; tls?: object } = {}): Promise<ListeningApp> {
  const app = new Srf() as unknown as SrfApp
  app.on('error', () => {})
  app.on('connect', () => {})
  const port = await freePort()
  const server = app.listen({ port, host: '127.0.0.1', secret: options.secret ?? SECRET, tls: options.tls }) as Server
  const sockets = new Set<Socket>()
  const connections = { total: 0, open: 0 }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    connections.total += 1
    connections.open += 1
    socket.on('close', () => {
      sockets.delete(socket)
      connections.open -= 1
    })
  })
  if (!server.listening) await new Promise<void>((resolve) => server.once('listening', () => resolve()))
  return {
    app,
    port,
    connections,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

export const SECRET = 'test-secret'

/** An engine on a free loopback port, with one application. */
export interface Station {
  readonly engine: Engine
  readonly app: SrfApp
  readonly port: number
  readonly control: ControlAddress
  /** `sip:<user>@127.0.0.1:<port>[;transport=...]` */
  uri(user: string, transport?: string): string
  /** One more application, with these tags. */
  connect(tags?: readonly string[]): Promise<SrfApp>
  stop(): Promise<void>
}

/** Short timers, so that what takes 32 s by the RFC takes 1.3 s here. */
export const shortTimers = { t1Ms: 20, t2Ms: 160, t4Ms: 200 }

export async function startStation(options: Partial<EngineOptions> = {}, address = '127.0.0.1'): Promise<Station> {
  const port = await freePort(address)
  const engine = createEngine({
    contacts: [`sip:${address}:${port};transport=udp,tcp`],
    control: { host: '127.0.0.1', port: 0, secret: SECRET },
    timers: shortTimers,
    ...options,
  })
  const { control } = await engine.start()
  const apps: SrfApp[] = []
  const connect = async (tags: readonly string[] = []): Promise<SrfApp> => {
    const app = await connectApp(control, SECRET, { tags })
    apps.push(app)
    return app
  }
  return {
    engine,
    app: await connect(),
    port,
    control,
    uri: (user, transport = 'udp') => `sip:${user}@${address}:${port};transport=${transport}`,
    connect,
    stop: async () => {
      // Not the library's `disconnect`, which would throw for an application whose connection is gone already.
      for (const app of apps) closeApp(app)
      await engine.stop()
    },
  }
}

/** Ends an application's connection for good: the library would connect again. */
export function closeApp(app: SrfApp): void {
  const { wp, mapServer } = (
    app as unknown as { app: { client: { wp: { closing: boolean }; mapServer: Map<{ destroy(): void }, unknown> } } }
  ).app.client
  wp.closing = true
  for (const socket of mapServer.keys()) socket.destroy()
}
