import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { CertificateNames } from './certificate-names.js'
import { TransportError } from './transport.js'

/** Whom a server has to prove to be. */
export interface Expected {
  /** Host name or IP literal that its certificate must be for; undefined: neither name nor authority are verified. */
  readonly name: string | undefined
  /** SHA-256 of certificates or public keys, lower-case hexadecimal, of which it must show one; none: any. */
  readonly pins: readonly string[]
}

/** What a server has shown. */
export interface Shown {
  readonly names: string
  readonly notAfter: Date
}

/** The certificate of the far end; undefined: it has none. */
export function shownBy(socket: TLSSocket): Shown | undefined {
  const certificate = socket.getPeerCertificate()
  if (certificate?.raw === undefined) return undefined
  return { names: CertificateNames.of(certificate).toString(), notAfter: new Date(certificate.valid_to) }
}

/**
 * Why a server is not whom we wanted (RFC 5922), when its handshake is done and before anything is said; undefined: it is. Names what
 * was shown and what was expected.
 */
export function refusalOf(socket: TLSSocket, { name, pins }: Expected): TransportError | undefined {
  const refused = (why: string): TransportError => new TransportError('TLS_PEER_REFUSED', why)
  const names = CertificateNames.of(socket.getPeerCertificate())
  if (name !== undefined) {
    if (!socket.authorized) {
      const why = wordsOf(socket.authorizationError)
      return refused(`its certificate is not accepted: ${why} (it is for ${names.toString()}; ${name} was expected)`)
    }
    if (!names.covers(name)) return refused(`its certificate is for ${names.toString()}, not for ${name}`)
  }
  if (pins.length > 0 && !pinsOf(socket).some((shown) => pins.includes(shown)))
    return refused(`its certificate, for ${names.toString()}, is none of those that are pinned`)
  return undefined
}

/** SHA-256 of the certificate that is shown and of its public key. */
function pinsOf(socket: TLSSocket): string[] {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return []
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return [certificate.raw, key].map((bytes) => createHash('sha256').update(bytes).digest('hex'))
}

/** OpenSSL's codes in its own words. */
const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate',
  INVALID_PURPOSE: 'unsuitable certificate purpose',
  CERT_REVOKED: 'certificate revoked',
}

function wordsOf(error: unknown): string {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)
  return words[code] ?? code.slice(0, 80).toLowerCase().replaceAll('_', ' ')
}
