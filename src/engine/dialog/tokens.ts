import { randomFillSync, randomUUID } from 'node:crypto'

const pool = Buffer.alloc(8192)
let offset = pool.length

/** `bytes` random bytes as lower-case hex. Cheap: randomness is drawn in bulk. */
function randomHex(bytes: number): string {
  if (offset + bytes > pool.length) {
    randomFillSync(pool)
    offset = 0
  }
  offset += bytes
  return pool.toString('hex', offset - bytes, offset)
}

/** A From or To tag: 64 random bits (RFC 3261 19.3 asks for 32). */
export const newTag = (): string => randomHex(8)

/** A Call-ID nobody else makes or guesses. */
export const newCallId = (): string => randomUUID()

/** Unlike those of a process that ran before. */
const idPrefix = Math.floor(Math.random() * 36 ** 4)
  .toString(36)
  .padStart(4, '0')
let ids = 0

/** An id for a transaction or a control message towards applications, unique while the process runs. Peers never see one. */
export const newId = (): string => `${idPrefix}${(ids += 1).toString(36)}`

/** A first CSeq number: small enough to be counted up for ever (RFC 3261 8.1.1.5). */
export const newCseq = (): number => (Number.parseInt(randomHex(3), 16) & 0xfffff) + 1
