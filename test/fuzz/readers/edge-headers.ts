import { unknownOptions } from '../../../src/edge/capabilities.js'
import { staysOnItsLeg } from '../../../src/edge/crossing.js'
import { cseqNumber, contactFault, hasToTag, readableByLibrary } from '../../../src/edge/guard.js'
import {
  agentInviteHeaders,
  callerOf,
  crossingEndHeaders,
  crossingRequestHeaders,
  crossingResponseHeaders,
  dialledNumber,
  MAX_CALLER,
} from '../../../src/edge/headers.js'
import { asksPrivacy, presentedNumber } from '../../../src/edge/presented.js'
import { copiedReason, withCause, wordsOf } from '../../../src/edge/reason.js'
import { redirectedUri } from '../../../src/edge/redirect.js'
import type { HeaderMap, SipMessage, SipResponse } from '../../../src/edge/sip-server.js'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { parseUri } from '../../../src/engine/index.js'
import { defaultDidSources, type DidSource } from '../../../src/model/trunk.js'
import { contactTokensIn, DidParser, requestHost } from '../../../src/routing/did.js'
import { findOwnBinding, readRoutes } from '../../../src/trunks/registration/bindings.js'
import { readRetryAfter } from '../../../src/trunks/target-health.js'
import { readChallenges } from '../../../src/trunks/digest/challenge.js'
import { must } from '../reader.js'
import { checkBody } from './sdp.js'

const SOURCES: readonly DidSource[] = [...defaultDidSources, 'header:x-did']
const CONTROL = /[\x00-\x1f\x7f\u2028\u2029]/

/** What the edge makes of a request, and that nothing of it can break out of its place on the other leg. */
export function readRequest(request: SipMessage, uri: string, method: string): void {
  const caller = callerOf(request)
  must(caller.number.length <= MAX_CALLER && caller.name.length <= MAX_CALLER, 'a caller is shown in bounds', caller)
  must(!CONTROL.test(caller.number + caller.name), 'a caller is shown on one line', caller)
  readableByLibrary((name) => request.header(name))
  contactFault(request.header('contact'))
  hasToTag(request)
  cseqNumber(request)
  unknownOptions(request.header('require'), [])
  asksPrivacy(request)
  const { value } = presentedNumber(request)
  must(!breaks(value), 'a presented number is one line', value)
  readDids(request, uri)
  const number = dialledNumber(request, uri)
  checkHeaders(inviteHeaders(request, number), 'INVITE', false)
  checkHeaders(crossingRequestHeaders(request), method, true)
  checkHeaders(crossingEndHeaders(request), method, true)
  checkHeaders(copiedReason(request), method, true)
  checkBody(request.body)
}

function readDids(request: SipMessage, requestUri: string): void {
  const inbound = { requestUri, sourceAddress: '192.0.2.9', header: (name: string) => request.header(name) }
  const parser = new DidParser(inbound)
  for (const country of [null, 'US', 'DE'])
    for (const source of SOURCES) {
      const { value, candidates } = parser.read(source, country)
      must(value === null || (value.length <= 129 && !CONTROL.test(value)), 'a DID is shown in bounds', value)
      for (const one of candidates) must(one.length <= 128 && !CONTROL.test(one), 'a DID is a key', one)
    }
  requestHost(inbound)
  contactTokensIn(inbound)
}

/** What the edge makes of a response. */
export function readResponse(message: SipMessage, status: number, reason: string): void {
  const response: SipResponse = {
    header: (name) => message.header(name),
    headers: () => message.headers(),
    body: message.body,
    ...{ status, reason, sourceAddress: '192.0.2.9', sourcePort: 5060, protocol: 'udp' },
  }
  checkHeaders(crossingResponseHeaders(response), 'INVITE', true)
  must(!breaks(wordsOf(response)), 'a refusal is told on one line')
  must(!breaks(withCause(response, 'SIP;cause=200')), 'a Reason is one line')
  for (const made of [300, 302, status]) {
    const uri = redirectedUri({ status: made, header: (name) => response.header(name) })
    must(uri === undefined || parseUri(uri)?.scheme === 'sip', 'a redirection is a SIP URI', uri)
  }
  readChallenges(response.header('www-authenticate') ?? '')
  readRetryAfter(response.header('retry-after'))
  const routes = readRoutes(response.header('service-route'))
  for (const route of routes ?? []) must(parseUri(route) !== undefined, 'a Service-Route is a URI', route)
  const own = { token: `sbt${'a'.repeat(20)}`, addresses: new Set(['192.0.2.1:5060']) }
  const binding = findOwnBinding(response.header('contact'), own, 300)
  must(binding === undefined || (binding.expiresS >= 0 && binding.expiresS <= 604_800), 'a grant is bounded', binding)
}

const inviteHeaders = (invite: SipMessage, number: string): HeaderMap =>
  agentInviteHeaders({
    ...{ invite, number, callId: 'call', caller: callerOf(invite), target: 'sip:agent@192.0.2.7:5090', hopsLeft: 70 },
    ...{ agentHeaders: {}, trunkHeaders: {}, forwardHeaders: ['Diversion', 'Subject'], userAgent: 'Signalbox' },
    sessionTimers: null,
  })

/** Headers for the other leg: each one line, none that names or routes this leg, and as many read as were written. */
function checkHeaders(headers: HeaderMap, method: string, crossing: boolean): void {
  const lines: string[] = []
  for (const [name, value] of Object.entries(headers)) {
    must(/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name), 'a header that crosses has a plain name', name)
    must(
      !CONTROL.test(value) && value.length <= 4_200,
      'a header that crosses is one bounded line',
      `${name}: ${value}`,
    )
    const ours = ['Warning', 'Unsupported'].includes(name)
    if (crossing && !ours) must(!staysOnItsLeg(name), 'a header that crosses may cross', name)
    lines.push(`${name}: ${value}`)
  }
  const text = readAppText(`${method} sip:x SIP/2.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
  must(text.headers.length === lines.length, 'as many headers are read as were written', lines)
}

const breaks = (text: string): boolean => /[\r\n\0]/.test(text)
