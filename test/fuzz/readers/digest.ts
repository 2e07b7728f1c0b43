import { hasControls, readAuthItems } from '../../../src/trunks/digest/auth-params.js'
import { readChallenges, readNextNonce } from '../../../src/trunks/digest/challenge.js'
import { DigestSession } from '../../../src/trunks/digest/session.js'
import { DigestVerifier } from '../../../src/trunks/digest/verifier.js'
import { blankSecrets } from '../../../src/telemetry/index.js'
import { ManualClock } from '../../support/manual-clock.js'
import { must, type Reader } from '../reader.js'

const CREDENTIALS = { username: 'ann"\\', password: 'secret-of-ann' }
const REQUEST = { method: 'REGISTER', uri: 'sip:pbx.example.com', body: '' }
const verifier = new DigestVerifier({ clock: new ManualClock() })

/** Challenges and credentials: a challenge is answered so that it can be read, credentials of a stranger are never taken. */
export const digest: Reader = {
  name: 'digest',
  async read(bytes) {
    const text = bytes.toString('utf8')
    const { usable, malformed } = readChallenges(text)
    must(malformed === undefined || !hasControls(malformed), 'what is wrong is told on one line', malformed)
    for (const { realm, nonce } of usable) must(isOneLine(realm.raw + nonce.raw), 'a challenge is one line')
    readNextNonce(text)
    checkAnswer(text, usable.length)
    const shown = { ...REQUEST, realm: 'pbx.example.com', authorization: text }
    const { result } = await verifier.verify(shown, () => CREDENTIALS.password)
    must(result !== 'ok', 'nobody is taken for another')
    const logged = blankSecrets(`Authorization: ${text.replace(/[\r\n]+/g, ' ')}`)
    must(logged.startsWith('Authorization: ***'), 'credentials are not logged', logged)
    return usable.length > 0
  },
}

/** A tab is space (RFC 3261 25.1). */
const isOneLine = (text: string): boolean => !hasControls(text.replaceAll('\t', ' '))

function checkAnswer(challenge: string, usable: number): void {
  const exchange = new DigestSession().begin(REQUEST, CREDENTIALS)
  const header = (name: string): string | undefined => (name === 'www-authenticate' ? challenge : undefined)
  const found = exchange.challenged({ status: 401, header: (name) => header(name.toLowerCase()) })
  must(found.answered || usable === 0 || found.code === 'refused', 'a challenge that can be answered is', found)
  if (!found.answered) must(!found.why.includes(CREDENTIALS.password), 'a refusal tells no secret')
  const values = Object.values(exchange.headers)
  must(!found.answered || values.length > 0, 'an answer has credentials')
  for (const value of values) {
    must(isOneLine(value) && !value.includes(CREDENTIALS.password), 'credentials are one line without the password')
    const read = readAuthItems(value)
    must(read.ok && read.items.length === 1 && read.items[0]?.fault === undefined, 'credentials can be read', value)
  }
}
