import { connectTo, DEFAULT_LIMIT, more, print, readNumber, type EdgeOptions } from './edge-command.js'
import type { Io } from './io.js'
import { count, table, type Columns } from './text.js'

/** What a list of the API holds, and how it is shown. */
export interface Listing<Row, Options> {
  /** `/v1/agents` */
  readonly path: string
  /** What of them, by the other options of the command; undefined values are not asked for. */
  readonly query?: (options: Options) => Record<string, string | undefined>
  /** What stands under the table with their number: `agent`. */
  readonly noun: string
  readonly columns: Columns<Row>
}

/** What a `list` command does: asks page after page, up to --limit, and prints all of it. */
export function listAction<Row, Options = unknown>(io: Io, { path, query, noun, columns }: Listing<Row, Options>) {
  return async (options: EdgeOptions & Options & { readonly limit?: string }): Promise<void> => {
    const limit = readNumber('--limit', options.limit) ?? Number(DEFAULT_LIMIT)
    const page = await connectTo(options).list<Row>(path, query?.(options) ?? {}, limit)
    const rows = (): string => table(page.items, columns)
    print(io, options, page, () => `${rows()}\n${count(page.items.length, noun)}${more(page.next_cursor)}`)
  }
}

/** What a `show` command does. @param at where the API has the one of this id */
export function showAction<View>(io: Io, at: (id: string) => string, text: (view: View) => string) {
  return async (id: string, options: EdgeOptions): Promise<void> => {
    const view = await connectTo(options).ask<View>('GET', at(id))
    print(io, options, view, () => text(view))
  }
}

/** What a command does that deletes. @param done what is said of it then: `removed` */
export function deleteAction(io: Io, noun: string, done: string, at: (id: string) => string) {
  return async (id: string, options: EdgeOptions): Promise<void> => {
    await connectTo(options).ask('DELETE', at(id))
    print(io, options, { [done]: id }, () => `${noun} ${id} ${done}`)
  }
}
