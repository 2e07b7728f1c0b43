import type { Clock, Engine } from '../engine/index.js'
import { CertificateWatch, type Logger, type Metrics, type WatchedCertificate } from '../telemetry/index.js'

type Watched = Pick<Engine, 'certificates' | 'tlsPeers'>

/** Watches the ends of our certificates and of those that trunks' servers showed, from now on. */
export function watchCertificates(
  engine: Watched,
  parts: { clock: Clock; metrics: Metrics; logger: Logger },
): CertificateWatch {
  const { clock, metrics, logger } = parts
  const watch = new CertificateWatch({ certificates: () => certificatesOf(engine), logger, clock })
  metrics.observeCertificates(() => watch.seconds())
  watch.start()
  return watch
}

function certificatesOf(engine: Watched): WatchedCertificate[] {
  const ours = engine.certificates()
  const found: WatchedCertificate[] = []
  if (ours !== undefined) {
    found.push({
      label: 'server',
      what: `ours (${ours.own.names || ours.own.subject})`,
      notAfter: new Date(ours.own.validTo),
    })
    for (const [name, { validTo }] of ours.named)
      found.push({ label: `client:${name}`, what: `ours for trunks, named ${name}`, notAfter: new Date(validTo) })
  }
  for (const { dialled, notAfter, verifiedAt } of engine.tlsPeers.all())
    // One that never proved who it is could be anybody's.
    if (notAfter !== undefined && verifiedAt !== undefined)
      found.push({ label: 'peers', what: `of the server ${dialled}`, notAfter })
  return found
}
