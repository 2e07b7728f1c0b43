import type { SipMessage, SipRequest } from '../message/message.js'
import { joined } from '../message/own-strings.js'
import type { Flow } from '../transport/transport.js'
import { type Dialog, dialogIdOf } from './dialog.js'

const keyOf = (callId: string, localTag: string, remoteTag: string): string => joined('\n', callId, localTag, remoteTag)

const keyOfDialog = ({ parties }: Dialog): string => keyOf(parties.callId, parties.localTag, parties.remoteTag)

/** A request of ours that may yet make a dialog. */
export interface Claim {
  /** The dialog that a NOTIFY makes which comes before the answer to its SUBSCRIBE (RFC 6665 4.1.3); undefined: it makes none. */
  notified(notify: SipRequest, flow: Flow): Dialog | undefined
}

/** Every dialog there is, by the id applications use and by what a message from the peer carries. */
export class Dialogs {
  private readonly byId = new Map<string, Dialog>()
  private readonly byTags = new Map<string, Dialog>()
  /** Ids that requests of ours may yet make dialogs of. */
  private readonly claims = new Map<string, Claim>()

  /** Ends a dialog that another one has taken the place of, and all that runs for it. */
  displaced: (dialog: Dialog) => void = (dialog) => this.remove(dialog)

  get count(): number {
    return this.byTags.size
  }

  /** A dialog of the same Call-ID and tags cannot be told from it any more, and ends: nobody would end it later. */
  add(dialog: Dialog): void {
    const key = keyOfDialog(dialog)
    const same = this.byTags.get(key)
    if (same !== undefined && same !== dialog) this.displaced(same)
    this.byId.set(dialog.id, dialog)
    this.byTags.set(key, dialog)
  }

  remove(dialog: Dialog): void {
    dialog.terminated = true
    dialog.gap?.close()
    if (this.byId.get(dialog.id) === dialog) {
      // Forks share an id: another one may be there still.
      const sibling = dialog.forks.findLast((fork) => !fork.terminated)
      if (sibling === undefined) this.byId.delete(dialog.id)
      else this.byId.set(dialog.id, sibling)
    }
    const key = keyOfDialog(dialog)
    if (this.byTags.get(key) === dialog) this.byTags.delete(key)
  }

  find(id: string): Dialog | undefined {
    return this.byId.get(id)
  }

  /** Says that a request of ours that is not answered yet may make a dialog of this id. False: there is one already. */
  claim(id: string, claim: Claim): boolean {
    if (this.claims.has(id) || this.byId.has(id)) return false
    this.claims.set(id, claim)
    return true
  }

  /** That request is answered, or never will be. */
  unclaim(id: string): void {
    this.claims.delete(id)
  }

  /** A request of ours with this dialog id is under way, or has made a dialog. */
  isOurs(id: string): boolean {
    return this.claims.has(id) || this.byId.get(id)?.parties.role === 'uac'
  }

  /** The dialog a request from the peer belongs to (RFC 3261 12.2.2): its To tag is ours. */
  ofRequest(request: SipMessage): Dialog | undefined {
    return this.byTags.get(keyOf(request.callId, request.toTag, request.fromTag))
  }

  /** The request of ours that a NOTIFY answers which belongs to no dialog yet. */
  claimOf(notify: SipRequest): Claim | undefined {
    return this.claims.get(dialogIdOf(notify.callId, notify.toTag))
  }

  /** The dialog a response to our request belongs to: its From tag is ours. */
  ofResponse(response: SipMessage): Dialog | undefined {
    return this.byTags.get(keyOf(response.callId, response.fromTag, response.toTag))
  }

  all(): IterableIterator<Dialog> {
    return this.byTags.values()
  }
}
