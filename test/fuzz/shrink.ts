/**
 * The bytes with whatever can be left out while `fails` still holds of them: blocks of half their length, of a quarter, and so on,
 * in at most `tries` tries.
 */
export async function shrink(
  bytes: Buffer,
  fails: (bytes: Buffer) => boolean | Promise<boolean>,
  tries = 400,
): Promise<Buffer> {
  let least = bytes
  let left = tries
  for (let size = Math.ceil(bytes.length / 2); size >= 1 && left > 0; size = Math.floor(size / 2))
    for (let at = 0; at < least.length && left > 0; left--) {
      const shorter = Buffer.concat([least.subarray(0, at), least.subarray(at + size)])
      if (shorter.length < least.length && (await fails(shorter))) least = shorter
      else at += size
    }
  return least
}
