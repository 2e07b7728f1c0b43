import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Tries to take a TCP port of an address; resolves to the port, or undefined when it is taken. */
function tryTcp(address: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(undefined))
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : undefined))
    })
  })
}

function tryUdp(address: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', () => resolve(undefined))
    socket.bind({ address, port, exclusive: true }, () => {
      const bound = socket.address().port
      socket.close(() => resolve(bound))
    })
  })
}

/** Whether a port of an address is taken, for one of the protocols. */
export async function isTaken(address: string, port: number, protocol: 'udp' | 'tcp'): Promise<boolean> {
  return (await (protocol === 'udp' ? tryUdp : tryTcp)(address, port)) === undefined
}

const LISTEN = '0A'
/** `::1` as the kernel lists it: words of four bytes, each the wrong way round. */
const LOOPBACK6 = '00000000000000000000000001000000'

/** Whether somebody receives on a port of an IPv4 address or of `::1`: for TCP one that is bound but not yet listened on does not count. */
export function isListening(address: string, port: number, protocol: 'udp' | 'tcp'): boolean {
  const ipv6 = address.includes(':')
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
  const octets = address
    .split('.')
    .map((octet) => hex(Number(octet), 2))
    .reverse()
  const local = `${ipv6 ? LOOPBACK6 : octets.join('')}:${hex(port, 4)}`
  return readFileSync(`/proc/net/${protocol}${ipv6 ? '6' : ''}`, 'latin1')
    .split('\n')
    .some((line) => {
      const [, has, , state] = line.trim().split(/\s+/)
      return has === local && (protocol === 'udp' || state === LISTEN)
    })
}

const handedOut = new Set<number>()

/** A port of an address that is free for UDP and TCP, and that this process has not handed out before. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    // Below the kernel's range for outgoing connections, so that no connection of a test takes it meanwhile.
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    if (handedOut.has(port)) continue
    if ((await tryTcp(address, port)) === undefined || (await tryUdp(address, port)) === undefined) continue
    handedOut.add(port)
    return port
  }
  throw new Error(`no free port on ${address}`)
}
