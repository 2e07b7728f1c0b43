/** What is wrong with a message. */
export type Fault =
  | 'start-line'
  | 'version'
  | 'start-line-length'
  | 'line-end'
  | 'header-line'
  | 'header-length'
  | 'header-count'
  | 'no-empty-line'
  | 'message-size'
  | 'body-size'
  | 'content-length'
  | 'length-required'
  | 'incomplete'
  | 'request-uri'
  | 'missing-header'
  | 'repeated-header'
  | 'bad-header'
  | 'cseq-method'

interface Verdict {
  /** Status of the answer to a request. */
  readonly status: number
  readonly reason: string
  /** Whether the end of the message can no longer be told: on a stream nothing after it may be read. */
  readonly framingLost: boolean
}

/** One line a fault: the answer to a request that has it, and what it means for a stream. */
export const verdicts: Readonly<Record<Fault, Verdict>> = {
  'start-line': { status: 400, reason: 'Bad Request-Line', framingLost: false },
  version: { status: 505, reason: 'Version Not Supported', framingLost: false },
  'start-line-length': { status: 414, reason: 'Request-URI Too Long', framingLost: false },
  'line-end': { status: 400, reason: 'Bad Line End', framingLost: true },
  'header-line': { status: 400, reason: 'Bad Header Line', framingLost: true },
  'header-length': { status: 513, reason: 'Header Too Large', framingLost: true },
  'header-count': { status: 513, reason: 'Too Many Headers', framingLost: true },
  'no-empty-line': { status: 400, reason: 'Missing Empty Line', framingLost: true },
  'message-size': { status: 513, reason: 'Message Too Large', framingLost: true },
  'body-size': { status: 413, reason: 'Request Entity Too Large', framingLost: true },
  'content-length': { status: 400, reason: 'Bad Content-Length Header', framingLost: true },
  // RFC 3261 18.3 asks for a Content-Length on streams without saying which status its absence deserves; RFC 2543 had one for it.
  'length-required': { status: 411, reason: 'Length Required', framingLost: true },
  incomplete: { status: 400, reason: 'Incomplete Message', framingLost: true },
  'request-uri': { status: 400, reason: 'Bad Request-URI', framingLost: false },
  'missing-header': { status: 400, reason: 'Missing Header', framingLost: false },
  'repeated-header': { status: 400, reason: 'Repeated Header', framingLost: false },
  'bad-header': { status: 400, reason: 'Bad Header', framingLost: false },
  'cseq-method': { status: 400, reason: 'CSeq Method Mismatch', framingLost: false },
}
