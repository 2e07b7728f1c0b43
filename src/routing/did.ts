/** What routing needs to see of a request. */
export interface InboundRequest {
  readonly requestUri: string
  /** The value of the header, by any spelling of its name; several lines are joined by ','. */
  header(name: string): string | undefined
  /** The address the request came from: IPv4 or IPv6, without brackets or port. */
  readonly sourceAddress: string
}
