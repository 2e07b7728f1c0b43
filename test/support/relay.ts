import { createSocket, type Socket } from 'node:dgram'
import { createDice } from './random-dice.js'
import type { Address } from './sip-peer.js'

/** What becomes of datagrams, each way: shares from 0 to 1. */
export interface Trouble {
  readonly lost: number
  readonly doubled: number
  /** Come after what was sent up to `lateMs` later. */
  readonly late: number
  readonly lateMs: number
  readonly seed: number
}

export interface RelayOptions {
  readonly trouble?: Trouble
  /** Sends every datagram a second time after so many milliseconds: copies arrive out of order. */
  readonly copyAfterMs?: number
}

export interface Relay {
  readonly port: number
  /** Datagrams that it did not pass on. */
  readonly lost: number
  /** From now on all goes through as it comes. */
  heal(): void
  close(): void
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  await new Promise<void>((resolve) => socket.bind({ address, port: 0 }, resolve))
  return socket
}

/**
 * A UDP relay in front of `target`: what one party sends to its port goes to the target, what comes back to that party. Both
 * see the relay's address as the other's.
 */
export async function openRelay(address: string, target: Address, options: RelayOptions = {}): Promise<Relay> {
  const near = await bound(address)
  const far = await bound(address)
  const timers = new Set<NodeJS.Timeout>()
  const dice = createDice(options.trouble?.seed ?? 1)
  let { trouble } = options
  let lost = 0
  let party: Address | undefined
  const later = (ms: number, socket: Socket, bytes: Buffer, to: Address): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      socket.send(bytes, to.port, to.address)
    }, ms)
    timers.add(timer)
  }
  const happens = (share: number): boolean => dice(1_000) < share * 1_000
  const pass = (socket: Socket, bytes: Buffer, to: Address): void => {
    if (options.copyAfterMs !== undefined) later(options.copyAfterMs, socket, bytes, to)
    if (trouble === undefined) return void socket.send(bytes, to.port, to.address)
    if (happens(trouble.lost)) {
      lost += 1
      return
    }
    if (happens(trouble.doubled)) later(dice(trouble.lateMs), socket, bytes, to)
    if (happens(trouble.late)) later(1 + dice(trouble.lateMs), socket, bytes, to)
    else socket.send(bytes, to.port, to.address)
  }
  near.on('message', (bytes, from) => {
    party = { address: from.address, port: from.port }
    pass(far, bytes, target)
  })
  far.on('message', (bytes) => {
    if (party !== undefined) pass(near, bytes, party)
  })
  return {
    port: near.address().port,
    get lost() {
      return lost
    },
    heal: () => (trouble = undefined),
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      near.close()
      far.close()
    },
  }
}
