import { parseUri, type SipUri } from '../engine/index.js'
import { ESCAPED_CONTROL, RESERVED_WORDS } from './strict-text.js'
import { safeText } from './text.js'

const BAD_IN_URI = /[\s<>"?,\\^`{|}]/

function problemOf(text: string): string | undefined {
  if (ESCAPED_CONTROL.test(text)) return 'must not contain escaped control characters'
  if (BAD_IN_URI.test(text)) return 'must be a SIP URI without spaces, brackets, commas or embedded headers'
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel')
    return 'must be a SIP URI such as sip:agent@192.0.2.10:5060;transport=tcp'
  if (uri.params.has('maddr')) return 'must not carry maddr'
  const transport = uri.params.get('transport')
  if (transport !== undefined && !['udp', 'tcp', 'tls'].includes(transport.toLowerCase()))
    return `transport "${transport}" is not one of udp, tcp, tls`
  return undefined
}

/** A SIP URI that we send requests to: `sip:` or `sips:`, no embedded headers, no `maddr`. */
export const sipUri = safeText(512).superRefine((text, context) => {
  const problem = problemOf(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

/** A host name, IPv4 address or bracketed IPv6 address, with an optional port. */
export const hostPort = safeText(300).superRefine((text, context) => {
  const bad = BAD_IN_URI.test(text) || /[;@/]/.test(text) || RESERVED_WORDS.has(text)
  const uri = bad ? undefined : parseUri(`sip:${text}`)
  if (uri === undefined || uri.scheme === 'tel')
    context.addIssue({
      code: 'custom',
      message: 'must be a host name or address, with an optional port: pbx.example.com',
    })
})

export type { SipUri }
