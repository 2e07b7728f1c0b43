import type { PeerCertificate } from 'node:tls'
import { familyOf, sameAddress, unbracketed } from './address.js'

/** Names that are read of one certificate, at most. */
const maxNames = 1_000

/** Whom a certificate speaks for (RFC 5922 7.1). */
export class CertificateNames {
  private constructor(
    private readonly domains: ReadonlySet<string>,
    private readonly addresses: readonly string[],
  ) {}

  /**
   * The names of a certificate: hosts of its `sip:` URIs, its DNS names and IP addresses; its common name only when it has no alternative
   * names at all.
   */
  static of(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'> | undefined): CertificateNames {
    const domains = new Set<string>()
    const addresses: string[] = []
    const alternatives = certificate?.subjectaltname
    for (const entry of alternatives === undefined ? [] : split(alternatives)) {
      const colon = entry.indexOf(':')
      const value = unquoted(entry.slice(colon + 1))
      const kind = entry.slice(0, colon)
      if (kind === 'DNS') domains.add(normal(value))
      else if (kind === 'IP Address') addresses.push(value)
      else if (kind === 'URI') {
        const host = sipHostOf(value)
        if (host !== undefined) domains.add(normal(host))
      }
    }
    if (alternatives === undefined) {
      const common = certificate?.subject?.CN as string | string[] | undefined
      for (const name of typeof common === 'string' ? [common] : (common ?? [])) domains.add(normal(name))
    }
    return new CertificateNames(domains, addresses)
  }

  /**
   * It speaks for that host name or IP literal. Names are equal or they are not: a wildcard stands for nothing, and a domain does not
   * speak for what is below it (RFC 5922 7.2).
   */
  covers(host: string): boolean {
    const bare = unbracketed(host)
    if (familyOf(bare) !== undefined)
      return this.addresses.some((address) => sameAddress(address, bare)) || this.domains.has(bare)
    return this.domains.has(normal(host))
  }

  /** For messages: a few of them. */
  toString(): string {
    // Whoever made the certificate chose them: they end up in logs and in SIP text.
    const all = [...this.domains, ...this.addresses].map((name) => name.replace(/[^\x21-\x7e]/g, '?').slice(0, 64))
    return all.length === 0 ? 'nobody' : all.length > 5 ? `${all.slice(0, 5).join(', ')} ...` : all.join(', ')
  }
}

const normal = (name: string): string => {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** The host of a `sip:` URI without a user: only such a one is an identity of a domain. */
function sipHostOf(uri: string): string | undefined {
  if (!/^sip:/i.test(uri) || uri.includes('@')) return undefined
  return /^[^;?]*/.exec(uri.slice(4))?.[0].replace(/:\d+$/, '')
}

/** Entries of a list in which Node.js puts values with commas into double quotes. */
function split(text: string): string[] {
  const entries: string[] = []
  let start = 0
  let quoted = false
  for (let i = 0; i <= text.length && entries.length < maxNames; i++) {
    const c = text[i]
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if ((c === ',' && !quoted) || i === text.length) {
      entries.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  return entries
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value
  try {
    return String(JSON.parse(value))
  } catch {
    return value
  }
}
