// time limit: 60 s
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshNumber, onlyCdr, requestsTo } from '../support/call.js'
import { type Certificate, TestAuthority } from '../support/certificates.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { freePort } from '../support/free-port.js'
import { runSipp, scenarioFolder, Sipp } from '../support/sipp.js'
import { TlsTunnel } from '../support/tls-tunnel.js'

const TlsSipp = suite('Calls of SIPp over TLS on both legs')

let authority: TestAuthority
let agentCertificate: Certificate
let edge: TestEdge
let tlsPort = 0

TlsSipp.before(async () => {
  authority = TestAuthority.create()
  agentCertificate = authority.issue([`IP:${AGENT}`])
  const own = authority.issue(['DNS:edge.example.com'])
  const sipPort = await freePort(EDGE)
  tlsPort = await freePort(EDGE)
  edge = await TestEdge.start({
    sipPort,
    env: {
      SIP_CONTACTS: `sip:${EDGE}:${sipPort};transport=udp,tcp,sip:${EDGE}:${tlsPort};transport=tls`,
      SIGNALBOX__SIP__TLS__CERTIFICATE_FILE: own.certificateFile,
      SIGNALBOX__SIP__TLS__KEY_FILE: own.keyFile,
      SIGNALBOX__SIP__TLS__CA_FILE: authority.certificateFile,
    },
  })
})

TlsSipp.after(async () => {
  await edge?.stop()
  authority?.close()
})

/**
 * A scenario whose messages say TLS, as those of a SIPp that has it would.
 * @param port in its Contacts: where it is reached over TLS
 */
function overTls(scenario: string, port?: number): string {
  const path = join(authority.folder, `${scenario}.xml`)
  const text = readFileSync(join(scenarioFolder, `${scenario}.xml`), 'utf8')
  const contact = port === undefined ? '[local_port];transport=tls' : `${port};transport=tls`
  const secure = text.replaceAll('SIP/2.0/[transport]', 'SIP/2.0/TLS')
  writeFileSync(path, secure.replaceAll('[local_port];transport=[transport]', contact))
  return path
}

for (const [what, caller, agent] of [
  ['INVITE, ACK and BYE of the caller', 'uac-basic', 'uas-basic'],
  ['BYE of the agent', 'uac-wait-bye', 'uas-bye'],
  ['hold and resume', 'uac-reinvite-hold-resume', 'uas-reinvite'],
] as const)
  TlsSipp(`${what} pass`, async () => {
    const number = freshNumber()
    const port = await freePort(AGENT)
    const toAgent = await TlsTunnel.fromTls(AGENT, agentCertificate, { address: AGENT, port })
    const uas = await Sipp.start({ scenario: overTls(agent, toAgent.port), address: AGENT, port, protocol: 'tcp' })
    const toEdge = await TlsTunnel.toTls(
      CALLER,
      { address: EDGE, port: tlsPort },
      authority.certificate,
      'edge.example.com',
    )
    try {
      await edge.addNumber(number, `agent-${number.slice(1)}`, [`sip:agent@${AGENT}:${toAgent.port};transport=tls`])
      const called = await runSipp({
        scenario: overTls(caller),
        address: CALLER,
        protocol: 'tcp',
        target: { address: CALLER, port: toEdge.port },
        service: number,
        holdMs: 100,
      })
      const answered = called.exitCode === 0 ? await uas.finished : await uas.stop()
      assert.is(called.exitCode, 0, called.errors)
      assert.is(answered.exitCode, 0, answered.errors)
      const [invite] = requestsTo(answered, 'INVITE')
      assert.match(invite?.header('via') ?? '', /^SIP\/2\.0\/TLS /)
      assert.match(invite?.header('contact') ?? '', /;transport=tls/)
      assert.equal([...toEdge.versions, ...toAgent.versions], ['TLSv1.3', 'TLSv1.3'])
      assert.is((await onlyCdr(edge, number)).result, 'answered')
    } finally {
      toEdge.close()
      toAgent.close()
    }
  })

TlsSipp.run()
