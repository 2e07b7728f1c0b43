const METHODS: ReadonlySet<string> = new Set(
  'ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE'.split(' '),
)

/** Whether there is such a method (IANA); any other is answered 501. */
export const isMethod = (method: string): boolean => METHODS.has(method)
