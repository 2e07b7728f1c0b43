import type { Reader } from '../reader.js'
import { control } from './control.js'
import { digest } from './digest.js'
import { dns } from './dns.js'
import { instruction } from './instruction.js'
import { sdp } from './sdp.js'
import { sip } from './sip.js'
import { address, number, place, via } from './values.js'

/** Everything that reads what comes from outside. */
export const readers: readonly Reader[] = [sip, address, via, sdp, digest, number, dns, control, instruction, place]
