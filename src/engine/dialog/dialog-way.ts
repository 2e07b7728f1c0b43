import { familyOf } from '../transport/address.js'
import type { Flow, Target } from '../transport/transport.js'
import type { Context } from './context.js'
import type { Dialog } from './dialog.js'
import { Hops, type Way, type Ways } from './hops.js'

/** How a request of a dialog leaves: on a connection, or to one of some addresses (at least one). */
export interface DialogWay {
  readonly flow?: Flow
  readonly ways: readonly Way[]
  /** The transport is settled: a large request keeps it. */
  readonly explicit: boolean
}

/**
 * Where requests of the dialog go now: the connection its peer registered on since, its own, the peer's real address behind NAT, its first Route or its Contact.
 * Undefined: nowhere. A promise only when a name has to be resolved.
 */
export function wayOf(context: Context, dialog: Dialog): DialogWay | undefined | Promise<DialogWay | undefined> {
  const { registered } = context
  if (registered.size > 0) {
    const flow = registered.ofDialog(dialog)
    if (flow !== undefined) return { flow, ways: [], explicit: true }
  }
  if (dialog.flow?.open) return { flow: dialog.flow, ways: [], explicit: true }
  if (dialog.natTarget !== undefined) {
    const way = wayTo(context, dialog, dialog.natTarget)
    if (way !== undefined) return { ways: [way], explicit: true }
  }
  const uri = Hops.parse(dialog.routeSet[0] ?? dialog.remoteTarget)
  if (uri === undefined) return undefined
  const found = context.hops.find(uri, dialog.source)
  if (found instanceof Promise) return found.then((ways) => wayOn(context, dialog, ways))
  return wayOn(context, dialog, found)
}

/** A peer that names a place where nothing may be sent is reached where its messages come from. */
function wayOn(context: Context, dialog: Dialog, found: Ways): DialogWay | undefined {
  if (found.ok) return fromItsBinding(context, dialog, found)
  const way = found.refused === true && dialog.source !== undefined ? wayTo(context, dialog, dialog.source) : undefined
  return way && { ways: [way], explicit: true }
}

/** Sends from where the peer knows us, when that leads there at all. */
function fromItsBinding(
  context: Context,
  dialog: Dialog,
  { ways, explicit }: { ways: readonly Way[]; explicit: boolean },
): DialogWay {
  return { ways: ways.map((way) => wayTo(context, dialog, way.target) ?? way), explicit }
}

function wayTo(context: Context, dialog: Dialog, to: Target): Way | undefined {
  const { binding, source: peer } = dialog
  const target = to.protocol === 'tls' ? heldToName(dialog, to) : to
  if (binding.protocol === target.protocol && binding.family === familyOf(target.address))
    return { target, binding, peer }
  const other = context.transports.bindingFor(target)
  return other && { target, binding: other, peer }
}

/** The peer is whom it was dialled for, at addresses of its own too, and is spoken to under the same profile. */
function heldToName({ peerName, peerProfile }: Dialog, to: Target): Target {
  const serverName = to.serverName ?? peerName
  return {
    ...to,
    ...(serverName === undefined ? {} : { serverName }),
    ...(peerProfile === undefined ? {} : { tlsProfile: peerProfile }),
  }
}
