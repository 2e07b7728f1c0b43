import Srf from 'drachtio-srf'
import { withoutMultipart } from '../../../src/edge/drachtio-frames.js'
import { type LibraryMessage } from '../../../src/edge/drachtio-library.js'
import { DrachtioMessage } from '../../../src/edge/drachtio-message.js'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { FrameReader, frame } from '../../../src/engine/control/frames.js'
import { sipMessage } from '../../../src/engine/control/leader.js'
import { serialise, type SipMessage } from '../../../src/engine/message/message.js'
import { defaultLimits, parseDatagram } from '../../../src/engine/message/parse.js'
import { blankSecrets } from '../../../src/telemetry/index.js'
import { checkParsed, checkStream } from '../../support/message-fuzz.js'
import { diceOf, must, type Reader } from '../reader.js'
import { readRequest, readResponse } from './edge-headers.js'

const ORIGIN = { source: 'network', protocol: 'udp', address: '192.0.2.9', port: 5060 } as const
const MIDNIGHT = new Date(0)

/** Whole messages: over datagrams and streams, through the control protocol into the library, and what the edge reads of them. */
export const sip: Reader = {
  name: 'sip',
  read(bytes) {
    const parsed = parseDatagram(bytes, defaultLimits)
    if (parsed !== undefined) checkParsed(parsed)
    checkStream(bytes, parsed, diceOf(bytes))
    blankSecrets(bytes.toString('latin1'))
    if (parsed?.ok !== true) return false
    const library = throughControl(parsed.message)
    if (library === undefined) return true
    if (parsed.message.kind === 'request') readRequest(library, parsed.message.uri, parsed.message.method)
    else readResponse(library, parsed.message.status, parsed.message.reason)
    return true
  },
}

/** The message as the application has it: framed, read from the frame, and taken apart by the library. */
function throughControl(message: SipMessage): DrachtioMessage | undefined {
  const text = serialise(message)
  const payload = sipMessage('id', message, ORIGIN, 'txn', `${message.callId};from-tag=${message.fromTag}`, MIDNIGHT)
  const seen: string[] = []
  new FrameReader(1e6, (one) => seen.push(one)).push(Buffer.from(frame(payload), 'latin1'))
  must(seen.length === 1 && seen[0] === payload, 'a frame is read back as one')
  const end = payload.indexOf('\r\n')
  must(payload.slice(0, end).split('|').length >= 11, 'the leader has its fields', payload.slice(0, end))
  must(payload.slice(end + 2) === text, 'the message follows the leader')
  readAppText(text)
  const frameText = withoutMultipart(Buffer.from(text, 'latin1').toString('utf8'))
  try {
    const { SipMessage: Library } = Srf as unknown as { SipMessage: new (text: string) => LibraryMessage }
    return new DrachtioMessage(new Library(frameText))
  } catch {
    // The library has refused it: nobody hears of it any more.
    return undefined
  }
}
