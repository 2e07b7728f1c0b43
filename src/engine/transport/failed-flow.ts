import type { Flow } from './flow.js'
import type { Traffic } from './traffic.js'
import type { Binding, Target, TransportError } from './transport.js'

/** A way to a peer that cannot be opened: everything sent on it fails with the same error. */
export class FailedFlow implements Flow {
  readonly open = false

  constructor(
    readonly binding: Binding,
    private readonly target: Target,
    private readonly error: TransportError,
    private readonly traffic: Traffic,
  ) {}

  get protocol(): Binding['protocol'] {
    return this.target.protocol
  }

  get reliable(): boolean {
    return this.target.protocol !== 'udp'
  }

  get remoteAddress(): string {
    return this.target.address
  }

  get remotePort(): number {
    return this.target.port
  }

  get localAddress(): string {
    return this.binding.address
  }

  get localPort(): number {
    return this.binding.port
  }

  send(_text: string, failed?: (error: Error) => void): void {
    this.traffic.failLater(this.error, failed)
  }
}
