import { InstructionError, readInstruction } from '../../../src/engine/control/instruction.js'
import { readTarget } from '../../../src/engine/control/request-handlers.js'
import { breaksLine, must, type Reader } from '../reader.js'

/** What HTTP servers say is to become of a request. */
export const instruction: Reader = {
  name: 'instruction',
  read(bytes) {
    const text = bytes.toString('utf8')
    try {
      const read = readInstruction(text)
      if (read.action === 'answer') must(read.status >= 200 && read.status <= 699, 'a status is final', read.status)
      if (read.action === 'dial') {
        const { host, port } = read.target
        must(port > 0 && port < 65_536 && /^[A-Za-z0-9._:-]+$/.test(host), 'a target is a place', read.target)
      }
      if (read.action === 'proxy') must(read.options.destinations.length <= 30, 'destinations are bounded')
      return true
    } catch (error) {
      if (!(error instanceof InstructionError)) throw error
      must(error.message.length < 200 && !breaksLine(error.message), 'a refusal is one line', error.message)
      readTarget(text)
      return false
    }
  },
}
