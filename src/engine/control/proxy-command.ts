import { readAppText } from '../dialog/app-text.js'
import type { ProxyOptions } from '../proxy/proxy-options.js'

/** Destinations of one command. */
const MAX_DESTINATIONS = 30

export interface ProxyCommand {
  readonly txnId: string
  readonly options: ProxyOptions
  /** The application wants to hear of every final response, not only that it is under way. */
  readonly fullResponse: boolean
}

/**
 * `id|proxy|txnId|remainInDialog|fullResponse|followRedirects|simultaneous or serial|provisional timeout|final timeout|destination…`
 * and SIP text with further headers.
 * @returns what is wrong with it, when something is
 */
export function readProxyCommand(fields: readonly string[], sipText: string): ProxyCommand | string {
  const [, , txnId = '', remainInDialog, fullResponse, followRedirects, order, provisional, final, ...rest] = fields
  const destinations = rest.filter((destination) => destination !== '')
  if (txnId === '') return 'Unknown transaction id: '
  if (destinations.length === 0) return 'no destination to proxy to'
  if (destinations.length > MAX_DESTINATIONS) return `more than ${MAX_DESTINATIONS} destinations to proxy to`
  const [provisionalTimeoutMs, finalTimeoutMs] = [provisional, final].map(millisecondsOf)
  return {
    txnId,
    fullResponse: fullResponse === 'fullResponse',
    options: {
      destinations,
      recordRoute: remainInDialog === 'remainInDialog',
      followRedirects: followRedirects === 'followRedirects',
      simultaneous: order === 'simultaneous',
      ...(provisionalTimeoutMs === undefined ? {} : { provisionalTimeoutMs }),
      ...(finalTimeoutMs === undefined ? {} : { finalTimeoutMs }),
      text: readAppText(sipText),
    },
  }
}

/** `5s`, `500ms`, or seconds without a unit, up to an hour; undefined: none, or nonsense. */
export function millisecondsOf(text = ''): number | undefined {
  const match = /^(\d{1,7})(ms|s)?$/.exec(text)
  if (match === null) return undefined
  const ms = Number(match[1]) * (match[2] === 'ms' ? 1 : 1000)
  return ms > 0 ? Math.min(ms, 3_600_000) : undefined
}
