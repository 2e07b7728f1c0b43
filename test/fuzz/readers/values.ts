import { readAddress, readUri } from '../../../src/edge/guard.js'
import { fromBytes, quoted, tidy, toBytes, unfold } from '../../../src/edge/header-value.js'
import { numberOf } from '../../../src/edge/headers.js'
import { escapeUser } from '../../../src/edge/crossing.js'
import { Hops } from '../../../src/engine/dialog/hops.js'
import { parseCSeq } from '../../../src/engine/message/cseq.js'
import { splitList } from '../../../src/engine/message/list.js'
import {
  formatNameAddr,
  isNameAddrList,
  parseNameAddr,
  parseNameAddrList,
} from '../../../src/engine/message/name-addr.js'
import { formatUri, isRequestUri, parseUri, sameUri, unescapeUser } from '../../../src/engine/message/uri.js'
import {
  formatVia,
  isViaList,
  parseTopVia,
  parseVia,
  parseViaList,
  salvageVia,
} from '../../../src/engine/message/via.js'
import { nextHopOf } from '../../../src/engine/resolve/next-hop.js'
import { parseHosts } from '../../../src/engine/resolve/hosts-file.js'
import { parseContact, parseContacts } from '../../../src/engine/transport/contact.js'
import { TransportError } from '../../../src/engine/transport/transport.js'
import { readDestination } from '../../../src/routing/destination.js'
import { candidatesOf, readWritten } from '../../../src/routing/did.js'
import { normaliseNumber } from '../../../src/routing/normalise.js'
import { parseOutboundProxy, parseSipDomain } from '../../../src/trunks/next-hop.js'
import { breaksLine, must, type Reader, same } from '../reader.js'

/** Values of one list that are held to the rules: what is measured is the reading. */
const LOOKED_AT = 50

/** From, To, Contact, Route and the URIs in them. */
export const address: Reader = {
  name: 'address',
  read(bytes) {
    const text = bytes.toString('latin1')
    const list = parseNameAddrList(text)
    must((list !== undefined) === isNameAddrList(text), 'a list is one, whether it is read or only checked')
    for (const one of (list ?? []).slice(0, LOOKED_AT)) {
      const again = parseNameAddr(formatNameAddr(one))
      const { displayName, ...rest } = one
      must(
        again !== undefined && same({ ...rest }, { uri: again.uri, params: again.params }),
        'an address is read back',
      )
      must((displayName === undefined) === (again?.displayName === undefined), 'so is whether it has a name')
      checkUri(one.uri)
    }
    const alone = parseNameAddr(text)
    if (alone !== undefined && list !== undefined) must(same(alone, list[0]), 'alone it is what it is in a list')
    readAddress(fromBytes(text))
    readUri(fromBytes(text))
    const parts = splitList(text)
    must(same(splitList(parts.join(',')), parts) || breaksQuote(text), 'parts of a list are parts of it again', parts)
    checkUri(text)
    return list !== undefined || parseUri(text) !== undefined
  },
}

/** An open quote or bracket swallows the commas that are put in. */
const breaksQuote = (text: string): boolean => /["<\\]/.test(text)

function checkUri(text: string): void {
  const uri = parseUri(text)
  must(uri === undefined || !breaksLine(text), 'a URI is one line', text)
  if (uri === undefined) return
  const again = parseUri(formatUri(uri))
  must(again !== undefined && same(again, uri), 'a URI is read back as the same', formatUri(uri))
  isRequestUri(text)
  must(!/[\x00-\x1f\x7f]/.test(numberOf(fromBytes(text))), 'a number is one line')
  if (uri.scheme === 'tel') return
  must(again !== undefined && again.scheme !== 'tel' && sameUri(uri, again), 'and means the same')
  const hop = nextHopOf(uri)
  must(hop.host !== '' && (hop.port === undefined || (hop.port > 0 && hop.port < 65_536)), 'a hop has a place', hop)
  const user = unescapeUser(uri.user ?? '')
  must(fromBytes(unescapeUser(escapeUser(fromBytes(user)))) === fromBytes(user), 'a user is escaped and back', user)
}

/** Via. */
export const via: Reader = {
  name: 'via',
  read(bytes) {
    const text = bytes.toString('latin1')
    const list = parseViaList(text)
    must((list !== undefined) === isViaList(text), 'a list is one, whether it is read or only checked')
    for (const one of (list ?? []).slice(0, LOOKED_AT)) {
      const again = parseVia(formatVia(one))
      must(again !== undefined && same(again, one), 'a Via is read back as the same', formatVia(one))
    }
    if (list !== undefined) must(same(parseTopVia(text), list[0]), 'the top Via is the first')
    const salvaged = salvageVia(text)
    if (salvaged !== undefined) must(parseVia(formatVia(salvaged)) !== undefined, 'what is salvaged can be read', text)
    parseCSeq(text)
    return list !== undefined
  },
}

/** Numbers as people, carriers and agents write them. */
export const number: Reader = {
  name: 'number',
  read(bytes) {
    const text = bytes.toString('utf8')
    let good = false
    for (const country of [null, 'US', 'GB', 'IT']) {
      const found = normaliseNumber(text, { country })
      if (found.ok) {
        good = true
        must(/^\+[1-9][0-9]{6,14}$/.test(found.e164), 'a number is E.164', found)
        must(same(normaliseNumber(found.e164, { country }), found), 'and stays what it is', found)
      }
      const raw = readWritten(text)
      if (raw !== undefined)
        for (const one of candidatesOf(raw, country)) must(!breaksLine(one), 'a candidate is one line', one)
      const trunk = { id: 'trunk', country, allowed_extensions: ['100', '2*', '*'] }
      const read = readDestination(text, trunk)
      if (read.ok)
        must(/^[+A-Za-z0-9*#_.!~'()&=$,;?/-]{1,128}$/.test(read.destination.value), 'a destination is plain', read)
      else must(read.why.length < 400 && !breaksLine(read.why), 'a refusal is one line', read.why)
    }
    must(!/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(unfold(text) + tidy(text, 64) + quoted(text)), 'text is one line')
    must(tidy(text, 64).length <= 64, 'text is bounded')
    toBytes(text)
    return good
  },
}

/** Where to send to and where to listen: contacts, `proxy` fields, outbound proxies, hosts files. */
export const place: Reader = {
  name: 'place',
  read(bytes) {
    const text = bytes.toString('utf8')
    const hop = Hops.parse(text)
    if (hop !== undefined) must(hop.host !== '' && !breaksLine(hop.host), 'a hop has a host', hop)
    for (const parsed of [parseOutboundProxy(text), parseSipDomain(text)])
      if (!parsed.ok) must(parsed.why !== '', 'a refusal says why')
      else must(parsed.hop.host !== '' && !breaksLine(parsed.hop.host), 'a next hop has a host', parsed.hop)
    parseHosts(text)
    let good = hop !== undefined
    for (const parse of [() => parseContact(text), () => parseContacts(text)])
      try {
        for (const { port, host } of parse()) must(port >= 0 && port <= 65_535 && host !== '', 'a contact has a place')
        good = true
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
      }
    return good
  },
}
