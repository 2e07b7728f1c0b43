import { serialise, type SipMessage } from '../message/message.js'
import type { Origin, ReceivedOn } from '../dialog/app.js'
import { newId } from '../dialog/tokens.js'
import { bracketed } from '../transport/address.js'

/**
 * First lines of control messages: fields separated by `|`, so no value may contain `|` or CR.
 * The names are the protocol's own.
 */

const DAY_MS = 86_400_000
const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`)
const three = (value: number): string => (value < 10 ? `00${value}` : value < 100 ? `0${value}` : `${value}`)

/** In the place of a transaction. */
const UNSOLICITED = 'unsolicited'
const SENT = 'Msg sent:'

let secondWritten = -1
let secondText = ''

/** UTC time of day with microseconds, as the protocol wants it: `HH:MM:SS.uuuuuu`. */
function timeOfDay(date: Date): string {
  const ms = date.getTime() % DAY_MS
  const s = Math.floor(ms / 1000)
  if (s !== secondWritten) {
    secondWritten = s
    secondText = `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.`
  }
  return `${secondText}${three(ms % 1000)}000`
}

const clean = (value: string): string => (/[|\r\n]/.test(value) ? value.replace(/[|\r\n]/g, ' ') : value)

/** `source|bytes|protocol|address|port|time` */
function meta(origin: Origin, bytes: number, date: Date): string {
  return `${origin.source}|${bytes}|${origin.protocol}|${origin.address}|${origin.port}|${timeOfDay(date)}`
}

/** What an application is told with a message, as fields; those it does not read are empty. */
export interface Notice {
  /** Of the command that it answers; undefined: it answers none. */
  readonly commandId: string | undefined
  /** Not to be changed. */
  readonly message: SipMessage
  /** The fields of the first line. */
  fields(): string[]
  /** The whole control message, a byte string. */
  text(): string
}

/** A message of the network, or a request that was sent without being asked for. */
export class ReceivedNotice implements Notice {
  readonly commandId = undefined

  /** @param txnId undefined: the request was sent */
  constructor(
    readonly message: SipMessage,
    private readonly origin: Origin,
    private readonly txnId: string | undefined,
    private readonly dialogId: string,
    private readonly date: Date,
    private readonly receivedOn: ReceivedOn | undefined,
  ) {}

  fields(): string[] {
    const { origin, txnId = UNSOLICITED, dialogId, receivedOn: on } = this
    const { source, protocol, address, port } = origin
    const fields = ['', 'sip', source, '', protocol, address, `${port}`, timeOfDay(this.date), txnId, clean(dialogId)]
    if (on === undefined) fields.push('')
    else fields.push(bracketed(on.address), `${on.port}`, '')
    return fields
  }

  text(): string {
    const { message, origin, txnId, dialogId, date, receivedOn } = this
    return txnId === undefined
      ? unsolicitedMessage(newId(), message, origin, dialogId, date)
      : sipMessage(newId(), message, origin, txnId, dialogId, date, receivedOn)
  }
}

/** A message of an application as it was sent. */
export class SentNotice implements Notice {
  constructor(
    readonly commandId: string,
    readonly message: SipMessage,
    private readonly origin: Origin,
    private readonly txnId: string,
    private readonly dialogId: string,
    private readonly date: Date,
  ) {}

  fields(): string[] {
    const { source, protocol, address, port } = this.origin
    const fields = ['', 'response', this.commandId, 'OK', source, '', protocol, address, `${port}`]
    fields.push(timeOfDay(this.date), this.txnId)
    if (this.message.kind === 'response') fields.push(clean(this.dialogId), '')
    fields.push(SENT, '')
    return fields
  }

  text(): string {
    const { commandId, message, origin, txnId, dialogId, date } = this
    return sentMessage(newId(), commandId, message, origin, txnId, dialogId, date)
  }
}

/** A message of the network for an application, which puts together where it came in (`receivedOn`) as `host:port`. */
export function sipMessage(
  id: string,
  message: SipMessage,
  origin: Origin,
  txnId: string,
  dialogId: string,
  date: Date,
  receivedOn?: ReceivedOn,
): string {
  const text = serialise(message)
  const tail = receivedOn === undefined ? '' : `${bracketed(receivedOn.address)}|${receivedOn.port}|`
  return `${id}|sip|${meta(origin, text.length, date)}|${txnId}|${clean(dialogId)}|${tail}\r\n${text}`
}

/** A request that was sent without being asked for. */
export function unsolicitedMessage(
  id: string,
  message: SipMessage,
  origin: Origin,
  dialogId: string,
  date: Date,
): string {
  const text = serialise(message)
  return `${id}|sip|${meta(origin, text.length, date)}|${UNSOLICITED}|${clean(dialogId)}|\r\n${text}`
}

/** The echo of a message an application sent: what went over the wire. */
export function sentMessage(
  id: string,
  commandId: string,
  message: SipMessage,
  origin: Origin,
  txnId: string,
  dialogId: string,
  date: Date,
): string {
  const text = message.text ?? serialise(message)
  const dialog = message.kind === 'response' ? `${clean(dialogId)}||` : ''
  return `${id}|response|${commandId}|OK|${meta(origin, text.length, date)}|${txnId}|${dialog}${SENT}|\r\n${text}`
}

/** A final response of a destination that an application's request was proxied to; `done` is still to come. */
export function proxiedResponse(
  id: string,
  commandId: string,
  response: SipMessage,
  origin: Origin,
  date: Date,
): string {
  const text = serialise(response)
  return `${id}|response|${commandId}|OK|${meta(origin, text.length, date)}|||continue\r\n${text}`
}

/** A record of a call, for an application that keeps them. */
export function recordMessage(
  id: string,
  event: string,
  source: string,
  date: Date,
  detail: string | undefined,
  message: SipMessage,
): string {
  const tail = detail === undefined ? '' : `|${detail}`
  return `${id}|${event}|${source}|${timeOfDay(date)}${tail}\r\n${serialise(message)}`
}

export const accepted = (id: string, commandId: string, detail = ''): string =>
  `${id}|response|${commandId}|OK${detail === '' ? '' : `|${detail}`}`

/** `NO`: the command itself is unusable. `NOK`: it could not be done. */
export const rejected = (id: string, commandId: string, word: 'NO' | 'NOK', reason: string): string =>
  `${id}|response|${commandId}|${word}|${clean(reason)}`
