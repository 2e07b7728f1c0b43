import { connect, createServer, type Socket } from 'node:net'

/** A way to a Redis that can be cut: while it is, connections stay open and nothing passes. */
export interface RedisRelay {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
  cut(): void
  /** Lets everything pass again, on new connections: what was sent meanwhile is lost. */
  mend(): void
  close(): Promise<void>
}

/** Opens a relay to the Redis on a port of 127.0.0.1. */
export async function openRedisRelay(redisPort: number): Promise<RedisRelay> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((near) => {
    const far = connect(redisPort, '127.0.0.1')
    const end = (): void => {
      for (const socket of [near, far]) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('data', (bytes) => {
        if (!isCut) other.write(bytes)
      })
      socket.on('error', end)
      socket.on('close', end)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  return {
    url: `redis://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`,
    cut: () => (isCut = true),
    mend: () => {
      isCut = false
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
