import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findCorpora, readCorpus } from '../../support/corpora.js'
import { fuzz } from '../../support/message-fuzz.js'
import { Dice } from '../../support/mutations.js'
import { sipRequest } from '../../support/sip-lines.js'

const Fuzz = suite('MessageFuzz')

const own = [
  sipRequest(),
  sipRequest({
    startLine: 'SIP/2.0 180 Ringing',
    headers: { To: 'To: <sip:b@c>;tag=1' },
    extra: ['Record-Route: <sip:a;lr>, <sip:b;lr>'],
  }),
  sipRequest({
    startLine: 'INVITE sips:a:b@[2001:db8::1]:5061;transport=tcp;x=%41 SIP/2.0',
    headers: {
      Via: 'v: SIP/2.0/TCP a.example:5060;branch=z9hG4bKx;rport;received=[::1], SIP / 2.0 / UDP b',
      CSeq: 'CSeq: 1 INVITE',
      From: 'f: "A \\"B\\" \\\\" <sip:a,b;c@d?x=y>;tag=1;q="z,;"',
    },
    extra: [
      'Contact: "x" <sip:a@b>;q=1, sip:c@d;expires=3',
      'Subject: a\r\n b',
      'Expires: 300',
      'Route: <tel:+1;phone-context=x>',
    ],
    body: 'v=0\r\n\r\nOPTIONS sip:a SIP/2.0\r\n\r\n',
  }),
  Buffer.concat([sipRequest(), Buffer.from('\r\n\r\n'), sipRequest({ body: 'x' })]),
]

const folder = findCorpora()
const seeds = [...own]
if (folder !== undefined)
  for (const part of [['rfc4475'], ['rfc5118', 'wire']])
    for (const name of readdirSync(join(folder, ...part)))
      if (name.endsWith('.dat')) seeds.push(readCorpus(folder, ...part, name))

for (const state of [1, 20_260_101])
  Fuzz(`no mutation of good and bad messages throws, is slow, or comes out as another message (seed ${state})`, () => {
    const { accepted, slowestMs } = fuzz(seeds, 1_500, new Dice(state))
    assert.ok(accepted > 100, `${accepted} accepted: the mutations are too wild to test anything`)
    assert.ok(slowestMs < 20, `${slowestMs} ms for one`)
  })

Fuzz.run()
