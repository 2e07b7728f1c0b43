import { printable } from './text.js'

/** The three who take part in a call through the edge, from left to right. */
export type Party = 'caller' | 'edge' | 'agent'

/** One SIP message, as one of the outer parties saw it. */
export interface LadderEvent {
  /** Milliseconds since the first message. */
  readonly at_ms: number
  readonly from: Party
  readonly to: Party
  /** `INVITE`, `180 Ringing`, `200 OK (BYE)`. */
  readonly message: string
  readonly sdp: boolean
  /** The same message again: a repeat. */
  readonly repeated: boolean
}

const PARTIES: readonly Party[] = ['caller', 'edge', 'agent']
const TIME_WIDTH = 9
const FIRST_LINE = TIME_WIDTH + 7
const GAP = 32

/** Reads what a message is from its text. */
export function describeMessage(text: string): { message: string; sdp: boolean } {
  const end = text.indexOf('\r\n\r\n')
  const head = (end < 0 ? text : text.slice(0, end)).split('\r\n')
  const [first = '', ...headers] = head
  const sdp =
    end >= 0 && text.length > end + 4 && headers.some((line) => /^(content-type|c)\s*:\s*application\/sdp/i.test(line))
  if (!first.startsWith('SIP/2.0 ')) return { message: first.split(' ', 1)[0] ?? '', sdp }
  const method =
    headers
      .find((line) => /^cseq\s*:/i.test(line))
      ?.split(' ')
      .at(-1) ?? ''
  const status = first.slice('SIP/2.0 '.length)
  return { message: method === 'INVITE' || method === '' ? status : `${status} (${method})`, sdp }
}

/**
 * A ladder diagram: who sent what to whom, and when. One line a message.
 * @param labels what stands under each party's name, such as its address
 */
export function renderLadder(events: readonly LadderEvent[], labels: Record<Party, string>): string {
  return [
    centred('ms', PARTIES),
    centred(
      '',
      PARTIES.map((party) => printable(labels[party])),
    ),
    lifelines(),
    ...events.map(arrow),
    lifelines(),
  ]
    .map((line) => line.trimEnd())
    .join('\n')
}

const columnOf = (party: Party): number => FIRST_LINE + PARTIES.indexOf(party) * GAP

function centred(left: string, texts: readonly string[]): string {
  let line = left.padStart(TIME_WIDTH - 1)
  texts.forEach((text, at) => {
    const start = FIRST_LINE + at * GAP - Math.floor(text.length / 2)
    line = line.padEnd(Math.max(start, line.length + 1)) + text
  })
  return line
}

function lifelines(): string {
  return PARTIES.reduce((line, party) => `${line.padEnd(columnOf(party))}|`, '')
}

function arrow(event: LadderEvent): string {
  const right = PARTIES.indexOf(event.to) > PARTIES.indexOf(event.from)
  const room = GAP - 1
  const text = ` ${printable(event.message)}${event.sdp ? ' + SDP' : ''}${event.repeated ? ' (again)' : ''} `.slice(
    0,
    room - 4,
  )
  const shaft = right ? `--${text}`.padEnd(room - 1, '-') + '>' : `<-${text}`.padEnd(room, '-')
  const leftColumn = Math.min(columnOf(event.from), columnOf(event.to))
  let line = event.at_ms.toFixed(1).padStart(TIME_WIDTH - 1)
  for (const party of PARTIES) {
    line = `${line.padEnd(columnOf(party))}|`
    if (columnOf(party) === leftColumn) line += shaft
  }
  return line
}
