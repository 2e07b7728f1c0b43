import { parseNameAddr } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { transferFault } from '../routing/allowed-destinations.js'
import { refusal, type Refusal } from './admission.js'
import { MAX_ADDRESS_BYTES } from './guard.js'
import { toBytes } from './header-value.js'
import type { SipRequest } from './sip-server.js'

/**
 * Why a trunk may not be asked to lead its call on to where a REFER says (RFC 3515), or undefined: the trunk would call there on its
 * owner's account. A Refer-To that cannot be read is the far end's to refuse.
 * @param presented the number of ours that the call shows
 */
export function transferRefusal(refer: SipRequest, presented: string | null, trunk: Trunk): Refusal | undefined {
  const value = refer.header('refer-to')
  if (value === undefined) return undefined
  const bytes = toBytes(value)
  const uri = bytes.length > MAX_ADDRESS_BYTES ? undefined : parseNameAddr(bytes)?.uri
  const fault = uri === undefined ? undefined : transferFault(uri, presented, trunk)
  return fault && refusal(fault.code, fault.why, {}, fault.why)
}
