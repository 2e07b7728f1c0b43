/** A SIP message as a test reads it: plain text, nothing validated. */
export class SipText {
  readonly startLine: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string

  constructor(readonly raw: string) {
    const end = raw.indexOf('\r\n\r\n')
    const head = end < 0 ? raw : raw.slice(0, end)
    this.body = end < 0 ? '' : raw.slice(end + 4)
    const [startLine = '', ...lines] = head.split('\r\n')
    this.startLine = startLine
    this.headers = lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const
    })
  }

  /** Status of a response; 0 for a request. */
  get status(): number {
    return this.startLine.startsWith('SIP/2.0 ') ? Number(this.startLine.slice(8, 11)) : 0
  }

  get reason(): string {
    return this.status === 0 ? '' : this.startLine.slice(12)
  }

  /** Method of a request, or of the request a response answers. */
  get method(): string {
    return this.status === 0
      ? (this.startLine.split(' ')[0] ?? '')
      : ((this.header('cseq') ?? '').split(' ').at(-1) ?? '')
  }

  get requestUri(): string {
    return this.startLine.split(' ')[1] ?? ''
  }

  /** First value of a header; undefined when there is none. */
  header(name: string): string | undefined {
    return this.headers.find(([has]) => has === name.toLowerCase())?.[1]
  }

  all(name: string): string[] {
    return this.headers.filter(([has]) => has === name.toLowerCase()).map(([, value]) => value)
  }

  /** Start line and headers, without the body. */
  get head(): string {
    return this.raw.slice(0, this.raw.length - this.body.length)
  }

  get callId(): string {
    return this.header('call-id') ?? ''
  }

  get toTag(): string {
    return /;tag=([^;>\s]+)/.exec(this.header('to') ?? '')?.[1] ?? ''
  }
}
