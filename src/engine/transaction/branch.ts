import { randomFillSync } from 'node:crypto'
import { magicCookie } from '../message/via.js'
import type { Flow } from '../transport/flow.js'

const tokenBytes = 12
const pool = Buffer.allocUnsafe(tokenBytes * 256)
let used = pool.length

/** 24 hex digits nobody can guess (96 bits): a tag, or the rest of a branch. */
export function randomToken(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += tokenBytes
  return pool.toString('hex', used - tokenBytes, used)
}

/** A branch for one client transaction, unique and unguessable: whoever knows it has seen the request. */
export function newBranch(): string {
  return magicCookie + randomToken()
}

/** The Via value a request sent over `flow` carries on top. Over UDP it asks for the answer to the source port (RFC 3581). */
export function viaFor(flow: Flow, branch: string): string {
  const asksPort = flow.protocol === 'udp' ? ';rport' : ''
  return `SIP/2.0/${flow.protocol.toUpperCase()} ${flow.binding.sentBy}${asksPort};branch=${branch}`
}
