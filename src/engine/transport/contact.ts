import type { Protocol } from './transport.js'

/** One thing to listen on: one protocol at one address and port. */
export interface ContactOption {
  /** The text it came from, for messages to the operator. */
  readonly text: string
  readonly protocol: Protocol
  /** IP literal without brackets, a host name, or `*` for every address of this machine. */
  readonly host: string
  /** 0..65535; 0 lets the system choose. */
  readonly port: number
  /** IP literal shown to peers in Via and Contact in place of the bound address. */
  readonly externalIp?: string
  /** CIDR block whose peers are sent to from here before any other contact. */
  readonly localNet?: string
}
