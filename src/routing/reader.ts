import { defaultDidSources, type DidSource, type Trunk } from '../model/trunk.js'
import type { DidParser, DidReading } from './did.js'

/** Different ways to read one request that are tried at most: the trunks of many customers behind one carrier share a few. */
const MAX_READERS = 64
/** Forms looked up together at most; others wait until it is their turn. */
const MAX_CANDIDATES = 24

/** One way to read a request: the ordered sources and the country of the trunks that read it so. A source is read when it is its turn. */
export class Reader {
  private readonly read: DidReading[] = []

  constructor(
    private readonly parser: DidParser,
    readonly trunks: ReadonlyMap<string, Trunk>,
    private readonly sources: readonly DidSource[],
    private readonly country: string | null,
  ) {}

  /** Sources there are. */
  get ranks(): number {
    return this.sources.length
  }

  /** What stands in the source of this rank, 0 first; undefined beyond the last. */
  at(rank: number): DidReading | undefined {
    const source = this.sources[rank]
    if (source === undefined) return undefined
    return (this.read[rank] ??= this.parser.read(source, this.country))
  }

  /** The readings so far. */
  get readings(): readonly DidReading[] {
    return this.read.filter((reading) => reading !== undefined)
  }
}

/** Groups trunks by how they read; their order stays. */
export function readersOf(trunks: readonly Trunk[], parser: DidParser): Reader[] {
  const [only] = trunks
  if (only !== undefined && trunks.length === 1)
    return [new Reader(parser, new Map([[only.id, only]]), only.did_from, only.country)]
  const groups = new Map<string, Map<string, Trunk>>()
  for (const trunk of trunks) {
    const way = `${trunk.country ?? ''} ${trunk.did_from.join(' ')}`
    const group = groups.get(way) ?? new Map<string, Trunk>()
    group.set(trunk.id, trunk)
    groups.set(way, group)
  }
  return [...groups.values()].slice(0, MAX_READERS).map((group) => {
    const [first] = group.values()
    return new Reader(parser, group, first?.did_from ?? [], first?.country ?? null)
  })
}

/** How a request is read when no trunk says so: every usual source. */
export function plainReader(parser: DidParser): Reader {
  return new Reader(parser, new Map(), defaultDidSources, null)
}

/** What was read, each thing once. */
export function distinctReadings(readers: readonly Reader[]): DidReading[] {
  const [only] = readers
  if (only !== undefined && readers.length === 1 && only.readings.length === 1) return [...only.readings]
  const distinct = new Map<string, DidReading>()
  for (const { readings } of readers)
    for (const reading of readings) distinct.set(`${reading.source} ${reading.candidates.join(' ')}`, reading)
  return [...distinct.values()]
}

/** Every form from this rank on, the next ones to be looked up first. */
export function candidatesFrom(readers: readonly Reader[], rank: number): string[] {
  const candidates = new Set<string>()
  for (let i = rank; i < Math.max(...readers.map(({ ranks }) => ranks)); i++)
    for (const reader of readers) for (const candidate of reader.at(i)?.candidates ?? []) candidates.add(candidate)
  return [...candidates].slice(0, MAX_CANDIDATES)
}
