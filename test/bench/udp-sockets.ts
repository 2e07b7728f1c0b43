import { readFileSync } from 'node:fs'

/** `127.0.0.1:5060` as `/proc/net/udp` writes it: `0100007F:13C4`. */
export function procAddress(address: string, port: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
  const octets = address.split('.').map(Number).reverse()
  return `${octets.map((octet) => hex(octet, 2)).join('')}:${hex(port, 4)}`
}

/** What the kernel tells of the UDP sockets of an address and port. */
export interface UdpSockets {
  /** Datagrams thrown away since the sockets were opened, because they were not read in time. */
  readonly drops: number
  /** Bytes that wait to be read, with the kernel's own for each datagram. */
  readonly waiting: number
}

/** Reads `/proc/net/udp` for an IPv4 address and port. */
export function udpSockets(table: string, address: string, port: number): UdpSockets {
  const local = procAddress(address, port)
  const found = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === local)
  return {
    drops: found.reduce((sum, fields) => sum + Number(fields.at(-1)), 0),
    waiting: found.reduce((sum, fields) => sum + Number.parseInt(fields[4]?.split(':')[1] ?? '0', 16), 0),
  }
}

export const readUdpTable = (): string => readFileSync('/proc/net/udp', 'latin1')
