/**
 * What a source is called: an IPv4 address, or the /64 network of an IPv6 address, all of which one host can have. IPv4 mapped into IPv6
 * is the IPv4 address. Made for every datagram while somebody is banned: a text that is no address gives a name of its own, not an error.
 */
export function sourceName(address: string): string {
  if (!address.includes(':')) return address
  const dots = address.lastIndexOf('.')
  if (dots >= 0 && /^::ffff:[0-9.]+$/i.test(address)) return address.slice(7)
  const [head = '', tail] = address.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined && groups.length < 4) {
    const after = tail === '' ? [] : tail.split(':')
    while (groups.length + after.length < 8) groups.push('0')
    groups.push(...after)
  }
  const network = groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
  while (network.at(-1) === '0') network.pop()
  return `${network.join(':')}::/64`
}
