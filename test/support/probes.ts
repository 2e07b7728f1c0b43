/** A hostile text: prefix, a unit many times, suffix, as the value of a header or in another place of a message. */
export interface Probe {
  readonly id: string
  readonly where: readonly string[]
  readonly prefix: string
  readonly unit: string
  readonly suffix: string
}

/** Probes of our own, for the scans that could go wrong. */
export const ownProbes: readonly Probe[] = [
  { id: 'many-uris-without-at', where: ['Contact', 'Route'], prefix: '<sip:a>', unit: ',<sip:a>', suffix: '' },
  { id: 'many-open-brackets', where: ['Contact', 'Route'], prefix: '<sip:a>', unit: ',<sip:[1', suffix: '' },
  { id: 'open-angles', where: ['Contact', 'From'], prefix: '', unit: '<', suffix: '' },
  { id: 'host-brackets', where: ['Request-URI', 'Contact', 'Via'], prefix: 'sip:', unit: '[', suffix: '' },
  { id: 'host-colons', where: ['Request-URI', 'Contact'], prefix: 'sip:[', unit: ':', suffix: ']' },
  { id: 'host-dots', where: ['Request-URI', 'Contact'], prefix: 'sip:', unit: '1.', suffix: 'x' },
  { id: 'userinfo-colons', where: ['Request-URI', 'Contact'], prefix: 'sip:', unit: 'a:', suffix: '@b' },
  { id: 'at-signs', where: ['Request-URI', 'Contact', 'From'], prefix: 'sip:', unit: '@', suffix: '' },
  { id: 'bad-escapes', where: ['Request-URI', 'Contact'], prefix: 'sip:', unit: '%4', suffix: '@b' },
  { id: 'escaped-params', where: ['Request-URI', 'Contact'], prefix: 'sip:b', unit: ';%41', suffix: '' },
  { id: 'uri-headers', where: ['Contact'], prefix: '<sip:b?a=b', unit: '&a=b', suffix: '>' },
  { id: 'quoted-params', where: ['From', 'Via', 'Contact'], prefix: '<sip:a@b>', unit: ';a="\\""', suffix: '' },
  { id: 'spaced-params', where: ['From', 'Via'], prefix: '<sip:a@b>', unit: ' ; a = b ', suffix: ';' },
  { id: 'via-spaces', where: ['Via'], prefix: 'SIP', unit: ' ', suffix: '/2.0/UDP a' },
  { id: 'via-open-list', where: ['Via'], prefix: 'SIP/2.0/UDP a', unit: ', SIP/2.0/UDP a', suffix: ';;' },
  { id: 'length-list', where: ['Content-Length'], prefix: '0', unit: ',0', suffix: '' },
  { id: 'length-digits', where: ['Content-Length'], prefix: '', unit: '0', suffix: '' },
  { id: 'forwards-digits', where: ['Max-Forwards'], prefix: '', unit: '0', suffix: '70' },
  { id: 'spaces', where: ['Subject', 'From', 'Via', 'CSeq'], prefix: '', unit: ' ', suffix: 'x' },
  { id: 'tabs-and-spaces-at-end', where: ['Subject', 'From'], prefix: 'x', unit: '\t ', suffix: '' },
  { id: 'folds-in-from', where: ['From', 'Via', 'Contact'], prefix: '<sip:a@b>', unit: '\r\n ;a', suffix: '' },
  { id: 'folds-of-spaces', where: ['Subject'], prefix: 'x', unit: '   \r\n   ', suffix: 'y' },
  { id: 'carriage-returns', where: ['Subject', 'raw header lines'], prefix: '', unit: '\r', suffix: '' },
  { id: 'line-feeds', where: ['Subject', 'raw header lines'], prefix: 'x', unit: '\n', suffix: '' },
  { id: 'nuls', where: ['Subject', 'raw header lines'], prefix: '', unit: '\0', suffix: '' },
  { id: 'escaped-nuls', where: ['From', 'Subject'], prefix: '"', unit: '\\\0', suffix: '" <sip:a@b>' },
  { id: 'no-colons', where: ['raw header lines'], prefix: '', unit: 'a\r\n', suffix: '' },
  { id: 'one-long-name', where: ['raw header lines'], prefix: '', unit: 'a', suffix: ': b\r\n' },
  { id: 'many-vias', where: ['raw header lines'], prefix: '', unit: 'v: SIP/2.0/UDP a\r\n', suffix: '' },
  { id: 'many-contacts', where: ['raw header lines'], prefix: '', unit: 'm: sip:a\r\n', suffix: '' },
  { id: 'many-lengths', where: ['raw header lines'], prefix: '', unit: 'l: 0\r\n', suffix: '' },
  { id: 'many-timestamps', where: ['raw header lines'], prefix: '', unit: 'Timestamp: 1\r\nTo: x\r\n', suffix: '' },
  { id: 'method-long', where: ['start line'], prefix: '', unit: 'A', suffix: ' sip:a@b SIP/2.0' },
  { id: 'start-line-spaces', where: ['start line'], prefix: 'OPTIONS', unit: ' ', suffix: 'sip:a@b SIP/2.0' },
  { id: 'start-line-trailing', where: ['start line'], prefix: 'OPTIONS sip:a@b SIP/2.0', unit: ' ', suffix: '' },
  { id: 'version-digits', where: ['start line'], prefix: 'OPTIONS sip:a@b SIP/', unit: '1', suffix: '.0' },
  { id: 'reason-long', where: ['start line'], prefix: 'SIP/2.0 200 ', unit: 'x\t', suffix: '' },
] // prettier-ignore

/** The probe's text, of about `length` characters. */
export function probeText(probe: Probe, length: number): string {
  const times = Math.max(1, Math.floor((length - probe.prefix.length - probe.suffix.length) / probe.unit.length))
  return probe.prefix + probe.unit.repeat(times) + probe.suffix
}
