import type { RemoteInfo } from 'node:dgram'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineOptions } from '../../src/engine/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { openUdp, type SipPeer } from '../support/sip-peer.js'
import { startStation, type Station } from '../support/srf-app.js'
import { hasIpv6 } from '../support/transport-bench.js'

const Suite = suite('An engine with several addresses')

const peers: SipPeer[] = []
let station: Station | undefined
let ports: { inner: number; outer: number; v6: number }

async function start(more: Partial<EngineOptions> = {}): Promise<void> {
  ports = {
    inner: await freePort('127.0.0.1'),
    outer: await freePort('127.0.0.2'),
    v6: await freePort(),
  }
  station = await startStation({
    contacts: [
      {
        uri: `sip:127.0.0.1:${ports.inner};transport=udp`,
        externalIp: '192.0.2.1',
        localNet: '127.0.1.0/24',
        dnsNames: ['inner.example.com'],
      },
      { uri: `sip:127.0.0.2:${ports.outer};transport=udp,tcp`, localNet: '127.0.2.0/24' },
      ...(hasIpv6 ? [`sip:[::1]:${ports.v6};transport=udp`] : []),
    ],
    ...more,
  })
}

/** An INVITE as it reaches a peer at that address. */
async function inviteTo(address: string): Promise<{ from: string; via: string; contact: string; caller: string }> {
  const peer = await openUdp(address, { address: '127.0.0.1', port: 1 })
  peers.push(peer)
  let source: RemoteInfo | undefined
  peer.socket.on('message', (_bytes, remote) => (source ??= remote))
  const uac = station!.app.createUAC(`sip:bob@${address}:${peer.local.port}`, {
    localSdp: 'v=0\r\n',
    callingNumber: '100',
  })
  uac.catch(() => undefined)
  const invite = await eventually('the INVITE', () => peer.messages.find(({ method }) => method === 'INVITE'))
  peer.socket.send(
    [
      'SIP/2.0 486 Busy Here',
      ...['via', 'from', 'call-id', 'cseq'].map((name) => `${name}: ${invite.header(name)}`),
      `To: ${invite.header('to')};tag=b`,
      'Content-Length: 0\r\n\r\n',
    ].join('\r\n'),
    source?.port,
    source?.address,
  )
  await uac.catch(() => undefined)
  const header = (name: string): string => invite.header(name) ?? ''
  return {
    from: `${source?.address}:${source?.port}`,
    via: /UDP ([^;]+)/.exec(header('via'))?.[1] ?? '',
    contact: /@([^>;]+)/.exec(header('contact'))?.[1] ?? '',
    caller: /@([^>;]+)/.exec(header('from'))?.[1] ?? '',
  }
}

Suite.after.each(async () => {
  for (const peer of peers.splice(0)) peer.close()
  await station?.stop()
})

Suite(
  'sends from the contact whose local net holds the destination, and Via, Contact and From name that one',
  async () => {
    await start()
    const shown = `192.0.2.1:${ports.inner}`
    assert.equal(await inviteTo('127.0.1.9'), {
      from: `127.0.0.1:${ports.inner}`,
      via: shown,
      contact: shown,
      caller: shown,
    })
    const own = `127.0.0.2:${ports.outer}`
    assert.equal(await inviteTo('127.0.2.9'), { from: own, via: own, contact: own, caller: own })
  },
)

Suite('shows peers of the local net its own address when that is wanted, and others the external one', async () => {
  await start({ localInside: true })
  const own = `127.0.0.1:${ports.inner}`
  assert.equal(await inviteTo('127.0.1.9'), { from: own, via: own, contact: own, caller: own })
})

Suite('refuses to send to itself by any of its names and addresses', async () => {
  await start()
  const { inner, outer } = ports
  const own = [
    `inner.example.com`,
    `inner.example.com:${inner}`,
    `192.0.2.1:${inner}`,
    `127.0.0.1:${inner}`,
    `127.0.0.2:${outer}`,
  ]
  if (hasIpv6) own.push(`[0:0::1]:${ports.v6}`)
  for (const host of own)
    await station!.app.createUAC(`sip:bob@${host}`, { localSdp: 'v=0\r\n' }).then(
      () => assert.unreachable(host),
      (error: Error) => assert.match(error.message, /can not send request to myself/, host),
    )
})

Suite.run()
