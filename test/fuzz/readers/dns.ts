import { type RecordType, replyHead, replyRecords } from '../../../src/engine/resolve/dns-message.js'
import { breaksLine, must, type Reader } from '../reader.js'

/** What the seeds answer. */
export const QUESTION = { id: 0x1234, name: 'sip.example' } as const
const TYPES: readonly RecordType[] = ['A', 'AAAA', 'SRV', 'NAPTR']

/** Answers of name servers. */
export const dns: Reader = {
  name: 'dns',
  read(bytes) {
    let good = false
    for (const type of TYPES) {
      const head = replyHead(bytes, { ...QUESTION, type })
      // What is no answer to the question is not read any further.
      if (head === undefined || bytes.length < 12) continue
      try {
        const { records, ttlS, aliases, openAlias } = replyRecords(bytes, QUESTION.name, type)
        must(records.length <= 64 && aliases <= 9 && ttlS >= 0, 'an answer is bounded')
        must(openAlias === undefined || openAlias.length <= 255, 'an alias is a name')
        for (const record of records) must(!breaksLine(JSON.stringify(record)), 'a record is plain', record)
        good ||= records.length > 0
      } catch (error) {
        // It says so of an answer that makes no sense.
        if (!(error instanceof RangeError)) throw error
      }
    }
    return good
  },
}
