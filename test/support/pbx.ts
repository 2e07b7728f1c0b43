import { createHash } from 'node:crypto'
import { eventually } from './eventually.js'
import { digestParams } from './far-digest.js'
import { Carrier } from './carrier.js'
import { hostText, type Heard, type Way } from './far-end.js'
import type { SipText } from './sip-text.js'

export interface PbxUser {
  readonly user: string
  readonly password: string
}

export interface RegisterOptions {
  /** Header values; default: where it is, by the way's transport. */
  readonly contacts?: readonly string[]
  /** Expires; undefined: none. */
  readonly expires?: number
  /** Header lines besides. */
  readonly headers?: readonly string[]
  /** User of the AOR; default: that of the credentials. */
  readonly aor?: string
  readonly callId?: string
  /** Default: one more than before. */
  readonly cseq?: number
  /** Shows no credentials. */
  readonly anonymous?: boolean
}

let count = 0

/** A PBX that registers to the edge, and takes and places calls where it has registered from. */
export class Pbx {
  private cseq = 0
  private readonly callId = `pbx-${process.pid}-${++count}`

  private constructor(
    readonly carrier: Carrier,
    private readonly edge: { readonly address: string; readonly port: number },
    readonly way: Way,
  ) {}

  /** @param protocol the transport that it registers over: a connection of its own, or its datagram port */
  static async open(
    address: string,
    edge: { readonly address: string; readonly port: number },
    protocol: 'udp' | 'tcp',
  ): Promise<Pbx> {
    const carrier = await Carrier.open({ address, protocols: ['udp', 'tcp'] })
    const way = protocol === 'tcp' ? await carrier.end.connect(edge) : { protocol, remote: edge, connection: 0 }
    return new Pbx(carrier, edge, way)
  }

  /** Where it is, as it writes it. */
  get contact(): string {
    const { address, port } = this.carrier.end.local
    return `sip:pbx@${hostText(address)}:${port}${this.way.protocol === 'tcp' ? ';transport=tcp' : ''}`
  }

  /** Sends a REGISTER, answers one challenge, and gives the last response. */
  async register({ user, password }: PbxUser, options: RegisterOptions = {}): Promise<SipText> {
    const first = await this.send(user, options)
    if (first.status !== 401 || options.anonymous === true) return first
    const header = first.headers.find(([name]) => name === 'www-authenticate')?.[1] ?? ''
    return this.send(user, options, credentials(header, this.uri, user, password))
  }

  close(): Promise<void> {
    return this.carrier.close()
  }

  private get uri(): string {
    return `sip:${this.edge.address}:${this.edge.port}`
  }

  private async send(user: string, options: RegisterOptions, authorization?: string): Promise<SipText> {
    const { contacts = [`<${this.contact}>`], expires, headers = [], aor = user, callId = this.callId } = options
    const cseq = options.cseq ?? ++this.cseq
    const { address, port } = this.carrier.end.local
    const branch = `z9hG4bK-pbx-${process.pid}-${++count}`
    const text = [
      `REGISTER ${this.uri} SIP/2.0`,
      `Via: SIP/2.0/${this.way.protocol.toUpperCase()} ${hostText(address)}:${port};rport;branch=${branch}`,
      'Max-Forwards: 70',
      `From: <sip:${aor}@${this.edge.address}>;tag=pbx${count}`,
      `To: <sip:${aor}@${this.edge.address}>`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} REGISTER`,
      ...contacts.map((contact) => `Contact: ${contact}`),
      ...(expires === undefined ? [] : [`Expires: ${expires}`]),
      'User-Agent: Test PBX',
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      ...headers,
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
    const { end } = this.carrier
    end.send(text, this.way)
    const isAnswer = ({ message }: Heard): boolean =>
      message.status >= 200 && (message.header('via') ?? '').includes(branch)
    return (await eventually('the REGISTER is answered', () => end.heard.find(isAnswer))).message
  }
}

/** Credentials as RFC 7616 3.4 has them: of RFC and node:crypto alone. */
export function credentials(challenge: string, uri: string, user: string, password: string): string {
  const params = digestParams(challenge)
  const value = (name: string): string => params.get(name) ?? ''
  const algorithm = params.get('algorithm') ?? 'MD5'
  const h = (text: string): string =>
    createHash(algorithm === 'SHA-256' ? 'sha256' : 'md5')
      .update(text)
      .digest('hex')
  const [nc, cnonce] = ['00000001', 'pbxpbxpbx']
  const secret = h(`${user}:${value('realm')}:${password}`)
  const response = h([secret, value('nonce'), nc, cnonce, 'auth', h(`REGISTER:${uri}`)].join(':'))
  return (
    `Digest username="${user}", realm="${value('realm')}", nonce="${value('nonce')}", uri="${uri}", algorithm=${algorithm}, ` +
    `qop=auth, nc=${nc}, cnonce="${cnonce}", response="${response}"`
  )
}
