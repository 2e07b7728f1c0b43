import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from './children.js'
import { eventually } from './eventually.js'
import { isListening } from './free-port.js'
import type { Address } from './sip-peer.js'

const command = '/usr/sbin/kamailio'
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/** Whether the Debian package `kamailio` is here. */
export const hasKamailio = (): boolean => existsSync(command)

export interface KamailioOptions {
  readonly listen: Address
  /** Where calls of the registered user go, and where calls to it come from. */
  readonly gateway: Address
  readonly domain: string
  /** User of the address-of-record, digest user and password. */
  readonly user: string
  readonly authUser: string
  readonly password: string
  readonly algorithm: 'MD5' | 'SHA-256'
}

/** A Kamailio with `test/e2e/kamailio.cfg`, in memory alone. */
export class Kamailio {
  private constructor(
    private readonly child: Child,
    readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(options: KamailioOptions): Promise<Kamailio> {
    const { listen, gateway } = options
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-kamailio-'))
    const text = (value: string): string => `"${value}"`
    const defines = {
      LISTEN: `${listen.address}:${listen.port}`,
      GATEWAY: text(`sip:${gateway.address}:${gateway.port}`),
      GATEWAY_IP: text(gateway.address),
      DOMAIN: text(options.domain),
      AOR_USER: text(options.user),
      AUTH_USER: text(options.authUser),
      PASSWORD: text(options.password),
      ALGORITHM: text(options.algorithm),
    }
    const child = new Child(command, [
      ...['-DD', '-E', '-m', '32', '-M', '4', '-w', folder, '-Y', folder, '-f', join(root, 'test/e2e/kamailio.cfg')],
      ...Object.entries(defines).flatMap(([name, value]) => ['-A', `${name}=${value}`]),
    ])
    const kamailio = new Kamailio(child, listen.port, folder)
    await eventually('Kamailio listens', () => {
      if (child.exit !== undefined) throw new Error(`Kamailio ended: ${child.output.slice(-2_000)}`)
      return isListening(listen.address, listen.port, 'udp') && isListening(listen.address, listen.port, 'tcp')
    })
    return kamailio
  }

  get output(): string {
    return this.child.output
  }

  async stop(): Promise<void> {
    const { pid } = this.child
    // Its workers keep our pipes open should they outlive it.
    const workers = pid === undefined ? [] : childrenOf(pid)
    const timer = setTimeout(() => {
      for (const worker of workers) killQuietly(worker)
    }, 3_000)
    await this.child.stop('SIGTERM', 3_000)
    clearTimeout(timer)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function childrenOf(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
    return list === '' ? [] : list.split(' ').map(Number)
  } catch {
    return []
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
