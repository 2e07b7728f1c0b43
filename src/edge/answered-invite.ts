import type { SipInvite } from './sip-server.js'

/**
 * Stands where an INVITE stood that has been answered: nothing is asked of it any more, and the message with all that hangs on it
 * can go, while the call goes on.
 */
export const answeredInvite: SipInvite = {
  method: 'INVITE',
  uri: '',
  callId: '',
  sourceAddress: '',
  sourcePort: 0,
  protocol: '',
  body: '',
  answered: true,
  header: () => undefined,
  headers: () => [],
  answer: (_status, _reason, _options, done) => done?.(new Error('already answered')),
  answerReliably: (_status, _reason, _options, acknowledged) => acknowledged(),
  onCancel: () => {},
}
