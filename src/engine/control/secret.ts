import { isIP } from 'node:net'
import { isLoopback } from '../transport/address.js'

/** Secrets that drachtio-server and its examples ship with. */
const knownToAll = new Set(['cymru', 'admin'])

/** The control side is not set up the way it was asked for. */
export class ControlError extends Error {
  override readonly name = 'ControlError'

  constructor(
    readonly code: 'WEAK_SECRET' | 'BAD_REQUEST_HANDLER' | 'BAD_TLS',
    message: string,
  ) {
    super(message)
  }
}

/**
 * Lets a secret pass that protects the control port on this address: any but an empty one where only this machine can connect,
 * elsewhere none that everybody knows.
 * @throws {ControlError} WEAK_SECRET; the message does not show the secret unless everybody knows it
 */
export function checkSecret(host: string, secret: string): void {
  if (secret === '') throw new ControlError('WEAK_SECRET', 'the secret for applications is empty')
  if (knownToAll.has(secret) && !isOnlyHere(host))
    throw new ControlError(
      'WEAK_SECRET',
      `the secret "${secret}" is known to everybody: to listen on ${host} choose one of your own`,
    )
}

function isOnlyHere(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && isLoopback(host))
}
