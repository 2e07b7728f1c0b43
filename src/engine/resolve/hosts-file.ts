import { readFile } from 'node:fs/promises'
import type { Clock } from '../clock.js'
import { familyOf } from '../transport/address.js'

/** How long the file is taken as read. */
const freshMs = 5_000

/** The names that this machine's `/etc/hosts` gives addresses to. */
export class HostsFile {
  private names: Promise<ReadonlyMap<string, readonly string[]>> | undefined
  private readAtMs = 0

  constructor(
    private readonly path: string,
    private readonly clock: Clock,
  ) {}

  /** Addresses in the order of the file; none when the name is not there or the file cannot be read. */
  async find(name: string): Promise<readonly string[]> {
    const now = this.clock.now()
    if (this.names === undefined || now - this.readAtMs >= freshMs) {
      this.readAtMs = now
      this.names = readFile(this.path, 'utf8').then(parseHosts, () => new Map())
    }
    return (await this.names).get(name) ?? []
  }
}

/** Names, in lower case, and addresses of a hosts file. */
export function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address, ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
    if (address === undefined || familyOf(address) === undefined) continue
    for (const alias of aliases) {
      const name = alias.toLowerCase()
      const known = names.get(name)
      if (known === undefined) names.set(name, [address])
      else known.push(address)
    }
  }
  return names
}
