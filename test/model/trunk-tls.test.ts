import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { trunkTls } from '../../src/model/trunk-tls.js'
import { TestAuthority } from '../support/certificates.js'

const TrunkTls = suite('TLS of a trunk')

let authority: TestAuthority

TrunkTls.before(() => {
  authority = TestAuthority.create()
})
TrunkTls.after(() => authority.close())

/** What is wrong, with its field; empty: nothing. */
function problem(fields: Record<string, unknown>): string {
  const issue = trunkTls.safeParse(fields).error?.issues[0]
  return issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`
}

TrunkTls('a trunk that says nothing has its servers verified as all are', () => {
  assert.equal(trunkTls.parse({}), {
    server_name: null,
    ca: null,
    client_certificate: null,
    pinned_name: null,
    pinned_sha256: [],
    verify: true,
  })
})

TrunkTls(
  'authorities are certificates in PEM form and nothing else; a private key is refused without being shown',
  () => {
    const { certificate } = authority
    assert.is(problem({ ca: certificate }), '')
    assert.is(problem({ ca: certificate + certificate }), '', 'several')
    const { key } = authority.issue(['DNS:a.example.com'])
    for (const ca of [key, certificate + key, key + certificate, key.replace(/-----/g, '')]) {
      const why = problem({ ca })
      assert.match(why, /^ca: holds a private key/)
      assert.not.ok(why.includes(key.split('\n')[1]!))
    }
    for (const ca of ['', 'x', certificate.slice(0, -30), `${certificate}x`, `x${certificate}`])
      assert.match(
        problem({ ca }),
        /^ca: must be one or more certificates in PEM form/,
        JSON.stringify(ca.slice(0, 20)),
      )
    assert.match(
      problem({ ca: certificate.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA') }),
      'holds a certificate that cannot be read',
    )
    assert.match(problem({ ca: certificate.repeat(17) }), 'at most 16 certificates')
    const startedAt = performance.now()
    assert.ok(problem({ ca: '-----BEGIN CERTIFICATE-----'.repeat(100_000) }) !== '')
    assert.ok(performance.now() - startedAt < 100, 'a text of megabytes costs nothing')
  },
)

TrunkTls('names are host names or addresses, pins SHA-256 in hexadecimal, and what is no field is refused', () => {
  for (const name of ['sip.example.com', '192.0.2.7', '2001:db8::7'])
    for (const field of ['server_name', 'pinned_name']) assert.is(problem({ [field]: name }), '', name)
  for (const name of ['', 'a b', 'a.example.com:5061', '*.example.com', 'a;x=1', 'a\r\nb', '[::1]', '1.2.3.400'])
    for (const field of ['server_name', 'pinned_name'])
      assert.match(problem({ [field]: name }), new RegExp(`^${field}: `), name)
  const hex = 'ab'.repeat(32)
  assert.is(problem({ pinned_sha256: [hex, hex.toUpperCase(), 'AB:'.repeat(31) + 'AB'] }), '')
  for (const pin of ['', hex.slice(1), `${hex}a`, 'x'.repeat(64)])
    assert.match(problem({ pinned_sha256: [pin] }), /^pinned_sha256\.0: must be SHA-256/)
  assert.match(problem({ client_certificate: '../key' }), /^client_certificate: /)
  assert.match(problem({ key: 'x' }), 'Unrecognized key')
})

TrunkTls.run()
