import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AlgorithmName, findAlgorithm } from '../../../src/trunks/digest/algorithm.js'
import { computeResponse, type ResponseParts } from '../../../src/trunks/digest/response.js'

const Response = suite('The response of credentials')

const responseOf = (algorithm: string, parts: Partial<ResponseParts>): string =>
  computeResponse({
    algorithm: findAlgorithm(algorithm)!,
    username: 'Mufasa',
    realm: 'testrealm@host.com',
    password: 'Circle Of Life',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    method: 'GET',
    uri: '/dir/index.html',
    qop: 'auth',
    nc: '00000001',
    cnonce: '0a4f113b',
    body: '',
    ...parts,
  })

Response('is the one of RFC 2617 3.5', () => {
  assert.is(responseOf('MD5', {}), '6629fae49393a05397450978507c4ef1')
})

Response('without qop is the one of RFC 2069 2.4 as corrected', () => {
  assert.is(responseOf('MD5', { password: 'CircleOfLife', qop: undefined }), '1949323746fe6a43ef61f9606e7febea')
})

Response('is the one of RFC 7616 3.9.1, for MD5 and SHA-256', () => {
  const parts = {
    realm: 'http-auth@example.org',
    password: 'Circle of Life',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  }
  assert.is(responseOf('MD5', parts), '8ca523f5e9506fed4657c9700eebdbec')
  assert.is(responseOf('SHA-256', parts), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1')
})

Response('is the one of RFC 7616 3.9.2 as corrected (erratum 4897): SHA-512-256, a user name that is not ASCII', () => {
  const parts = {
    username: 'Jäsøn Doe',
    realm: 'api@example.org',
    password: 'Secret, or not?',
    nonce: '5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK',
    cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v',
    uri: '/doe.json',
  }
  assert.is(responseOf('SHA-512-256', parts), '3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5')
})

const hashed: Record<AlgorithmName, string> = {
  MD5: 'md5',
  'MD5-SESS': 'md5',
  'SHA-256': 'sha256',
  'SHA-256-SESS': 'sha256',
  'SHA-512-256': 'sha512-256',
  'SHA-512-256-SESS': 'sha512-256',
}

for (const [algorithm, hash] of Object.entries(hashed))
  Response(`${algorithm} with auth and auth-int is what RFC 7616 3.4 says`, () => {
    const h = (text: string): string => createHash(hash).update(text).digest('hex')
    const secret = h('Mufasa:testrealm@host.com:Circle Of Life')
    const key = algorithm.endsWith('SESS') ? h(`${secret}:dcd98b7102dd2f0e8b11d0f600bfb0c093:0a4f113b`) : secret
    const nonce = 'dcd98b7102dd2f0e8b11d0f600bfb0c093:00000001:0a4f113b'
    const body = 'v=0\r\ns=ü'
    assert.is(responseOf(algorithm, { body }), h(`${key}:${nonce}:auth:${h('GET:/dir/index.html')}`))
    assert.is(
      responseOf(algorithm, { body, qop: 'auth-int' }),
      h(`${key}:${nonce}:auth-int:${h(`GET:/dir/index.html:${h(body)}`)}`),
    )
  })

Response('algorithms are found by their names in any case, and no others', () => {
  assert.is(findAlgorithm('sha-256-SESS')?.name, 'SHA-256-SESS')
  for (const name of ['', 'SHA', 'SHA-1', 'constructor', 'MD5,MD5-sess', '__proto__'])
    assert.is(findAlgorithm(name), undefined, name)
})

Response.run()
