import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import { notReserved } from './strict-text.js'
import { identifier, safeText } from './text.js'

/** Characters of PEM that authorities of one trunk may have. */
const MAX_PEM = 16_384
const MAX_AUTHORITIES = 16

/** A host name of a certificate, or an IP literal without brackets. */
const certificateName = notReserved(safeText(253)).refine(
  (name) =>
    isIP(name) !== 0 || (/^(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(name) && !/^[\d.]+$/.test(name)),
  'must be a host name or an IP address, without a port: sip.example.com',
)

/** Why a text cannot be a trunk's authorities; never what it holds. */
function authoritiesProblem(text: string): string | undefined {
  // First of all: nothing of it may be kept, whatever else stands there.
  if (/PRIVATE KEY/i.test(text))
    return 'holds a private key: give certificates of authorities only, and treat that key as known to others from now on'
  // Blocks are found by their ends, one after the other: linear, whatever the text.
  const blocks = text.split('-----END CERTIFICATE-----')
  const rest = blocks.pop() ?? ''
  if (blocks.length === 0 || rest.trim() !== '') return 'must be one or more certificates in PEM form, and nothing else'
  if (blocks.length > MAX_AUTHORITIES) return `must hold at most ${MAX_AUTHORITIES} certificates`
  for (const block of blocks) {
    const body = block.trim()
    if (!/^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+$/.test(body))
      return 'must be one or more certificates in PEM form, and nothing else'
    try {
      void new X509Certificate(`${body}\n-----END CERTIFICATE-----\n`)
    } catch {
      return 'holds a certificate that cannot be read'
    }
  }
  return undefined
}

const authorities = z
  .string()
  .max(MAX_PEM)
  .superRefine((text, context) => {
    // Reading certificates costs: not of a text that is refused for its length.
    if (text.length > MAX_PEM) return
    const message = authoritiesProblem(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })

/** SHA-256 as 64 hexadecimal digits, as OpenSSL prints it with colons or without. */
const fingerprint = z
  .string()
  .max(95)
  .regex(
    /^(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$/,
    'must be SHA-256 in hexadecimal: 64 digits, with or without colons',
  )

/** How a trunk's servers are dealt with over TLS, where it differs from what holds for all (`sip.tls`). */
export const trunkTls = z.strictObject({
  /** The name that is told in the handshake (SNI, RFC 6066), and that certificates must be for; null: the host of the next hop. */
  server_name: certificateName.nullable().default(null),
  /** PEM: the authorities that must vouch for its servers, in place of those of `sip.tls.ca_file` and of Node.js; null: those. */
  ca: authorities.nullable().default(null),
  /** Which of `sip.tls.named_certificates` is shown to its servers; null: that of the edge. */
  client_certificate: identifier.nullable().default(null),
  /** The name that certificates must be for, when it is neither `server_name` nor the host of the next hop (RFC 5922). */
  pinned_name: certificateName.nullable().default(null),
  /** SHA-256 of the certificates or public keys (SubjectPublicKeyInfo) of its servers: one of them must be shown. None: any. */
  pinned_sha256: z.array(fingerprint).max(8).default([]),
  /** Whether authority and name are verified; false: only the pins are. */
  verify: z.boolean().default(true),
})
export type TrunkTls = z.output<typeof trunkTls>
