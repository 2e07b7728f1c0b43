import { createSocket, type Socket } from 'node:dgram'
import type { Address } from './sip-peer.js'

export interface RelayOptions {
  /** Sends every datagram a second time after so many milliseconds: copies arrive out of order. */
  readonly copyAfterMs?: number
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
export async function openRelay(
  address: string,
  target: Address,
  options: RelayOptions = {},
): Promise<{ port: number; close(): void }> {
  const near = await bound(address)
  const far = await bound(address)
  const timers = new Set<NodeJS.Timeout>()
  let party: Address | undefined
  const pass = (socket: Socket, bytes: Buffer, to: Address): void => {
    socket.send(bytes, to.port, to.address)
    if (options.copyAfterMs === undefined) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      socket.send(bytes, to.port, to.address)
    }, options.copyAfterMs)
    timers.add(timer)
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
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      near.close()
      far.close()
    },
  }
}
