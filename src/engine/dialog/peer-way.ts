import { isIP } from 'node:net'
import type { SipMessage } from '../message/message.js'
import { parseUri } from '../message/uri.js'
import { sameAddress } from '../transport/address.js'
import { defaultPort, type Flow } from '../transport/transport.js'
import { contactUriOf, type Dialog } from './dialog.js'

/** Settles which way requests of a dialog go, from the peer's message that came over `flow`: its connection, or past a NAT. */
export function learnWay(dialog: Dialog, flow: Flow): void {
  const { remoteTarget, routeSet } = dialog
  if (dialog.parties.role === 'uas') {
    // The caller's connection is the way back to it, whatever its Contact says.
    dialog.flow = flow.reliable ? flow : undefined
    const behindNat = !flow.reliable && routeSet.length === 0 && contactDiffersFrom(remoteTarget, flow)
    dialog.natTarget = behindNat ? sourceOf(flow) : undefined
    return
  }
  const behindNat = routeSet.length === 0 && unreachableContact(remoteTarget, flow)
  dialog.natTarget = behindNat ? sourceOf(flow) : undefined
  dialog.flow = flow.reliable && (behindNat || leadsTo(routeSet[0] ?? remoteTarget, flow)) ? flow : undefined
}

/**
 * Takes the peer's new Contact, if the message has a usable one (target refresh, RFC 3261 12.2), and the way to it. A peer behind a
 * NAT may have moved without a new Contact.
 */
export function refreshTarget(dialog: Dialog, message: SipMessage, flow: Flow): void {
  const target = contactUriOf(message)
  if (target === undefined) return
  const moved = target !== dialog.remoteTarget
  dialog.remoteTarget = target
  if (moved || !dialog.flow?.open) learnWay(dialog, flow)
}

const sourceOf = (flow: Flow) => ({ protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort })

/** Over UDP the peer's Contact is not where its request came from: behind a NAT only the source can be reached. */
function contactDiffersFrom(contact: string, flow: Flow): boolean {
  const uri = parseUri(contact)
  if (uri === undefined || uri.scheme === 'tel') return true
  return !sameAddress(uri.host, flow.remoteAddress) || (uri.port !== undefined && uri.port !== flow.remotePort)
}

/** Whether the Contact host is a private address while the peer is somewhere else: then it is behind a NAT. */
function unreachableContact(contact: string, flow: Flow): boolean {
  const uri = parseUri(contact)
  if (uri === undefined || uri.scheme === 'tel' || isIP(uri.host) !== 4) return false
  return uri.host !== flow.remoteAddress && isPrivate(uri.host) && !isPrivate(flow.remoteAddress)
}

/** The URI names the far end of a connection. */
function leadsTo(uriText: string, flow: Flow): boolean {
  const uri = parseUri(uriText)
  if (uri === undefined || uri.scheme === 'tel') return false
  const transport = uri.params.get('transport')?.toLowerCase() ?? flow.protocol
  const port = uri.port ?? defaultPort(flow.protocol)
  return transport === flow.protocol && port === flow.remotePort && sameAddress(uri.host, flow.remoteAddress)
}

function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|169\.254\.|127\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|172\.(1[6-9]|2\d|3[01])\.)/.test(
    address,
  )
}
