import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CertificateNames } from '../../../src/engine/transport/certificate-names.js'

const Suite = suite('CertificateNames')

type Given = Parameters<typeof CertificateNames.of>[0]

const of = (subjectaltname: string | undefined, common: string | string[] = 'common.example'): CertificateNames =>
  CertificateNames.of({ subject: { CN: common }, ...(subjectaltname === undefined ? {} : { subjectaltname }) } as Given)

for (const [names, host, covered, why] of [
  ['DNS:sip.example.com', 'sip.example.com', true, 'its DNS name'],
  ['DNS:sip.example.com', 'SIP.Example.COM.', true, 'whatever the case of letters, with or without a last dot'],
  ['DNS:a.example, URI:sip:example.com', 'example.com', true, 'the host of a sip: URI'],
  ['URI:sip:example.com:5061;transport=tls', 'example.com', true, 'without its port and parameters'],
  ['URI:sip:ann@example.com', 'example.com', false, 'not that of a user: it speaks for her alone'],
  ['URI:https://example.com', 'example.com', false, 'nor one of another scheme'],
  ['DNS:*.example.com', 'sip.example.com', false, 'no wildcard (RFC 5922 7.2)'],
  ['DNS:example.com', 'sip.example.com', false, 'nothing below the domain'],
  ['DNS:sip.example.com', 'common.example', false, 'not the common name beside alternative ones'],
  ['', 'common.example', false, 'nor beside alternative names that are none of ours'],
  [undefined, 'common.example', true, 'the common name when there are no others'],
  ['IP Address:192.0.2.7', '192.0.2.7', true, 'an address'],
  ['IP Address:2001:DB8:0:0:0:0:0:7', '[2001:db8::7]', true, 'an IPv6 address however spelled'],
  ['IP Address:192.0.2.7', '192.0.2.8', false, 'no other address'],
  ['URI:"sip:x\\u002c, DNS:evil.example", DNS:good.example', 'evil.example', false, 'not what stands in quotes'],
  ['URI:"sip:x\\u002c, DNS:evil.example", DNS:good.example', 'good.example', true, 'what stands after them'],
] as const)
  Suite(`speaks for ${why}: ${names ?? 'none'} and ${host}`, () => {
    assert.is(of(names).covers(host), covered)
  })

Suite('without a certificate speaks for nobody', () => {
  assert.not(CertificateNames.of(undefined).covers(''))
  assert.is(CertificateNames.of(undefined).toString(), 'nobody')
})

Suite('takes every common name of a certificate that has several', () => {
  assert.ok(of(undefined, ['a.example', 'b.example']).covers('b.example'))
})

Suite('reads a list of 100,000 names in a moment, and takes the first thousand', () => {
  const many = Array.from({ length: 100_000 }, (_, n) => `DNS:h${n}.example`).join(', ')
  const from = performance.now()
  const names = of(many)
  assert.ok(performance.now() - from < 200)
  assert.ok(names.covers('h999.example'))
  assert.not(names.covers('h1000.example'))
})

Suite.run()
