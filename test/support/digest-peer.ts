import { createHash } from 'node:crypto'

/** The parameters of credentials, read the simple way: good enough for those that we write. */
export function paramsOf(credentials: string): Record<string, string> {
  const params: Record<string, string> = {}
  for (const [, name, quoted, token] of credentials.matchAll(/([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))/g))
    params[name!] = quoted?.replace(/\\(.)/g, '$1') ?? token!
  return params
}

/** Whether credentials show that the password is known, as a server sees it (RFC 7616 3.4): written apart from ours, from the RFC. */
export function provesPassword(credentials: string, method: string, password: string, body = ''): boolean {
  const { username, realm, nonce, uri, response, algorithm = 'MD5', qop, nc, cnonce } = paramsOf(credentials)
  const name = algorithm.toLowerCase()
  const hashName = name.startsWith('sha-256') ? 'sha256' : name.startsWith('sha-512-256') ? 'sha512-256' : 'md5'
  const h = (text: string): string => createHash(hashName).update(text).digest('hex')
  let a1 = `${username}:${realm}:${password}`
  if (name.endsWith('-sess')) a1 = `${h(a1)}:${nonce}:${cnonce}`
  const a2 = qop === 'auth-int' ? `${method}:${uri}:${h(body)}` : `${method}:${uri}`
  return (
    response === h(qop === undefined ? `${h(a1)}:${nonce}:${h(a2)}` : [h(a1), nonce, nc, cnonce, qop, h(a2)].join(':'))
  )
}
