import { createHash } from 'node:crypto'

/** Digest algorithms (RFC 7616 3.2, RFC 8760), by their names in capitals. */
const algorithms = {
  MD5: { hash: 'md5', sess: false },
  'MD5-SESS': { hash: 'md5', sess: true },
  'SHA-256': { hash: 'sha256', sess: false },
  'SHA-256-SESS': { hash: 'sha256', sess: true },
  'SHA-512-256': { hash: 'sha512-256', sess: false },
  'SHA-512-256-SESS': { hash: 'sha512-256', sess: true },
} as const

export type AlgorithmName = keyof typeof algorithms

export interface Algorithm {
  readonly name: AlgorithmName
  /** What of a session stays the same: its cnonce is part of the key. */
  readonly sess: boolean
  /** Lower-case hexadecimal, of the text's UTF-8. */
  hash(text: string): string
}

/** The algorithm of that name, in any case; undefined when it is none of ours. */
export function findAlgorithm(name: string): Algorithm | undefined {
  return known.get(name.toUpperCase())
}

const known: ReadonlyMap<string, Algorithm> = new Map(
  Object.entries(algorithms).map(([name, { hash, sess }]) => [
    name,
    {
      name: name as AlgorithmName,
      sess,
      hash: (text: string) => createHash(hash).update(text, 'utf8').digest('hex'),
    },
  ]),
)
