import { isAbsolute } from 'node:path'
import { isIP } from 'node:net'
import { z } from 'zod'
import { parseContact } from '../engine/index.js'
import { network } from '../model/network.js'
import { RESERVED_WORDS } from '../model/strict-text.js'
import { headerMap } from '../model/text.js'

const MOST_PORT = 65_535
const PROXIES = 'must be true, false or a list of networks such as 10.0.0.0/8'

/** One listening address in drachtio's form: `sip:127.0.0.1:5060;transport=udp,tcp`. */
export const sipContact = z
  .string()
  .max(300)
  .superRefine((text, context) => {
    try {
      parseContact(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  })

/** Contacts separated by commas, which also separate the transports of one contact: a new one begins with `sip:` or `sips:`. */
export function splitContacts(text: string): string[] {
  const contacts: string[] = []
  for (const piece of text.split(',')) {
    const begins = /^\s*sips?:/i.test(piece)
    if (begins || contacts.length === 0) contacts.push(piece.trim())
    else contacts[contacts.length - 1] += `,${piece.trim()}`
  }
  return contacts
}

/** An address and port to listen on. */
export interface Listen {
  /** An IP literal without brackets, or a host name. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`; undefined when it is none of these. */
export function parseListen(text: string): Listen | undefined {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, Math.max(colon, 0))
  const port = parsePort(text.slice(colon + 1))
  if (colon < 0 || port === undefined) return undefined
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : undefined
  if (bare !== undefined) return isIP(bare) === 6 ? { host: bare, port } : undefined
  return isIP(host) === 4 || isHostName(host) ? { host, port } : undefined
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  return port <= MOST_PORT ? port : undefined
}

function isHostName(text: string): boolean {
  const labels = text.split('.')
  // A last label of digits only would be a mistyped address.
  if (text.length > 253 || /^\d+$/.test(labels.at(-1) ?? '')) return false
  return labels.every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))
}

export const listenAddress = z
  .string()
  .refine((text) => parseListen(text) !== undefined, 'must be an address and port such as 127.0.0.1:8080 or [::1]:8080')

/** A host name or an IP literal without brackets. */
export const host = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || (isHostName(text) && !RESERVED_WORDS.has(text)),
    'must be a host name or an IP address',
  )

/** An IP address that peers can send to. */
export const unicastAddress = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 && !text.includes('%') && !NOWHERE.test(text),
    'must be an IP address such as 203.0.113.10',
  )

const NOWHERE = /^(0\.|22[4-9]\.|2[3-5]\d\.|::$|[fF]{2})/

/** A name server: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`. */
export const nameServer = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || isIP(parseListen(text)?.host ?? '') !== 0,
    'must be an IP address, with an optional port: 192.0.2.53:53',
  )

/**
 * Where Redis is: `redis://[user:password@]host[:port][/db]`, `rediss://...` for TLS, `unix:///path` or the path of its socket.
 * What is wrong is said without the text: it may hold a password.
 */
export const redisUrl = z.string().superRefine((text, context) => {
  const problem = redisUrlProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

function redisUrlProblem(text: string): string | undefined {
  const form = 'must be redis://host:port, rediss://host:port or unix:///path/of/socket'
  if (isAbsolute(text)) return undefined
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return form
  }
  if (url.protocol === 'unix:') return url.hostname === '' && url.pathname.length > 1 ? undefined : form
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') return form
  if (url.hostname === '') return form
  return /^\/?\d{0,5}$/.test(url.pathname) ? undefined : 'the path must be the number of a database, such as /0'
}

/** true, false, or the networks that proxies connect from: a list, or a text with commas. */
export const proxies = z.union([
  z.boolean({ error: PROXIES }),
  z
    .string({ error: PROXIES })
    .max(4_096)
    .transform((text) => text.split(',').map((one) => one.trim()))
    .pipe(z.array(network).min(1).max(64)),
  z.array(network).min(1).max(64),
])

/** The name of a header of the caller's INVITE that may reach the agent; those the edge writes itself may not. */
export const forwardedHeader = z.string().superRefine((name, context) => {
  if (RESERVED_WORDS.has(name)) context.addIssue({ code: 'custom', message: 'is a reserved word' })
  for (const issue of headerMap.safeParse({ [name]: '' }).error?.issues ?? [])
    context.addIssue({ code: 'custom', message: issue.message })
})

/** A secret that travels in a line or a header: 1 to 256 visible ASCII characters without spaces. */
export const secretText = z
  .string()
  .regex(/^[\x21-\x7e]{1,256}$/, 'must be 1 to 256 visible ASCII characters without spaces')

/** 32 bytes, as 64 hexadecimal digits or in base64. */
export const keyText = z
  .string()
  .refine((text) => decodeKey(text) !== undefined, 'must be 32 bytes: 64 hexadecimal digits, or base64')

/** The 32 bytes that a key's text stands for, or undefined. */
export function decodeKey(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex')
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
