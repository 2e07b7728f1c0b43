import type { Server } from 'node:net'

/** The parts of drachtio-srf 5 the adapter touches, as its code has them; the package's own types leave most of them out. */

export interface LibraryMessage {
  readonly headers: Record<string, string>
  readonly body: string | undefined
  get(name: string): string | undefined
}

/** Where a request came in or went out: a TCP connection to the SIP server. */
export interface LibrarySocket {
  readonly destroyed?: boolean
}

export interface LibraryRequest extends LibraryMessage {
  readonly method: string
  readonly uri: string
  readonly source: 'network' | 'application'
  readonly source_address: string
  readonly source_port: string | number
  readonly protocol: string
  /** Of a request of ours: undefined until a response has come. */
  readonly socket: LibrarySocket | undefined
  readonly stackTxnId: string
  readonly stackDialogId: string
  on(event: 'cancel', listener: (cancel: LibraryMessage) => void): unknown
  on(event: 'response', listener: (response: LibraryResponse) => void): unknown
  cancel(options: { headers: Record<string, string> }, done: (error: unknown) => void): void
}

export interface LibrarySendOptions {
  headers?: Record<string, string>
  body?: string
}

/** A response: one that was received, or the means to answer a request. */
export interface LibraryResponse extends LibraryMessage {
  status: number
  reason: string
  readonly msg: { status: number; reason: string; readonly headers: Record<string, string> }
  /** Of a response that was received. */
  readonly source_address?: string
  readonly source_port?: string | number
  readonly protocol?: string
  readonly stackDialogId: string
  /** Of a response that was received: what it answers, as it was sent. */
  readonly req?: { readonly uri: string }
  readonly socket?: LibrarySocket
  finished: boolean
  readonly finalResponseSent: boolean
  readonly agent: LibraryAgent
  send(
    status: number,
    reason: string,
    options: LibrarySendOptions,
    done?: (error: unknown) => void,
    acknowledged?: () => void,
  ): void
}

export interface LibraryAgent {
  sendResponse(
    response: LibraryResponse,
    options: LibrarySendOptions,
    done?: (error: unknown) => void,
    acknowledged?: () => void,
  ): void
  readonly mapServer?: Map<LibrarySocket, LibraryPending>
  readonly wp?: LibraryWire
  /** Writes a response, or a request that nobody waits for. */
  sendMessage(...argument: unknown[]): unknown
  /** Writes a request. */
  _makeRequest(...argument: unknown[]): unknown
  /** Tells the server which methods are wanted: by itself the library does so only where it has dialled. */
  routeVerbs(socket: LibrarySocket): void
}

/** What a connection owes. */
interface LibraryPending {
  readonly pendingAckOrPrack?: Map<string, unknown>
  /** Commands, by id. */
  readonly pendingRequests?: { has(id: string): boolean }
}

/** A frame: its text, or what can be taken apart like one. */
type FrameReader = (socket: LibrarySocket, frame: string | object) => void

/** The control connection. */
export interface LibraryWire {
  closing?: boolean
  reconnectVars?: { retryTimer?: NodeJS.Timeout | null }
  listeners(event: 'msg'): FrameReader[]
  removeAllListeners(event: 'msg'): unknown
  on(event: 'msg', reader: FrameReader): unknown
  emit(event: 'msg', socket: LibrarySocket, frame: string | object): unknown
  /** Writes a frame, without its length, and gives the id it goes under. */
  send(socket: LibrarySocket, frame: string): string
}

export interface LibraryDialog {
  /** `res.stackDialogId` */
  readonly id: string
  /** `req.socket` */
  readonly socket: LibrarySocket | undefined
  req: { readonly method: string; readonly socket: LibrarySocket | undefined }
  res: { readonly stackDialogId: string }
  sip: { readonly callId: string }
  local: { readonly sdp: string }
  /** `sdp` is set anew by every INVITE and ACK that comes. */
  remote: { sdp: string }
  connected: boolean
  emit: (event: string, ...told: unknown[]) => boolean
  listeners: (event: string) => readonly unknown[]
  once: (event: string, listener: () => void) => unknown
  request(
    options: { method: string; headers: Record<string, string>; body?: string; noAck?: boolean },
    done: (error: unknown, response?: LibraryResponse, acknowledge?: LibraryAcknowledge) => void,
  ): void
}

export type LibraryAcknowledge = (options: { body?: string; headers?: Record<string, string> }) => void

/** What `createUAC` hands out for an INVITE without offer (`noAck`). */
export interface LibraryOffer {
  readonly res: LibraryResponse
  ack(body: string): Promise<LibraryDialog>
  destroy(): Promise<void>
}

export interface Library {
  readonly app: { readonly client?: LibraryAgent }
  on(event: 'connect', listener: (error: Error | null, hostports?: string) => void): unknown
  on(event: 'close' | 'error', listener: (argument: unknown) => void): unknown
  use(handler: (request: LibraryRequest, response: LibraryResponse) => void): unknown
  use(method: string, handler: (request: LibraryRequest, response: LibraryResponse) => void): unknown
  connect(options: {
    host: string
    port: number
    secret: string
    enablePing: boolean
    reconnect: { retryMaxDelay: number }
  }): unknown
  /** Waits for connections of servers: at `server`, whether or not that listens. */
  listen(options: { server: Server; secret: string }): unknown
  disconnect(): void
  createUAC(
    uri: string,
    options: {
      headers: Record<string, string>
      localSdp: string | undefined
      noAck: true
      proxy?: string
      _socket: LibrarySocket | undefined
    },
    progress: {
      cbRequest: (error: unknown, request?: LibraryRequest) => void
      cbProvisional: (response: LibraryResponse) => void
    },
    done: (error: unknown, answer?: LibraryDialog | LibraryOffer) => void,
  ): unknown
  createUAS(
    request: LibraryRequest,
    response: LibraryResponse,
    options: { headers: Record<string, string>; localSdp: string },
    done: (error: unknown, dialog?: LibraryDialog) => void,
  ): unknown
  request(
    uri: string,
    options: Record<string, unknown> & { method: string },
    done: (error: unknown, request?: LibraryRequest) => void,
  ): unknown
  findDialogById(id: string): LibraryDialog | undefined
  addDialog(dialog: LibraryDialog): void
  removeDialog(dialog: LibraryDialog): void
}

/** The library's reading of messages: what its other parts call by this object. */
export interface LibraryParser {
  /** `lazy`: headers as text. */
  parseSipMessage: (text: string, lazy?: boolean) => unknown
  /** The name a header is kept under. */
  getHeaderName: (name: string) => string
}

/** The library's message, asked for its headers. */
export interface LibraryHeaders {
  readonly headers: Record<string, unknown>
  readonly method?: string
  readonly status?: number
  getHeaderName(name: string): string | undefined
  get(name: string): unknown
  has(name: string): boolean
  set(name: string | Record<string, unknown>, value?: unknown): unknown
  toJSON?(): unknown
  [Symbol.toPrimitive]?(): string
}

/** What the library keeps of a message. */
export interface LibraryMessageFields {
  headers: Record<string, unknown>
  body?: string | undefined
  version?: string | undefined
  payload?: readonly unknown[] | undefined
  method?: string | undefined
  uri?: string | undefined
  status?: number | undefined
  reason?: string | undefined
  /** As it goes into a frame. */
  toString(): string
}

export interface LibraryMessageType {
  readonly prototype: LibraryHeaders
}

/** @param read the text of a message, or its fields */
export type LibraryMessageMaker = new (read?: unknown) => LibraryMessageFields
