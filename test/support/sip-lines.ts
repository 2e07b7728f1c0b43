/** What `sipRequest` puts in place of its own: a header's whole line by its name, '' to leave it out; more lines after them. */
export interface RequestParts {
  readonly startLine?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly extra?: readonly string[]
  readonly body?: string
}

/** A request as bytes on the wire: well-formed but for what is asked for. Content-Length fits the body unless given. */
export function sipRequest(parts: RequestParts = {}): Buffer {
  const body = parts.body ?? ''
  const headers: Record<string, string> = {
    Via: 'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport',
    'Max-Forwards': 'Max-Forwards: 70',
    From: 'From: "Alice" <sip:alice@example.com>;tag=1928301774',
    To: 'To: <sip:bob@example.com>',
    'Call-ID': 'Call-ID: a84b4c76e66710@192.0.2.1',
    CSeq: 'CSeq: 314159 OPTIONS',
    'Content-Length': `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
    ...parts.headers,
  }
  const lines = [
    parts.startLine ?? 'OPTIONS sip:bob@example.com SIP/2.0',
    ...Object.values(headers).filter((line) => line !== ''),
    ...(parts.extra ?? []),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

/** The same with one header line changed. */
export function withHeader(name: string, line: string): Buffer {
  return sipRequest({ headers: { [name]: line } })
}
