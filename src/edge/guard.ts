import { type NameAddr, parseNameAddr, parseNameAddrList, parseUri, type SipUri, type TelUri } from '../engine/index.js'
import { fromBytes, toBytes } from './header-value.js'
import type { SipMessage } from './sip-server.js'

/** Longest From, To or Contact that is looked at or handed to a library, in bytes. */
export const MAX_ADDRESS_BYTES = 4_096

/** The one address in a header value, its display name as text; undefined when absent, too long or malformed. */
export function readAddress(value: string | undefined): NameAddr | undefined {
  if (value === undefined) return undefined
  const bytes = toBytes(value)
  if (bytes.length > MAX_ADDRESS_BYTES) return undefined
  const address = parseNameAddr(bytes)
  if (address?.displayName === undefined) return address
  return { ...address, displayName: fromBytes(address.displayName) }
}

/** The URI of the one address in a header value. */
export function readUri(value: string | undefined): SipUri | TelUri | undefined {
  const address = readAddress(value)
  return address && parseUri(address.uri)
}

/** What is wrong with the Contact a dialog with the sender would be built on, in words; undefined when nothing is. */
export function contactFault(value: string | undefined): string | undefined {
  if (value === undefined) return 'Missing Contact header'
  const bytes = toBytes(value)
  if (bytes.length > MAX_ADDRESS_BYTES) return 'Contact header too long'
  const uri = parseNameAddrList(bytes)?.[0]?.uri
  const parsed = uri === undefined ? undefined : parseUri(uri)
  return parsed === undefined || parsed.scheme === 'tel' ? 'Malformed Contact header' : undefined
}

/**
 * Whether From, To and Contact can be handed to drachtio-srf, whose regular expressions backtrack: the engine's linear parsers
 * have read them whole, and they are short.
 */
export function readableByLibrary(header: SipMessage['header']): boolean {
  return (
    readAddress(header('from')) !== undefined &&
    readAddress(header('to')) !== undefined &&
    contactFault(header('contact')) === undefined
  )
}

/** Whether the request belongs to a dialog: its To has a tag. */
export function hasToTag(message: SipMessage): boolean {
  return readAddress(message.header('to'))?.params.has('tag') ?? false
}

/** The number in front of a CSeq; NaN when there is none. */
export const cseqNumber = (message: SipMessage): number => Number.parseInt(message.header('cseq') ?? '', 10)
