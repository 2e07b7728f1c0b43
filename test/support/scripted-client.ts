import type { ClientRequest, ClientResponse, SipClient } from '../../src/trunks/sip-client.js'

export type Answered = ClientResponse & { readonly sent: boolean }

/** A final response with these headers, long names in any case. */
export function answered(status: number, headers: Readonly<Record<string, string>> = {}, sent = true): Answered {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    status,
    reason: `reason ${status}`,
    sent,
    header: (name) => byName.get(name.toLowerCase()),
    sourceAddress: '192.0.2.1',
    sourcePort: 5060,
    protocol: 'udp',
  }
}

/** A SIP server that answers as the test says, and keeps what it was asked to send. */
export class ScriptedClient implements SipClient {
  readonly requests: ClientRequest[] = []

  /** Gives the answer to a request; a rejection is a SIP server that is away. */
  constructor(public script: (request: ClientRequest, nth: number) => Answered | Promise<Answered>) {}

  async request(request: ClientRequest): Promise<Answered> {
    this.requests.push(request)
    return this.script(request, this.requests.length)
  }
}
