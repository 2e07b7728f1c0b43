/** Hostile texts take time in proportion to their length, behind the limits and without them. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StreamFramer } from '../../../src/engine/message/framing.js'
import { createResponse, serialise } from '../../../src/engine/message/message.js'
import { parseNameAddr, parseNameAddrList, splitList } from '../../../src/engine/message/name-addr.js'
import { defaultLimits, type Limits, parseDatagram, type Parsed } from '../../../src/engine/message/parse.js'
import { parseUri, unescapeUser } from '../../../src/engine/message/uri.js'
import { parseVia, parseViaList, salvageVia } from '../../../src/engine/message/via.js'
import { findCorpora, readCorpus } from '../../support/corpora.js'
import { ownProbes, type Probe, probeText } from '../../support/probes.js'
import { sipRequest } from '../../support/sip-lines.js'

const noLimits: Limits = {
  maxMessageBytes: 1e7,
  maxHeaders: 1e6,
  maxHeaderLineBytes: 1e7,
  maxStartLineBytes: 1e7,
  maxBodyBytes: 1e7,
}

function place(where: string, text: string): Buffer {
  switch (where) {
    case 'start line':
      return sipRequest({ startLine: text })
    case 'Request-URI':
      return sipRequest({ startLine: `OPTIONS ${text} SIP/2.0` })
    case 'raw header lines':
      return sipRequest({ headers: { Raw: text.endsWith('\r\n') ? text.slice(0, -2) : text } })
    case 'SDP body':
      return sipRequest({ headers: { Type: 'Content-Type: application/sdp' }, body: text })
    case 'body multipart/mixed;boundary=x':
      return sipRequest({ headers: { Type: 'Content-Type: multipart/mixed;boundary=x' }, body: text })
    default:
      return sipRequest({ headers: { [where]: `${where}: ${text}` } })
  }
}

/** Everything a message goes through: the answer to it too. */
function handle(parsed: Parsed | undefined): void {
  if (parsed?.ok === true) {
    serialise(parsed.message)
    if (parsed.message.kind === 'request') serialise(createResponse(parsed.message, 200, undefined, 'tag'))
  } else if (parsed?.request !== undefined)
    serialise(createResponse(parsed.request, parsed.status, parsed.reason, 'tag'))
}

function stream(bytes: Buffer, limits: Limits, chunk: number): void {
  const framer = new StreamFramer(limits, { message: handle, ping: () => undefined, broken: () => undefined })
  for (let at = 0; at < bytes.length; at += chunk) framer.push(bytes.subarray(at, at + chunk))
  framer.timeOut()
}

/** Best of several runs, in milliseconds: the machine may be busy. Stops as soon as one is within `enoughMs`. */
function bestOf(runs: number, enoughMs: number, run: () => void): number {
  let bestMs = Infinity
  for (let left = runs; left > 0 && bestMs > enoughMs; left--) {
    const startMs = performance.now()
    run()
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  return bestMs
}

/** At most 5 ms for 8 kB, 50 ms for 64 kB, and near to twice the time for twice the text. */
function checkTimes(run: (length: number) => () => void): void {
  assert.ok(bestOf(20, 5, run(8_000)) <= 5, '8 kB')
  const once = bestOf(20, 2, run(64_000))
  assert.ok(once <= 50, `64 kB: ${once} ms`)
  const twice = bestOf(20, 4, run(128_000))
  assert.ok(twice <= 4 + once * 3, `64 kB ${once} ms, 128 kB ${twice} ms`)
}

const LinearTime = suite('LinearTime')

const folder = findCorpora()
const given: Probe[] = []
if (folder !== undefined) {
  const file = JSON.parse(readCorpus(folder, 'guards', 'redos-probes.json').toString()) as { probes: Probe[] }
  given.push(...file.probes)
}

for (const probe of [...given, ...ownProbes])
  for (const where of probe.where) {
    for (const [behind, limits] of [
      ['behind the limits', defaultLimits],
      ['without limits', noLimits],
    ] as const)
      LinearTime(`B4: ${probe.id} in ${where}, ${behind}`, () => {
        checkTimes((length) => {
          const bytes = place(where, probeText(probe, length))
          return () => handle(parseDatagram(bytes, limits))
        })
        checkTimes((length) => {
          const bytes = place(where, probeText(probe, length))
          return () => stream(bytes, limits, 1_000)
        })
      })
  }

for (const probe of [...given, ...ownProbes])
  LinearTime(`B4: ${probe.id}, given to each parser by itself`, () => {
    for (const parse of [
      parseNameAddr,
      parseNameAddrList,
      splitList,
      parseVia,
      parseViaList,
      salvageVia,
      parseUri,
      unescapeUser,
    ])
      checkTimes((length) => {
        const text = probeText(probe, length)
        return () => void parse(text)
      })
  })

LinearTime('a stream that comes byte by byte costs no more than its bytes', () => {
  const head = (length: number): Buffer => sipRequest({ headers: { Long: `X-Long: ${'x'.repeat(length)}` } })
  const body = (length: number): Buffer => sipRequest({ body: 'x'.repeat(length) })
  for (const make of [head, body])
    checkTimes((length) => {
      const bytes = make(length / 4)
      return () => stream(bytes, noLimits, 1)
    })
})

LinearTime.run()
