import { type Trunk, trunkFields } from '../../src/model/trunk.js'
import type { Target } from '../../src/trunks/target.js'

/** A trunk as routing has it. */
export function trunkOf(id: string, fields: Partial<Trunk> = {}): Trunk {
  return {
    account_id: 'default',
    ...trunkFields.parse({}),
    id,
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
    ...fields,
  }
}

/** `tcp 192.0.2.7:5065`, with a `?` behind a transport that is not settled. */
export const brief = ({ transport, address, port, settled }: Target): string =>
  `${transport}${settled ? '' : '?'} ${address}:${port}`

/** The target that `brief` shows as this. */
export function targetOf(text: string): Target {
  const [, transport, unsettled, address, port] = /^(udp|tcp|tls)(\??) (.+):(\d+)$/.exec(text) ?? []
  if (address === undefined) throw new Error(`${text} is no target`)
  return { transport: transport as Target['transport'], address, port: Number(port), settled: unsettled === '' }
}
