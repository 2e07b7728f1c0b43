import { AppLines, type Notice, type SipCommand } from '../engine/index.js'
import type { LibraryAgent, LibraryMessageFields, LibraryMessageMaker } from './drachtio-library.js'
import { bytesOf, type LinkedSocket, textOf } from './linked-socket.js'

/**
 * drachtio-srf and an engine in one process tell each other messages in their parts. By itself the library writes each as text into
 * a frame, which the other side takes apart again, and so does the engine: a quarter of all that a call would allocate.
 */

const VERSION = '2.0'
const NO_PAYLOAD: readonly never[] = []

const TXN_START = 'sip|'.length

/** What the library keeps of a message that it has read, ready made. */
export class ReadFields implements LibraryMessageFields {
  readonly headers: Record<string, string> = {}
  readonly body: string
  readonly version = VERSION
  readonly payload = NO_PAYLOAD
  readonly method: string | undefined
  readonly uri: string | undefined
  readonly status: number | undefined
  readonly reason: string | undefined

  /** @param nameOf the library's name for a header that is spelled so */
  constructor({ message }: Notice, nameOf: (spelling: string) => string) {
    const { headers } = this
    let lengthRead = false
    message.headers.forEach((name, value, spelling) => {
      const isLength = name === 'content-length'
      if (isLength && lengthRead) return
      lengthRead ||= isLength
      const own = nameOf(spelling)
      const said = isLength ? `${message.body.length}` : textOf(value)
      const before: unknown = headers[own]
      headers[own] = typeof before === 'string' ? `${before},${said}` : said
    })
    if (!lengthRead) headers['content-length'] = `${message.body.length}`
    this.body = textOf(message.body)
    if (message.kind === 'request') {
      this.method = message.method
      this.uri = textOf(message.uri)
    } else {
      this.status = message.status
      this.reason = textOf(message.reason)
    }
  }
}

/** A frame as the library takes it apart: `indexOf` the end of the first line, `slice` to it and `split`, `slice` of the rest. */
class NoticeFrame {
  constructor(
    private readonly fields: readonly string[],
    private readonly message: ReadFields,
  ) {}

  indexOf(): number {
    return 0
  }

  slice(_from: number, to?: number): this | ReadFields {
    return to === undefined ? this.message : this
  }

  split(): readonly string[] {
    return this.fields
  }
}

/** The message that a linked library is writing into a frame at this moment. */
const written: { expected: boolean; message: LibraryMessageFields | undefined } = {
  expected: false,
  message: undefined,
}

/** The library's messages, which are read and written in their parts where that is possible. */
export function linkedMessages(Message: LibraryMessageMaker): LibraryMessageMaker {
  return class extends Message {
    constructor(read?: unknown) {
      super(read instanceof ReadFields ? undefined : read)
      if (!(read instanceof ReadFields)) return
      this.headers = read.headers
      this.body = read.body
      this.version = read.version
      this.payload = read.payload
      if (read.status === undefined) {
        this.method = read.method
        this.uri = read.uri
      } else {
        this.status = read.status
        this.reason = read.reason
      }
    }

    override toString(): string {
      if (!written.expected || !hasPlainParts(this)) return super.toString()
      written.message = this
      return ''
    }
  }
}

function hasPlainParts({ status, method, uri, headers, body }: LibraryMessageFields): boolean {
  if (body !== undefined && typeof body !== 'string') return false
  if (status === undefined && (typeof method !== 'string' || typeof uri !== 'string')) return false
  for (const name in headers) if (typeof headers[name] === 'object') return false
  return true
}

/**
 * Has the library hand its messages over in their parts, from here on.
 * @throws {Error} when the library does not write messages where 5.0 does
 */
export function linkLibrary(agent: LibraryAgent, socket: LinkedSocket): void {
  const { wp: wire, sendMessage, _makeRequest: makeRequest } = agent
  if (wire === undefined || ![wire.send, sendMessage, makeRequest].every((part) => typeof part === 'function'))
    throw new Error('drachtio-srf does not write messages where 5.0 does')
  agent.sendMessage = expecting(sendMessage)
  agent._makeRequest = expecting(makeRequest)
  let ids = 0
  wire.send = (_to, frame) => {
    const { message } = written
    written.message = undefined
    ids += 1
    const id = ids.toString(36)
    socket.command(message === undefined ? `${id}|${frame}` : commandOf(id, frame, message))
    return id
  }
}

function expecting<Argument extends unknown[], Result>(
  write: (this: LibraryAgent, ...argument: Argument) => Result,
): (...argument: Argument) => Result {
  return function (this: LibraryAgent, ...argument) {
    written.expected = true
    try {
      return write.apply(this, argument)
    } finally {
      written.expected = false
      written.message = undefined
    }
  }
}

/** @param frame `sip|<transaction>|<dialog>`, perhaps `|<proxy>`, and CRLF */
function commandOf(id: string, frame: string, message: LibraryMessageFields): SipCommand {
  const afterTxn = frame.indexOf('|', TXN_START)
  const afterDialog = frame.indexOf('|', afterTxn + 1)
  const end = frame.length - 2
  const { headers, body, status, reason = '', method = '', uri = '' } = message
  const text = new AppLines('', body === undefined ? '' : bytesOf(body))
  for (const name in headers) text.addText(name === 'call-id' ? 'Call-ID' : name, String(headers[name]))
  return {
    id,
    txnId: frame.slice(TXN_START, afterTxn),
    dialogId: frame.slice(afterTxn + 1, afterDialog < 0 ? end : afterDialog),
    proxy: afterDialog < 0 ? '' : bytesOf(frame.slice(afterDialog + 1, end)),
    status,
    reason: bytesOf(reason),
    method,
    uri: bytesOf(uri),
    text,
  }
}

/** What the library reads of a notice; undefined when it waits for nothing of the kind. */
export function frameOf(
  notice: Notice,
  agent: LibraryAgent,
  socket: LinkedSocket,
  nameOf: (spelling: string) => string,
): object | undefined {
  const { commandId } = notice
  // Most answers are sent without a wish to hear how they looked.
  if (commandId !== undefined && agent.mapServer?.get(socket)?.pendingRequests?.has(commandId) === false)
    return undefined
  return new NoticeFrame(notice.fields(), new ReadFields(notice, nameOf))
}
