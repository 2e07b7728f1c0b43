import { isIP } from 'node:net'
import { parseContact } from '../../engine/index.js'
import { parseListen, type Listen } from '../values.js'

/** A value that is not what a setting holds. Says what it must be, never what it is: it may be a secret. */
export class BadValue extends Error {
  override readonly name = 'BadValue'
}

const must = (what: string): never => {
  throw new BadValue(`must be ${what}`)
}

export const text = (value: string): string => (value === '' ? must('not empty') : value)

export const whole =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    return number >= least && number <= most ? number : must(`a whole number from ${least} to ${most}`)
  }

export const port = whole(0, 65_535)

export function yesOrNo(value: string): boolean {
  if (/^(true|yes|on|1)$/i.test(value)) return true
  return /^(false|no|off|0)$/i.test(value) ? false : must('true or false')
}

/** Letter case does not matter. */
export const oneOf =
  <T extends string>(...values: readonly T[]) =>
  (value: string): T =>
    values.find((one) => one === value.toLowerCase()) ?? must(`one of ${values.join(', ')}`)

export type MinTlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

const TLS_VERSIONS: Readonly<Record<string, MinTlsVersion>> = {
  '1': 'TLSv1',
  '1.0': 'TLSv1',
  '1.1': 'TLSv1.1',
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
}

export const tlsVersion = (value: string): MinTlsVersion => TLS_VERSIONS[value] ?? must('one of 1.0, 1.1, 1.2, 1.3')

/** `9099` on every address, or `127.0.0.1:9099`. */
export function scrapeAddress(value: string): Listen {
  const listen = parseListen(/^\d+$/.test(value) ? `0.0.0.0:${value}` : value)
  return listen ?? must('a port, or an address and port such as 127.0.0.1:9099')
}

/** An address to listen on for applications. */
export const address = (value: string): string =>
  isIP(value) !== 0 || parseListen(`${value}:1`) !== undefined ? value : must('an IP address or a host name')

/** Names separated by commas, semicolons or spaces. */
export const names = (value: string): readonly string[] => value.split(/[,; ]+/).filter((name) => name !== '')

/** `host:port`, several separated by commas; without a port 26379. */
export function sentinels(value: string): readonly Listen[] {
  const list = names(value).map((one) => parseListen(/:\d+$/.test(one) ? one : `${one}:26379`))
  return list.length > 0 && list.every((one) => one !== undefined) ? list : must('addresses such as 192.0.2.1:26379')
}

export function handlerUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const known = url !== undefined && ['http:', 'https:', 'tcp:', 'tls:'].includes(url.protocol) && url.hostname !== ''
  return known ? value : must('a URL: http://, https://, tcp:// or tls://')
}

export function externalIp(value: string): string {
  return isIP(value) !== 0 && !value.includes('%') ? value : must('an IP address')
}

export function localNet(value: string): string {
  const [net = '', bits = ''] = value.split('/')
  const most = isIP(net) === 4 ? 32 : 128
  const good = isIP(net) !== 0 && !net.includes('%') && /^\d{1,3}$/.test(bits) && Number(bits) <= most
  return good ? value : must('a CIDR block such as 10.132.0.0/20')
}

/** What is left of a contact without the transports that are not supported; `uri` is undefined when nothing is. */
export interface UsableContact {
  readonly uri: string | undefined
  readonly unsupported: readonly string[]
}

export function usableContact(value: string): UsableContact {
  const [address = '', ...params] = value.trim().split(';')
  const unsupported: string[] = []
  const kept: string[] = []
  for (const param of params) {
    const [name = '', list = ''] = param.split('=')
    if (name.trim().toLowerCase() !== 'transport') {
      kept.push(param)
      continue
    }
    const transports = list.split(',').filter((one) => {
      const webSocket = /^\s*wss?\s*$/i.test(one)
      if (webSocket) unsupported.push(one.trim().toLowerCase())
      return !webSocket
    })
    if (transports.length === 0) return { uri: undefined, unsupported }
    kept.push(`transport=${transports.join(',')}`)
  }
  const uri = [address, ...kept].join(';')
  try {
    parseContact(uri)
  } catch (error) {
    throw new BadValue((error as Error).message)
  }
  return { uri, unsupported }
}
