/** How the servers of one trunk are dealt with over TLS, where it differs from what holds for all. */
export interface TlsProfile {
  /** The name told in the handshake, which the certificate must be for. Default: the one that was dialled. */
  readonly serverName?: string
  /** PEM: the authorities that must vouch for the server, and no others. */
  readonly ca?: string
  /** Which of the named certificates of `TlsSettings` is shown. Default: ours. */
  readonly clientCertificate?: string
  /** The name that the certificate must be for, when it is neither of the above. */
  readonly pinnedName?: string
  /** SHA-256 in lower-case hexadecimal of certificates or their public keys: one of them must be shown. Default: any. */
  readonly pins?: readonly string[]
  /** False: neither authority nor name are verified, only the pins. Default true. */
  readonly verify?: boolean
}

/** Profiles kept at a time; past it the one that was given or given anew longest ago goes. */
const MAX_PROFILES = 20_000

/** TLS profiles by the ids under which next hops name them (`;x-signalbox-tls=<id>`). Bounded. */
export class TlsProfiles {
  private readonly profiles = new Map<string, TlsProfile>()

  /** Keeps a profile under its id. What an id stands for never changes: connections are shared by it. */
  set(id: string, profile: TlsProfile): void {
    const known = this.profiles.get(id)
    this.profiles.delete(id)
    this.profiles.set(id, known ?? profile)
    if (this.profiles.size <= MAX_PROFILES) return
    for (const oldest of this.profiles.keys()) {
      this.profiles.delete(oldest)
      break
    }
  }

  get(id: string): TlsProfile | undefined {
    return this.profiles.get(id)
  }
}

/** Whether a text may be the id of a profile: 1 to 64 letters, digits, `-` and `_`. */
export const isProfileId = (text: string): boolean => /^[A-Za-z0-9_-]{1,64}$/.test(text)
