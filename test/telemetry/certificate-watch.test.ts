import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CertificateWatch, Metrics, type WatchedCertificate } from '../../src/telemetry/index.js'
import { ManualClock } from '../support/manual-clock.js'

const Watch = suite('Ends of certificates')

const DAY_MS = 86_400_000

function start(certificates: WatchedCertificate[]) {
  const clock = new ManualClock()
  const lines: string[] = []
  const logger = { warn: (_fields: object, message: string) => void lines.push(message) }
  const watch = new CertificateWatch({ certificates: () => certificates, logger, clock })
  const inDays = (days: number): Date => new Date(clock.date().getTime() + days * DAY_MS)
  return { clock, lines, watch, inDays, certificates }
}

Watch('are told in the log 30, 7 and 1 days before and when they have come, once each', () => {
  const { clock, lines, watch, inDays, certificates } = start([])
  certificates.push({ label: 'server', what: 'ours', notAfter: inDays(40) })
  watch.start()
  const told: Record<number, string> = {}
  for (let day = 1; day <= 42; day++) {
    clock.advance(DAY_MS)
    if (lines.length > 0) told[day] = lines.splice(0).join('; ')
  }
  assert.equal(told, {
    10: 'Certificate ends within 30 days: ours',
    33: 'Certificate ends within 7 days: ours',
    39: 'Certificate ends within 1 day: ours',
    40: 'Certificate has ended: ours',
  })
  certificates[0] = { label: 'server', what: 'ours', notAfter: inDays(3) }
  clock.advance(3_600_000)
  assert.equal(lines, ['Certificate ends within 7 days: ours'], 'the new one is another')
  watch.stop()
  assert.is(clock.pending, 0)
})

Watch('are told as seconds at each scrape: the first of those that share a label', async () => {
  const { watch, inDays, certificates } = start([])
  const metrics = new Metrics()
  metrics.observeCertificates(() => watch.seconds())
  certificates.push(
    { label: 'server', what: 'ours', notAfter: inDays(1) },
    { label: 'peers', what: 'a', notAfter: inDays(2) },
    { label: 'peers', what: 'b', notAfter: inDays(-1) },
    { label: 'peers', what: 'c', notAfter: new Date('never') },
  )
  const read = async (): Promise<string[]> =>
    (await metrics.render()).split('\n').filter((line) => line.startsWith('signalbox_tls_certificate_expiry_seconds'))
  assert.equal(await read(), [
    'signalbox_tls_certificate_expiry_seconds{certificate="server"} 86400',
    'signalbox_tls_certificate_expiry_seconds{certificate="peers"} -86400',
  ])
  certificates.length = 0
  assert.equal(await read(), [])
  metrics.stop()
})

Watch.run()
