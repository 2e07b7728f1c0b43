import { STAR, decimal, codeAt } from './chars.js'
import type { Fault } from './fault.js'
import type { CanonicalName } from './header-name.js'
import { usualSpelling } from './header-name.js'
import type { SipMessage } from './message.js'
import { isCallId, parseMaxForwards } from './message.js'
import { isNameAddrList } from './name-addr.js'
import { isViaList } from './via.js'

/** What every element asks of a header. All others stay text until somebody reads them. */
interface Rule {
  readonly required: boolean
  /** Whether it may come in several lines. */
  readonly repeatable: boolean
  /**
   * Called for each line, `first` for the first of its name. Where the message keeps what it reads, reading it here is what fills that.
   */
  readonly isWellFormed: (value: string, message: SipMessage, first: boolean) => boolean
}

/** Largest value of Expires (RFC 3261 20.19). */
const maxExpires = 2 ** 32 - 1

const rules: Readonly<Record<CanonicalName, Rule>> = {
  via: {
    required: true,
    repeatable: true,
    isWellFormed: (value, message, first) => (first ? message.findTopVia() !== undefined : isViaList(value)),
  },
  from: { required: true, repeatable: false, isWellFormed: (_, message) => message.findFrom() !== undefined },
  to: { required: true, repeatable: false, isWellFormed: (_, message) => message.findTo() !== undefined },
  'call-id': { required: true, repeatable: false, isWellFormed: isCallId },
  cseq: { required: true, repeatable: false, isWellFormed: (_, message) => message.findCSeq() !== undefined },
  'max-forwards': {
    required: false,
    repeatable: false,
    isWellFormed: (value) => parseMaxForwards(value) !== undefined,
  },
  expires: { required: false, repeatable: false, isWellFormed: isExpires },
  contact: { required: false, repeatable: true, isWellFormed: (value) => isStar(value) || isNameAddrList(value) },
  route: { required: false, repeatable: true, isWellFormed: isNameAddrList },
  'record-route': { required: false, repeatable: true, isWellFormed: isNameAddrList },
}

/** A rule with its place in the set of names seen. */
const ruleOf = new Map(Object.entries(rules).map(([name, rule], place) => [name, { ...rule, name, seen: 1 << place }]))

const required = [...ruleOf.values()].filter((rule) => rule.required)

/** What breaks its rule first: the fault, and a reason phrase that names the header. Undefined when nothing does. */
export function findHeaderFault(message: SipMessage): { fault: Fault; reason: string } | undefined {
  const { headers } = message
  let seen = 0
  for (let line = 0; line < headers.count; line++) {
    const rule = ruleOf.get(headers.nameAt(line).canonical)
    if (rule === undefined) continue
    const first = (seen & rule.seen) === 0
    if (!first && !rule.repeatable)
      return { fault: 'repeated-header', reason: `Repeated ${usualSpelling(rule.name)} Header` }
    if (!rule.isWellFormed(headers.valueAt(line), message, first))
      return { fault: 'bad-header', reason: `Bad ${usualSpelling(rule.name)} Header` }
    seen |= rule.seen
  }
  for (const rule of required)
    if ((seen & rule.seen) === 0)
      return { fault: 'missing-header', reason: `Missing ${usualSpelling(rule.name)} Header` }
  return undefined
}

/** `Contact: *` (RFC 3261 10.2.2). */
function isStar(value: string): boolean {
  return value.length === 1 && codeAt(value, 0) === STAR
}

function isExpires(value: string): boolean {
  const seconds = decimal(value, 0, value.length)
  return seconds >= 0 && seconds <= maxExpires
}
