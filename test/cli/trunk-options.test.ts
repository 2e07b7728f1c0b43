import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CliError } from '../../src/cli/errors.js'
import type { Io } from '../../src/cli/io.js'
import { addTrunkOptions, trunkFieldsOf } from '../../src/cli/trunk-options.js'
import { TestAuthority } from '../support/certificates.js'

const TrunkOptions = suite('Options of a trunk')

let authority: TestAuthority

TrunkOptions.before(() => {
  authority = TestAuthority.create()
})
TrunkOptions.after(() => authority.close())

const fieldsOf = (...args: string[]): Promise<Record<string, unknown>> => {
  const command = addTrunkOptions(new Command()).exitOverride()
  command.parse(args, { from: 'user' })
  return trunkFieldsOf(command.opts(), {} as Io)
}

TrunkOptions('those of TLS are one group, with the certificates of a file on this machine', async () => {
  const pin = 'ab'.repeat(32)
  const named = ['--tls-server-name', 'a.example.com', '--tls-pinned-name', 'b.example.com']
  const shown = ['--tls-client-certificate', 'carrier', '--tls-pinned-sha256', pin, '--tls-verify']
  assert.equal(await fieldsOf(...named, ...shown, '--tls-ca-file', authority.certificateFile), {
    tls: {
      server_name: 'a.example.com',
      ca: authority.certificate,
      client_certificate: 'carrier',
      pinned_name: 'b.example.com',
      pinned_sha256: [pin],
      verify: true,
    },
  })
  assert.equal(await fieldsOf('--no-tls-verify', '--media-encryption', 'required'), {
    media_encryption: 'required',
    tls: { verify: false },
  })
  assert.equal(await fieldsOf('--username', 'u'), { username: 'u' }, 'nothing is said of TLS')
})

TrunkOptions('a file with a private key stays on this machine, and one that is not there is named', async () => {
  const file = join(authority.folder, 'both.pem')
  writeFileSync(file, authority.certificate + authority.issue(['DNS:a']).key)
  for (const [name, why] of [
    [file, 'holds a private key'],
    [`${file}.none`, 'cannot be read (ENOENT)'],
  ] as const) {
    const outcome: unknown = await fieldsOf('--tls-ca-file', name).catch((error: unknown) => error)
    assert.instance(outcome, CliError)
    assert.match((outcome as CliError).message, `--tls-ca-file ${name} ${why}`)
  }
})

TrunkOptions.run()
