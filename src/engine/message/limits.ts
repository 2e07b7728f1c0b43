/** What a peer may ask of us in one message. Everything is checked before it is stored. */
export interface Limits {
  /** Bytes of a whole message, body included. */
  readonly maxMessageBytes: number
  /** Header lines; a folded line counts once. */
  readonly maxHeaders: number
  /** Bytes of one header line with all its folds. */
  readonly maxHeaderLineBytes: number
  /** Bytes of the request or status line. A request line past it is answered with 414. */
  readonly maxStartLineBytes: number
  /** Bytes of the body. */
  readonly maxBodyBytes: number
}

/** 64 kB a message, as a datagram can hold; 256 lines of at most 8 kB; a start line of at most 4 kB. */
export const defaultLimits: Limits = {
  maxMessageBytes: 65_535,
  maxHeaders: 256,
  maxHeaderLineBytes: 8_192,
  maxStartLineBytes: 4_096,
  maxBodyBytes: 65_535,
}
