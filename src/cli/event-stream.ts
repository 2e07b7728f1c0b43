/** An event of a stream of server-sent events. */
export interface ReceivedEvent {
  readonly type: string
  readonly data: string
}

/** Characters of one line; a longer one is no event of ours. */
const MAX_LINE = 1_048_576

/** Reads server-sent events (WHATWG HTML 9.2.6) as they arrive, in pieces of any size. */
export class EventStreamReader {
  /** The last id the server gave; '' for none. */
  lastId = ''
  #rest = ''
  #type = ''
  #data: string[] = []

  /** Forgets what a connection that broke left unfinished. */
  restart(): void {
    this.#rest = ''
    this.#type = ''
    this.#data = []
  }

  /** @throws {Error} when a line does not end */
  *read(piece: string): Iterable<ReceivedEvent | 'reset'> {
    const lines = (this.#rest + piece).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > MAX_LINE) throw new Error('a line of the event stream is too long')
    for (const line of lines) {
      const found = this.line(line.endsWith('\r') ? line.slice(0, -1) : line)
      if (found !== undefined) yield found
    }
  }

  private line(line: string): ReceivedEvent | 'reset' | undefined {
    if (line === '') return this.dispatch()
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === '') return value === 'reset' ? 'reset' : undefined
    if (name === 'event') this.#type = value
    else if (name === 'data') this.#data.push(value)
    else if (name === 'id') this.lastId = value
    return undefined
  }

  private dispatch(): ReceivedEvent | undefined {
    const event = { type: this.#type, data: this.#data.join('\n') }
    this.#type = ''
    this.#data = []
    return event.data === '' ? undefined : event
  }
}
