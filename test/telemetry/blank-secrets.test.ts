import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blankSecrets } from '../../src/telemetry/index.js'

const BlankSecrets = suite('BlankSecrets')

BlankSecrets('takes out credentials, challenges, media keys and DTMF digits, and nothing else', () => {
  const text = [
    'REGISTER sip:pbx.example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1',
    'Authorization: Digest username="u", realm="r", nonce="n", response="aaaa"',
    'proxy-authorization  :Digest response="bbbb"',
    'WWW-Authenticate: Digest nonce="cccc"',
    'Subject: Authorization: not a header of its own',
    'X-Authorization-Note: kept',
    '',
    'v=0',
    'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:dddd',
    'a=ice-pwd:eeee',
    'a=ice-ufrag:kept',
    'k=clear:ffff',
    'Signal = 7',
    '',
  ].join('\r\n')
  assert.is(
    blankSecrets(text),
    [
      'REGISTER sip:pbx.example.com SIP/2.0',
      'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1',
      'Authorization: ***',
      'proxy-authorization  :***',
      'WWW-Authenticate: ***',
      'Subject: Authorization: not a header of its own',
      'X-Authorization-Note: kept',
      '',
      'v=0',
      'a=crypto:***',
      'a=ice-pwd:***',
      'a=ice-ufrag:kept',
      'k=***',
      'Signal =***',
      '',
    ].join('\r\n'),
  )
})

BlankSecrets('takes out the folds of such a header, with any line end', () => {
  for (const end of ['\r\n', '\n', '\r']) {
    const text = [
      'Authorization: Digest',
      '\tnonce="aaaa",',
      ' response="bbbb"',
      'To: <sip:x@y>',
      ' ;tag=kept',
      '',
    ].join(end)
    assert.is(blankSecrets(text), ['Authorization: ***', ' ***', ' ***', 'To: <sip:x@y>', ' ;tag=kept', ''].join(end))
  }
})

BlankSecrets('leaves a message without secrets as it came', () => {
  const text = 'OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n\u0000\u00ff body without an end'
  assert.is(blankSecrets(text), text)
  assert.is(blankSecrets(''), '')
})

BlankSecrets('takes time in proportion to the length, whatever the text', () => {
  const hostile = [
    'a=crypto',
    `authorization${' '.repeat(60)}\n`,
    'Authorization',
    'Authorization:\r\n ',
    ' \r\n',
    'k=k=',
    ':',
    '\r',
    'signal  ',
  ]
  for (const piece of hostile) {
    const text = piece.repeat(Math.ceil(400_000 / piece.length))
    const started = performance.now()
    blankSecrets(text)
    assert.ok(performance.now() - started < 1_000, JSON.stringify(piece))
  }
})

BlankSecrets('finds such a header however much space is before its colon', () => {
  const padded = `Authorization${' '.repeat(80)}:`
  assert.is(blankSecrets(`${padded} Digest response="aaaa"\r\n`), `${padded} ***\r\n`)
})

BlankSecrets('takes Contact tokens out wherever they stand', () => {
  const token = `sbt${'a2'.repeat(10)}`
  assert.is(blankSecrets(`Call-ID: x_${token}_y\r\n`), 'Call-ID: x_***_y\r\n')
  const text = `INVITE sip:${token}@192.0.2.1:5060;sbt=${token} SIP/2.0\r\nTo: <sip:${token}@pbx>\r\n\r\n`
  assert.is(blankSecrets(text), 'INVITE sip:***@192.0.2.1:5060;sbt=*** SIP/2.0\r\nTo: <sip:***@pbx>\r\n\r\n')
})

BlankSecrets.run()
