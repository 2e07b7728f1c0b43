/** The keys that secrets are sealed with, 32 bytes each. */
export interface Keys {
  /** Seals. */
  readonly present: Uint8Array
  /** Open what was sealed before; the latest first. */
  readonly former: readonly Uint8Array[]
}

const KEY_BYTES = 32
/** Former keys kept in memory; the oldest go first. */
const MAX_FORMER = 64

/**
 * The present key and those before it, for whatever is sealed or derived from them. It is replaced in one step while the edge runs, and a
 * key that was once present here goes on to open things until the process ends: nothing becomes unreadable in between.
 */
export class KeyRing {
  private keys: Keys

  /** @param reread the keys as they are kept now, for those that another process changed; undefined: as they were */
  constructor(
    keys: Keys,
    private readonly reread: () => Keys | undefined = () => undefined,
  ) {
    this.keys = checked(keys)
  }

  get present(): Uint8Array {
    return this.keys.present
  }

  get former(): readonly Uint8Array[] {
    return this.keys.former
  }

  /** The present key, then the former ones. */
  get all(): readonly Uint8Array[] {
    return [this.keys.present, ...this.keys.former]
  }

  /** Uses these keys from now on; those of before stay as former ones. */
  replace({ present, former }: Keys): void {
    const before = this.all
    const others = [...former, ...before].filter((key) => !same(key, present))
    const unique = others.filter((key, at) => others.findIndex((other) => same(other, key)) === at)
    this.keys = checked({ present, former: unique.slice(0, MAX_FORMER) })
  }

  /** Takes over what another process on the same keys changed. Never throws: what cannot be read changes nothing. */
  refresh(): void {
    let keys: Keys | undefined
    try {
      keys = this.reread()
    } catch {
      return
    }
    if (keys !== undefined) this.replace(keys)
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

function checked(keys: Keys): Keys {
  if ([keys.present, ...keys.former].some(({ length }) => length !== KEY_BYTES))
    throw new RangeError(`a key has ${KEY_BYTES} bytes`)
  return keys
}
