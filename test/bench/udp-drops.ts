import { readFileSync } from 'node:fs'

/** `127.0.0.1:5060` as `/proc/net/udp` writes it: `0100007F:13C4`. */
export function procAddress(address: string, port: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
  const octets = address.split('.').map(Number).reverse()
  return `${octets.map((octet) => hex(octet, 2)).join('')}:${hex(port, 4)}`
}

/** Datagrams the kernel threw away because the sockets of an IPv4 address and port did not read them in time. */
export function dropsOf(table: string, address: string, port: number): number {
  const local = procAddress(address, port)
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === local)
    .reduce((sum, fields) => sum + Number(fields.at(-1)), 0)
}

export const readUdpTable = (): string => readFileSync('/proc/net/udp', 'latin1')
