/**
 * User-Agents by which well-known scanners of the internet show themselves when nobody has changed them; case is nothing. This keeps
 * noise out and is no protection: whoever wants to, calls himself something else.
 */
const SCANNERS = [
  'friendly-scanner',
  'friendly-request',
  'sipvicious',
  'sipcli',
  'sip-cli',
  'sipsak',
  'sip-scan',
  'sipscan',
  'siparmyknife',
  'vaxsipuseragent',
  'vaxipuseragent',
  'vaxuseragent',
  'pplsip',
  'iwar',
  'sivus',
  'nsauditor',
  'sipreg',
  'smap',
  'sundayddr',
  'custom sip',
  'nmap nse',
  'scanner',
]

/** Longer values are read this far. */
const MAX_READ = 256

/** Tells scanners by what they call themselves. */
export class Scanners {
  private readonly texts: readonly string[]

  /** @param more texts besides those that are built in */
  constructor(more: readonly string[] = []) {
    this.texts = [...SCANNERS, ...more.map((text) => text.toLowerCase())]
  }

  /** Whether a User-Agent is a scanner's: one of the texts begins a word in it. */
  isScanner(userAgent: string | undefined): boolean {
    if (userAgent === undefined || userAgent === '') return false
    const text = userAgent.slice(0, MAX_READ).toLowerCase()
    return this.texts.some((scanner) => beginsWord(text, scanner))
  }
}

function beginsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (at === 0 || !isLetterOrDigit(text.charCodeAt(at - 1))) return true
  return false
}

const isLetterOrDigit = (code: number): boolean => (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a)
