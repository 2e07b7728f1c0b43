import { createHash } from 'node:crypto'
import type { TlsProfile, TlsProfiles } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import type { TrunkTls } from '../model/trunk-tls.js'

/** What of a trunk says how its servers are dealt with over TLS. */
export type WithTls = Partial<Pick<Trunk, 'tls' | 'account_id'>>

/** Which accounts a certificate with a name may be shown for: null: all. */
export type NamedCertificates = ReadonlyMap<string, string | null>

/** The ids under which next hops name the TLS settings of trunks. Equal settings have one id, so that they share connections. */
export class TrunkTlsProfiles {
  /** Records stay in memory as long as they do not change: each is looked at once. */
  private readonly known = new WeakMap<TrunkTls, { readonly id: string; readonly profile: TlsProfile }>()

  /**
   * @param profiles of the engine; undefined: the SIP server is another's, which has one way for all
   * @param certificates that trunks may name
   */
  constructor(
    private readonly profiles: Pick<TlsProfiles, 'set'> | undefined,
    private readonly certificates: NamedCertificates,
  ) {}

  /** Whether what trunks say of TLS is followed. */
  get supported(): boolean {
    return this.profiles !== undefined
  }

  /** The id for a trunk's servers; undefined: it says nothing, and they are dealt with as all are. */
  idOf({ tls = null }: WithTls): string | undefined {
    if (tls === null || this.profiles === undefined || saysNothing(tls)) return undefined
    let known = this.known.get(tls)
    if (known === undefined) {
      const profile = profileOf(tls)
      known = { id: createHash('sha256').update(JSON.stringify(profile)).digest('base64url'), profile }
      this.known.set(tls, known)
    }
    // Again each time: those in use are not forgotten.
    this.profiles.set(known.id, known.profile)
    return known.id
  }

  /** Why a trunk's client certificate cannot be shown; undefined: it can, or it has none of its own. */
  certificateProblem({ tls = null, account_id }: WithTls): string | undefined {
    const name = tls?.client_certificate ?? null
    if (name === null) return undefined
    const owner = this.certificates.get(name)
    // To another account it is as if it were not there.
    if (owner !== undefined && (owner === null || owner === account_id)) return undefined
    return `there is no certificate "${name}" in sip.tls.named_certificates for this account`
  }
}

function saysNothing({ server_name, ca, client_certificate, pinned_name, pinned_sha256, verify }: TrunkTls): boolean {
  const texts = [server_name, ca, client_certificate, pinned_name]
  return verify && pinned_sha256.length === 0 && texts.every((text) => text === null)
}

/** The settings in the engine's words. The order of the keys is part of the id. */
function profileOf(tls: TrunkTls): TlsProfile {
  const { server_name, ca, client_certificate, pinned_name, pinned_sha256, verify } = tls
  return {
    ...(server_name === null ? {} : { serverName: server_name }),
    ...(ca === null ? {} : { ca }),
    ...(client_certificate === null ? {} : { clientCertificate: client_certificate }),
    ...(pinned_name === null ? {} : { pinnedName: pinned_name }),
    ...(pinned_sha256.length === 0 ? {} : { pins: pinned_sha256.map((pin) => pin.replaceAll(':', '').toLowerCase()) }),
    ...(verify ? {} : { verify }),
  }
}
