import { createReadStream, createWriteStream, type WriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { once } from 'node:events'
import { extension } from '../model/number.js'
import { normaliseNumber } from '../routing/normalise.js'
import type { Client } from './client.js'
import { delimiterOf, formatCell, readCells, readLines, type Line } from './csv-lines.js'
import { CliError, exitCodes } from './errors.js'
import { readHeader, readRow } from './import-columns.js'
import type { Io } from './io.js'
import { ProgressBar } from './progress.js'
import { count, printable } from './text.js'

export interface FileImport {
  readonly file: string
  /** Fields that hold for every row that does not say otherwise. */
  readonly base: Readonly<Record<string, unknown>>
  readonly dryRun: boolean
  readonly json: boolean
  /** A file for the refused rows. */
  readonly report: string | undefined
  /** Rows under way at the same time. */
  readonly concurrency: number
  readonly fromLine: number
}

/** A row that was not imported. */
interface Refusal {
  readonly line: number
  readonly phone_number: string
  readonly code: string
  readonly reason: string
}

interface Row {
  readonly line: number
  readonly phoneNumber: string
  readonly body: Record<string, unknown>
}

/** Pauses before a row is tried again that found the edge without its store, milliseconds. */
const RETRY_MS = [300, 1_000, 3_000]
const MAX_NUMBER_SHOWN = 64

/**
 * Imports each row of a CSV file by itself: one is imported wholly or refused with its reason, and the others go on. Nothing but the
 * rows under way and the numbers seen are kept in memory.
 * @throws {CliError} after the report, when a row was refused or it ended before the file did
 */
export async function importFile(client: Client, io: Io, options: FileImport): Promise<void> {
  await new FileRun(client, io, options).run()
}

class FileRun {
  private rows = 0
  private imported = 0
  private refused = 0
  private lastLine = 0
  /** The first row whose outcome is not known, when the edge went away under it. */
  private unknownFrom: number | undefined
  private lost: CliError | undefined
  private bytesRead = 0
  private size = 0
  /** Which line had a number first: phone numbers as what they count to, extensions as they are. */
  private readonly seen = new Map<number | string, number>()
  private readonly bar: ProgressBar
  private readonly stop: AbortSignal
  private report: WriteStream | undefined
  private reportError: Error | undefined

  constructor(
    private readonly client: Client,
    private readonly io: Io,
    private readonly options: FileImport,
  ) {
    this.bar = new ProgressBar(io)
    this.stop = io.stopSignal()
  }

  async run(): Promise<void> {
    const { file, concurrency } = this.options
    const info = await stat(file).catch(() => undefined)
    if (info === undefined || info.isDirectory()) throw new CliError(`${file} cannot be read`, exitCodes.usage)
    this.size = info.size
    await this.openReport()
    const stream = createReadStream(file, { highWaterMark: 65_536 })
    const rows = this.readRows(readLines(stream))
    const worker = async (): Promise<void> => {
      for (;;) {
        if (this.stop.aborted || this.lost !== undefined) return
        const { value, done } = await rows.next()
        if (done === true) return
        await this.importRow(value)
      }
    }
    try {
      await Promise.all(Array.from({ length: concurrency }, worker))
    } catch (error) {
      if (error instanceof Error && 'syscall' in error) throw new CliError(`${file} cannot be read`, exitCodes.usage)
      throw error
    } finally {
      stream.destroy()
      this.bar.clear()
      await this.closeReport()
    }
    this.finish()
  }

  /** The rows to import, in their order; those that can be refused without asking are. */
  private async *readRows(lines: AsyncIterable<Line>): AsyncGenerator<Row, undefined> {
    const { base, fromLine } = this.options
    let header: string[] | undefined
    let delimiter = ','
    for await (const line of lines) {
      // The line end, and what is escaped, make it more: enough for a bar.
      this.bytesRead += 'text' in line ? Buffer.byteLength(line.text) + 1 : 0
      if (this.stop.aborted || this.lost !== undefined) return
      if ('text' in line && (line.text.trim() === '' || line.text.startsWith('#'))) continue
      if (header === undefined) {
        if ('problem' in line) throw new CliError(`line ${line.number}: ${line.problem}`, exitCodes.usage)
        delimiter = delimiterOf(line.text)
        const cells = readCells(line.text, delimiter)
        if (!Array.isArray(cells)) throw new CliError(`line ${line.number}: ${cells.problem}`, exitCodes.usage)
        header = readHeader(cells)
        continue
      }
      if (line.number < fromLine) continue
      this.rows += 1
      this.lastLine = line.number
      const cells = 'problem' in line ? line : readCells(line.text, delimiter)
      const row = Array.isArray(cells) ? readRow(header, cells, base) : cells
      if ('problem' in row)
        this.refuse({ line: line.number, phone_number: '', code: 'ROW_UNREADABLE', reason: row.problem })
      else {
        const { body } = row
        const phoneNumber = typeof body['phone_number'] === 'string' ? body['phone_number'] : ''
        const first = this.firstLineOf(phoneNumber, body, line.number)
        if (first === undefined) yield { line: line.number, phoneNumber, body }
        else
          this.refuse({
            line: line.number,
            phone_number: phoneNumber,
            code: 'DUPLICATE_IN_FILE',
            reason: `line ${first} has this number too`,
          })
      }
      this.showProgress()
    }
    if (header === undefined) throw new CliError(`${this.options.file} has no rows`, exitCodes.usage)
    return undefined
  }

  /** The line that has this number already, in whatever spelling; else undefined, and this is the line from now on. */
  private firstLineOf(phoneNumber: string, body: Record<string, unknown>, line: number): number | undefined {
    let key: number | string
    if (body['kind'] === 'extension') {
      if (!extension.safeParse(phoneNumber).success) return undefined
      key = phoneNumber
    } else {
      const { country } = body
      const read = normaliseNumber(phoneNumber, { country: typeof country === 'string' ? country : undefined })
      if (!read.ok) return undefined
      key = Number(read.e164.slice(1))
    }
    const first = this.seen.get(key)
    if (first === undefined) this.seen.set(key, line)
    return first
  }

  private async importRow({ line, phoneNumber, body }: Row): Promise<void> {
    const path = this.options.dryRun ? '/v1/numbers?dry_run=true' : '/v1/numbers'
    let again = false
    for (const restMs of [...RETRY_MS, undefined]) {
      let answer
      try {
        answer = await this.client.answer('POST', path, body)
        this.client.checkOrigin(answer)
      } catch (error) {
        if (!(error instanceof CliError)) throw error
        this.lost ??= error
        this.unknownFrom = Math.min(this.unknownFrom ?? line, line)
        this.rows -= 1
        return
      }
      if (answer.status < 400) {
        this.imported += 1
        this.showProgress()
        return
      }
      const { code, reason } = this.client.refusalOf(answer)
      if (answer.status === 503 && restMs !== undefined && !this.stop.aborted) {
        again = true
        await pause(restMs)
        continue
      }
      const perhaps =
        again && code === 'NUMBER_TAKEN' ? ' (perhaps by this import: an answer before this one was lost)' : ''
      this.refuse({ line, phone_number: phoneNumber, code, reason: `${reason}${perhaps}` })
      this.showProgress()
      return
    }
  }

  private refuse(refusal: Refusal): void {
    this.refused += 1
    const { line, code, reason } = refusal
    const phone_number = refusal.phone_number.slice(0, MAX_NUMBER_SHOWN)
    this.bar.clear()
    this.io.out(
      this.options.json
        ? JSON.stringify({ line, phone_number, code, reason })
        : printable(`line ${line}  ${phone_number === '' ? '-' : phone_number}  ${code}  ${reason}`),
    )
    this.report?.write(`${[line, phone_number, code, reason].map(formatCell).join(',')}\n`)
  }

  private showProgress(): void {
    const { rows, refused, size, bytesRead } = this
    this.bar.show(size === 0 ? undefined : bytesRead / size, `${count(rows, 'row')}, ${refused} refused`)
  }

  private async openReport(): Promise<void> {
    const { report } = this.options
    if (report === undefined) return
    this.report = createWriteStream(report, { mode: 0o600 })
    this.report.on('error', (error) => (this.reportError = error))
    await once(this.report, 'open').catch(() => {
      throw new CliError(`${report} cannot be written`, exitCodes.usage)
    })
    this.report.write('line,phone_number,code,reason\n')
  }

  private async closeReport(): Promise<void> {
    const { report } = this
    if (report === undefined) return
    await new Promise<void>((resolve) => report.end(() => resolve()))
    if (this.reportError !== undefined)
      this.io.err(`signalbox: ${this.options.report ?? ''} could not be written to its end`)
  }

  /** The last lines: what was done, and how to go on. @throws {CliError} */
  private finish(): void {
    const { rows, imported, refused, lost, unknownFrom } = this
    const { dryRun, json, file } = this.options
    const stopped = this.stop.aborted || lost !== undefined
    const next = unknownFrom ?? this.lastLine + 1
    this.io.out(
      json
        ? JSON.stringify({ file, dry_run: dryRun, rows, imported, refused, next_line: stopped ? next : null })
        : `${count(rows, 'row')}: ${imported} ${dryRun ? 'would be imported' : 'imported'}, ${refused} refused`,
    )
    if (lost !== undefined) throw new CliError(`${lost.message}; go on with --from-line ${next}`)
    if (this.stop.aborted)
      throw new CliError(`stopped: every row before line ${next} is done; go on with --from-line ${next}`)
    if (refused > 0) throw new CliError(`${refused} of ${count(rows, 'row')} refused`)
  }
}
