/**
 * Values that reach for a header line, another URI, a key of Redis, a prototype, a terminal or a buffer: each must be refused with
 * the name of the field it stands in, or be kept as plain text where text is harmless.
 */
export const hostileValues: readonly string[] = [
  'a\r\nX-Evil: 1',
  'a\nX-Evil: 1',
  'a\rX-Evil: 1',
  'a%0d%0aX-Evil:%201',
  'a\u2028X-Evil: 1',
  'a\u0000b',
  'sip:u@127.0.0.1?Route=%3Csip:127.0.0.9%3E',
  'sip:u@127.0.0.1;maddr=127.0.0.9',
  '"><sip:evil@127.0.0.9>',
  'u@h>;tag=x',
  'a, <sip:b@127.0.0.9>',
  'a;b=c',
  '\\"',
  '<script>alert(1)</script>',
  '${jndi:x}',
  '*3\r\n$3\r\nSET\r\n',
  'did:*',
  'did:{a}',
  '../../x',
  '__proto__',
  'constructor',
  '\ud800',
  '\u0661\u0662\u0663',
  '\uff0b4412',
  'tel:+1;phone-context=x',
  'a'.repeat(70_000),
]

/** Those that would break a line, a string or a limit wherever text is allowed: they are harmless nowhere. */
export const breaksText = (value: string): boolean =>
  /[\u0000-\u001f\u007f\u2028\u2029]/.test(value) || value === '\ud800' || value.length > 2048
