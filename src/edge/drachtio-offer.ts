import type { DialogHost } from './drachtio-dialog.js'
import { DrachtioDialog } from './drachtio-dialog.js'
import type { LibraryOffer } from './drachtio-library.js'
import { type DrachtioRequest, errorOf } from './drachtio-message.js'
import type { PendingOffer, SipDialog, SipMessage } from './sip-server.js'

/** A far end's offer, held by the library until we answer it. */
export class DrachtioOffer implements PendingOffer {
  #settled = false
  #ended: ((bye: SipMessage) => void) | undefined

  /** @param open where it can be found while it has no answer, by the server's id of its dialog */
  constructor(
    private readonly offer: LibraryOffer,
    private readonly host: DialogHost,
    private readonly open: Map<string, DrachtioOffer>,
  ) {
    open.set(offer.res.stackDialogId, this)
  }

  get callId(): string {
    return this.offer.res.get('call-id') ?? ''
  }

  onEnd(listener: (bye: SipMessage) => void): void {
    this.#ended = listener
  }

  /** The far end's BYE, which the library knows no dialog for. */
  hungUp(bye: DrachtioRequest): void {
    bye.answer(200, 'OK')
    if (this.settle()) this.host.run(() => this.#ended?.(bye))
  }

  acknowledge(body: string, done: (error: Error | undefined, dialog?: SipDialog) => void): void {
    if (!this.settle()) return
    const unformed = (error: unknown): void => {
      this.hangUpUnformed()
      this.host.run(() => done(errorOf(error)))
    }
    try {
      this.offer.ack(body).catch(unformed)
    } catch (error) {
      return unformed(error)
    }
    // The promise resolves a turn later; the dialog is there now, and must be listened to before the next message.
    const dialog = this.host.library.findDialogById(this.offer.res.stackDialogId)
    if (dialog !== undefined) this.host.run(() => done(undefined, new DrachtioDialog(dialog, this.host)))
  }

  abandon(done?: () => void): void {
    if (!this.settle()) return done?.()
    if (!this.host.reaches(this.offer.res.socket)) {
      this.host.byeByOther(this.offer.res.stackDialogId, {})
      return done?.()
    }
    this.offer
      .destroy()
      .catch(() => {})
      .finally(() => {
        if (this.offer.res.get('contact') === undefined) this.hangUpUnformed()
        done?.()
      })
  }

  /** A 200 the library makes no dialog of (no Contact) has been acknowledged, and no more: the far end believes in a call. */
  private hangUpUnformed(): void {
    this.host.byeByOther(this.offer.res.stackDialogId, {})
  }

  /** False when that has been done before. */
  private settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.open.delete(this.offer.res.stackDialogId)
    return true
  }
}
