import { z } from 'zod'
import { headerValue, RESERVED_WORDS } from './strict-text.js'

export { safeText } from './safe-text.js'

/** The account that exists from the start. */
export const DEFAULT_ACCOUNT = 'default'

/** An identifier of ours: 1 to 64 of letters, digits, `_`, `.`, `-`, starting with a letter or digit. Safe in keys, URLs and SIP text. */
export const identifier = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'must be 1 to 64 letters, digits, "_", "." or "-", starting with a letter or digit',
  )
  .refine((text) => !RESERVED_WORDS.has(text), 'is a reserved word')

/** An ISO 8601 instant in UTC, as we write it. */
export const instant = z.iso.datetime()

const HEADER_NAME = /^[A-Za-z0-9!%*_+`'~.-]{1,64}$/

/** Headers that the edge itself writes: a customer's or agent's header map may not name them. */
const RESERVED_HEADERS = new Set(
  (
    'via route record-route from to call-id cseq contact content-length content-type max-forwards require proxy-require supported ' +
    'authorization proxy-authorization www-authenticate proxy-authenticate rack rseq v f t i m l c k'
  ).split(' '),
)

/** Extra SIP headers: at most 32, names are tokens and not ours to write, values one line of at most 1,024 characters. */
export const headerMap = z
  .record(z.string(), headerValue(1024))
  .refine((headers) => Object.keys(headers).length <= 32, 'at most 32 headers')
  .superRefine((headers, context) => {
    for (const name of Object.keys(headers)) {
      if (!HEADER_NAME.test(name) || RESERVED_WORDS.has(name.toLowerCase()))
        context.addIssue({ code: 'custom', path: [name], message: 'is not a header name' })
      else if (RESERVED_HEADERS.has(name.toLowerCase()) || name.toLowerCase().startsWith('x-signalbox-'))
        context.addIssue({ code: 'custom', path: [name], message: 'is written by Signalbox itself' })
    }
  })
