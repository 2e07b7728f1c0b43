import { createSocket } from 'node:dgram'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../../../src/engine/clock.js'
import { DnsClient, type DnsClientOptions } from '../../../src/engine/resolve/dns-client.js'
import { DnsError } from '../../../src/engine/resolve/dns-error.js'
import { parseServer } from '../../../src/engine/resolve/server-address.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'
import { NameServer } from '../../support/name-server.js'

const Client = suite('DNS client')

let dns: NameServer
let others: NameServer[]
let clients: DnsClient[]

Client.before.each(async () => {
  dns = await NameServer.start()
  others = []
  clients = []
})

Client.after.each(async () => {
  for (const client of clients) client.close()
  for (const server of [dns, ...others]) await server.stop()
})

async function another(): Promise<NameServer> {
  const server = await NameServer.start()
  others.push(server)
  return server
}

function makeClient(servers: readonly string[] = [dns.address], more: Partial<DnsClientOptions> = {}): DnsClient {
  const addresses = servers.map(parseServer)
  const client = new DnsClient({ clock: new SystemClock(), servers: () => addresses, tryMs: 100, ...more })
  clients.push(client)
  return client
}

async function codeOf(asking: Promise<unknown>): Promise<string> {
  const outcome = await asking.catch((error: unknown) => error)
  if (outcome instanceof DnsError) return outcome.code
  throw new Error(`no DnsError but ${JSON.stringify(outcome)}`)
}

/** A loopback address at which nobody listens. */
async function deadAddress(): Promise<string> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return `127.0.0.1:${port}`
}

Client('tells records and the time to live of each type, SRV and NAPTR too', async () => {
  dns.srv('_sip._udp.example.com', [{ priority: 1, weight: 2, port: 5070, target: 'A.example.com' }], 77)
  dns.naptr(
    'example.com',
    [{ order: 1, preference: 2, flags: 's', service: 'SIP+D2T', replacement: '_sip._tcp.x' }],
    88,
  )
  dns.aaaa('six.example.com', ['2001:db8::5'], 99)
  const client = makeClient()
  assert.equal(await client.ask('_sip._udp.Example.com', 'SRV'), {
    records: [{ priority: 1, weight: 2, port: 5070, name: 'a.example.com' }],
    ttlMs: 77_000,
  })
  assert.equal(await client.ask('example.com', 'NAPTR'), {
    records: [{ order: 1, preference: 2, flags: 's', service: 'SIP+D2T', regexp: '', replacement: '_sip._tcp.x' }],
    ttlMs: 88_000,
  })
  assert.equal(await client.ask('six.example.com', 'AAAA'), { records: ['2001:db8::5'], ttlMs: 99_000 })
})

Client('a name or a type that does not exist is an answer, with how long that holds', async () => {
  dns.a('example.com', ['127.0.0.2'])
  const client = makeClient()
  assert.equal(await client.ask('nowhere.example.com', 'A'), { records: [], ttlMs: Infinity })
  dns.negativeTtlS = 5
  assert.equal(await client.ask('nowhere.example.com', 'A'), { records: [], ttlMs: 5_000 })
  assert.equal(await client.ask('example.com', 'SRV'), { records: [], ttlMs: 5_000 })
})

Client('asks anew about an alias that leads out of the answer; the least time on the way holds', async () => {
  dns.cname('a.example.com', 'b.example.com', 50)
  dns.cname('b.example.com', 'c.example.com', 20)
  dns.a('c.example.com', ['127.0.0.2'], 90)
  assert.equal(await makeClient().ask('a.example.com', 'A'), { records: ['127.0.0.2'], ttlMs: 20_000 })
  assert.equal(dns.asked, ['A a.example.com', 'A b.example.com', 'A c.example.com'])
})

Client('follows eight aliases and no more', async () => {
  for (let i = 0; i < 9; i++) dns.cname(`n${i}.example.com`, `n${i + 1}.example.com`)
  dns.a('n9.example.com', ['127.0.0.2'])
  const client = makeClient()
  assert.equal((await client.ask('n1.example.com', 'A')).records, ['127.0.0.2'])
  dns.asked.length = 0
  assert.is(await codeOf(client.ask('n0.example.com', 'A')), 'ECNAME')
  assert.is(dns.asked.length, 9)
  dns.cname('round.example.com', 'round.example.com')
  assert.is(await codeOf(client.ask('round.example.com', 'A')), 'ECNAME')
})

Client('each question has an id and a port of its own', async () => {
  const client = makeClient()
  for (let i = 0; i < 30; i++) await client.ask(`n${i}.example.com`, 'A')
  const different = (values: readonly (number | undefined)[]): number => new Set(values).size
  assert.ok(different(dns.queries.map(({ bytes }) => bytes.readUInt16BE(0))) > 25)
  assert.ok(different(dns.queries.map(({ udpPort }) => udpPort)) > 10)
})

Client('passes over answers to another id or question until the right one comes', async () => {
  dns.a('example.com', ['127.0.0.2'])
  dns.instead = (answer) => {
    const spoilt = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(answer)
      change(bytes)
      bytes.set([6, 6, 6, 6], bytes.length - 4)
      return bytes
    }
    return [
      spoilt((bytes) => bytes.writeUInt16BE(bytes.readUInt16BE(0) ^ 1, 0)),
      spoilt((bytes) => bytes.write('f', 14, 'latin1')),
      spoilt((bytes) => bytes.writeUInt16BE(0x0100, 2)),
      Buffer.alloc(0),
      Buffer.from('noise'),
      answer,
    ]
  }
  assert.equal((await makeClient().ask('example.com', 'A')).records, ['127.0.0.2'])
  assert.is(dns.asked.length, 1)
})

Client('takes an answer from nobody but the server it asked', async () => {
  dns.a('example.com', ['127.0.0.2'])
  const stranger = createSocket('udp4')
  await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.1', resolve))
  let answer: Buffer | undefined
  dns.instead = (bytes) => {
    answer = bytes
    return []
  }
  const asking = makeClient([dns.address], { tryMs: 300 }).ask('example.com', 'A')
  await eventually('the question', () => answer)
  const bytes = Buffer.from(answer!)
  bytes.set([6, 6, 6, 6], bytes.length - 4)
  stranger.send(bytes, dns.queries[0]!.udpPort!, '127.0.0.1')
  await new Promise((resolve) => setTimeout(resolve, 50))
  dns.instead = undefined
  assert.equal((await asking).records, ['127.0.0.2'])
  assert.is(dns.asked.length, 2)
  stranger.close()
})

Client('tries a silent server twice, and says that there was no answer', async () => {
  dns.fail('*', 'silent')
  const clock = new ManualClock()
  const asking = codeOf(makeClient([dns.address], { clock, tryMs: 500 }).ask('example.com', 'A'))
  await eventually('the first try', () => dns.asked.length === 1)
  clock.advance(499)
  assert.is(clock.pending, 1)
  clock.advance(1)
  await eventually('the second try', () => dns.asked.length === 2)
  clock.advance(500)
  assert.is(await asking, 'ETIMEOUT')
  assert.is(clock.pending, 0)
})

Client('asks the next server when one is silent, gone or broken, and the silent one last for a while', async () => {
  const good = await another()
  good.a('example.com', ['127.0.0.2'])
  for (const fault of ['servfail', 'refused', 'garbage', 'silent'] as const) {
    dns.fail('*', fault)
    assert.equal((await makeClient([dns.address, good.address]).ask('example.com', 'A')).records, ['127.0.0.2'], fault)
  }
  assert.equal((await makeClient([await deadAddress(), good.address]).ask('example.com', 'A')).records, ['127.0.0.2'])

  const clock = new ManualClock()
  const client = makeClient([dns.address, good.address], { clock })
  const asking = client.ask('example.com', 'A')
  await eventually('the silent one', () => clock.pending === 1)
  clock.advance(100)
  await asking
  const before = dns.asked.length
  await client.ask('example.com', 'A')
  assert.is(dns.asked.length, before)
  clock.advance(30_000)
  const later = client.ask('example.com', 'A')
  await eventually('the silent one', () => dns.asked.length > before)
  clock.advance(100)
  await later
})

Client('a server that failed for good is not asked about it twice; what it said is told', async () => {
  const codes = { servfail: 'ESERVFAIL', refused: 'EREFUSED' } as const
  for (const fault of ['servfail', 'refused'] as const) {
    dns.fail('*', fault)
    dns.asked.length = 0
    assert.is(await codeOf(makeClient().ask('example.com', 'A')), codes[fault])
    assert.is(dns.asked.length, 1)
  }
  assert.is(await codeOf(makeClient([await deadAddress()]).ask('example.com', 'A')), 'ECONNREFUSED')
  assert.is(await codeOf(makeClient([]).ask('example.com', 'A')), 'ENOSERVER')
})

Client('asks a server older than EDNS again without it (RFC 6891 7)', async () => {
  dns.a('example.com', ['127.0.0.2'])
  dns.fail('*', 'formerr')
  assert.equal((await makeClient().ask('example.com', 'A')).records, ['127.0.0.2'])
  assert.equal(
    dns.queries.map(({ bytes }) => bytes.readUInt16BE(10)),
    [1, 0],
  )
})

Client('asks over TCP when an answer was cut short; a stream that fails is a failed try', async () => {
  dns.a(
    'many.example.com',
    Array.from({ length: 1_000 }, (_, i) => `127.1.${i >> 8}.${i & 255}`),
    55,
  )
  const client = makeClient()
  const { records, ttlMs } = await client.ask('many.example.com', 'A')
  assert.equal([records.length, ttlMs], [64, 55_000])
  assert.equal(
    dns.queries.map(({ udpPort }) => udpPort === undefined),
    [false, true],
  )
  dns.tcpFault = 'closes'
  assert.is(await codeOf(client.ask('many.example.com', 'A')), 'ECONNREFUSED')
  dns.tcpFault = 'garbage'
  assert.is(await codeOf(client.ask('many.example.com', 'A')), 'EBADRESP')
  dns.tcpFault = 'silent'
  assert.is(await codeOf(client.ask('many.example.com', 'A')), 'ETIMEOUT')
})

Client('gives up what is under way when it is told to', async () => {
  dns.fail('*', 'silent')
  const clock = new ManualClock()
  const client = makeClient([dns.address], { clock })
  const codes = Promise.all([codeOf(client.ask('a.example.com', 'A')), codeOf(client.ask('b.example.com', 'SRV'))])
  await eventually('both questions', () => dns.asked.length === 2)
  client.close()
  assert.equal(await codes, ['ECANCELLED', 'ECANCELLED'])
  assert.is(clock.pending, 0)
})

Client('a name that no question can hold is refused at once', async () => {
  for (const name of ['a..b', 'a b', `${'a'.repeat(64)}.com`, 'x.'.repeat(200)]) {
    assert.is(await codeOf(makeClient().ask(name, 'A')), 'EBADNAME', name)
  }
  assert.is(dns.asked.length, 0)
})

Client('reads server addresses as they are configured', () => {
  assert.equal(parseServer('192.0.2.53'), { address: '192.0.2.53', port: 53 })
  assert.equal(parseServer('192.0.2.53:5353'), { address: '192.0.2.53', port: 5353 })
  assert.equal(parseServer('2001:db8::53'), { address: '2001:db8::53', port: 53 })
  assert.equal(parseServer('[2001:db8::53]:5353'), { address: '2001:db8::53', port: 5353 })
  assert.equal(parseServer('[::1]'), { address: '::1', port: 53 })
  for (const bad of ['', 'ns.example.com', '192.0.2.53:0', '192.0.2.53:65536', '192.0.2.53:x', '[::1', '1.2.3'])
    assert.throws(
      () => parseServer(bad),
      (error: unknown) => error instanceof TypeError,
      bad,
    )
})

Client.run()
