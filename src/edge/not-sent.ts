import type { SipResponse } from './sip-server.js'

/** The engine's own 503 in the place of an answer, by its Warning: nothing reached the far end. */
export function isNotSent(response: Pick<SipResponse, 'status' | 'header'>): boolean {
  return response.status === 503 && (response.header('warning') ?? '').includes(' "Not sent: ')
}
