import { randomBytes } from 'node:crypto'
import type { Dice } from './mutations.js'

/** A STUN binding request (RFC 8489). */
const stun = Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex')
/** A DTLS 1.2 ClientHello, cut short. */
const dtls = Buffer.from(
  '16fefd0000000000000000005a010000' + '4e000000000000004efefd' + '5a'.repeat(32) + '00000004c02bc02f0100',
  'hex',
)
/** A TLS 1.2 ClientHello. */
const tlsHello = Buffer.from(
  '16030100410100003d0303' + 'a5'.repeat(32) + '0000040035002f01000010000b000403000102000d000400020401',
  'hex',
)
const http = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n')
const rtp = Buffer.concat([Buffer.from('80000001000000a0deadbeef', 'hex'), Buffer.alloc(160, 0xff)])
/** A request that ends in the middle of its Via: it is SIP, and may be answered with 400. */
export const halfRequest = Buffer.from(
  'INVITE sip:+14155550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:5060;bran',
)
const others = [
  'HELO x\r\n',
  '\x00\x00\x00\x00',
  '\r\n'.repeat(100),
  'jaK',
  '<?xml version="1.0"?>',
  'SIP/2.0',
  'a'.repeat(1_400),
  'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))

/** What ends up on a SIP port and is no SIP, each once: of this none is answered. */
export const noise: readonly Buffer[] = [stun, dtls, tlsHello, http, rtp, ...others]

/** One of them, a part of one, or bytes at random. */
export function someNoise(dice: Dice): Buffer {
  const one = dice.pick(noise)
  switch (dice.roll(4)) {
    case 0:
      return randomBytes(1 + dice.roll(1_500))
    case 1:
      return one.subarray(0, dice.roll(one.length + 1))
    default:
      return one
  }
}
