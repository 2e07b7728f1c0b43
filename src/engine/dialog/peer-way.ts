import type { SipMessage } from '../message/message.js'
import { parseUri, type SipUri } from '../message/uri.js'
import { familyOf, sameAddress, scopeOf } from '../transport/address.js'
import { defaultPort, type Flow } from '../transport/transport.js'
import { contactUriOf, type Dialog } from './dialog.js'
import { ownString } from '../message/own-strings.js'

/** How peers behind a NAT are told from others. */
export interface NatSettings {
  /**
   * A peer whose address in its messages cannot be where they came from is reached where they came from. Default true. False: dialogs
   * follow Contact and Record-Route alone (RFC 3261 12.2.1.1), and `aggressive` counts for nothing.
   */
  readonly detection?: boolean
  /** A peer's `nat=yes` in its first Route, or without routes in its Contact, is believed. Default false. */
  readonly aggressive?: boolean
}

/** Callees of this name are containers whose answers come from elsewhere than their Contact: their Contact holds. */
const NEVER_NATTED = 'feature-server'

/** Settles which way requests of a dialog go, from the peer's message that came over `flow`: its connection, or past a NAT. */
export function learnWay(dialog: Dialog, flow: Flow, nat: NatSettings | undefined): void {
  const { routeSet } = dialog
  dialog.source = sourceOf(flow)
  const { serverName, tlsProfile } = flow
  // An address speaks for itself alone: the peer may be at another one.
  if (serverName !== undefined && familyOf(serverName) === undefined) dialog.peerName = serverName
  if (tlsProfile !== undefined) dialog.peerProfile = tlsProfile
  if (dialog.parties.role === 'uas') {
    // The caller's connection is the way back to it, whatever its Contact says.
    dialog.flow = flow.reliable ? flow : undefined
    dialog.natTarget = !flow.reliable && callerIsNatted(dialog, flow, nat) ? sourceOf(flow) : undefined
    return
  }
  const behindNat = calleeIsNatted(dialog, flow, nat)
  dialog.natTarget = behindNat ? sourceOf(flow) : undefined
  dialog.flow = flow.reliable && (behindNat || leadsTo(routeSet[0] ?? dialog.remoteTarget, flow)) ? flow : undefined
}

/**
 * Takes the peer's new Contact, if the message has a usable one (target refresh, RFC 3261 12.2), and the way to it. A peer behind a
 * NAT may have moved without a new Contact.
 */
export function refreshTarget(dialog: Dialog, message: SipMessage, flow: Flow, nat: NatSettings | undefined): void {
  const target = contactUriOf(message)
  if (target === undefined) return
  const moved = target !== dialog.remoteTarget
  if (moved) dialog.remoteTarget = ownString(target)
  if (moved || !dialog.flow?.open) learnWay(dialog, flow, nat)
}

const sourceOf = (flow: Flow) => ({ protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort })

function callerIsNatted({ routeSet, remoteTarget }: Dialog, flow: Flow, nat: NatSettings | undefined): boolean {
  if (nat?.detection === false) return false
  const [route] = routeSet
  if (route !== undefined) return nat?.aggressive === true && saysNat(sipUri(route))
  return contactDiffersFrom(remoteTarget, flow)
}

function calleeIsNatted(dialog: Dialog, flow: Flow, nat: NatSettings | undefined): boolean {
  if (nat?.detection === false) return false
  const [route] = dialog.routeSet
  const uri = sipUri(route ?? dialog.remoteTarget)
  if (uri === undefined) return false
  const natted = (nat?.aggressive === true && saysNat(uri)) || isElsewhere(uri, flow, route !== undefined)
  return natted && sipUri(dialog.parties.calledUri ?? '')?.host !== NEVER_NATTED
}

/** Over UDP the peer's Contact is not where its request came from: behind a NAT only the source can be reached. */
function contactDiffersFrom(contact: string, flow: Flow): boolean {
  const uri = sipUri(contact)
  if (uri === undefined) return true
  return !sameAddress(uri.host, flow.remoteAddress) || (uri.port !== undefined && uri.port !== flow.remotePort)
}

/**
 * The address cannot be the peer's, as seen from here: it lies in another private network than where the answer came from, or is a
 * public one of a peer that answered from a private network, as one does that shows its external address to all. Two public addresses,
 * or two of one network, may both be right: then the URI holds, and so does a name. A public Route always holds.
 */
function isElsewhere(uri: SipUri, flow: Flow, isRoute: boolean): boolean {
  if (uri.host === flow.remoteAddress) return false
  const named = scopeOf(uri.host)
  if (named === undefined || (isRoute && named === 'public')) return false
  return named !== scopeOf(flow.remoteAddress)
}

/** The URI names the far end of a connection. */
function leadsTo(uriText: string, flow: Flow): boolean {
  const uri = sipUri(uriText)
  if (uri === undefined) return false
  const transport = uri.params.get('transport')?.toLowerCase() ?? flow.protocol
  const port = uri.port ?? defaultPort(flow.protocol)
  return transport === flow.protocol && port === flow.remotePort && sameAddress(uri.host, flow.remoteAddress)
}

const saysNat = (uri: SipUri | undefined): boolean => uri?.params.get('nat')?.toLowerCase() === 'yes'

function sipUri(text: string): SipUri | undefined {
  const uri = parseUri(text)
  return uri === undefined || uri.scheme === 'tel' ? undefined : uri
}
