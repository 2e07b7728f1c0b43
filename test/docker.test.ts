import { existsSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { loadConfig, parseListen } from '../src/config/index.js'
import { variables } from '../src/config/environment.js'

interface Service {
  readonly environment: Record<string, string>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
}

const compose = parse(readFileSync('docker/compose.yaml', 'utf8')) as {
  services: { edge: Service; drachtio: Service; redis: Service }
  volumes: Record<string, null>
}
const dockerfile = readFileSync('docker/Dockerfile', 'utf8').replaceAll('\\\n', ' ')

/** What an operator exports, as the head of compose.yaml says. */
const exported: Record<string, string> = {
  DRACHTIO_SECRET: 'a'.repeat(48),
  SIGNALBOX_ADMIN_TOKEN: 'b'.repeat(48),
  SIGNALBOX_SECRET_KEY: 'cd'.repeat(32),
  SIP_EXTERNAL_IP: '203.0.113.10',
}

const filledIn = (text: string): string =>
  text.replace(
    /\$\{(\w+)(?::(-|\?)([^}]*))?\}/g,
    (_all, name: string, kind: string, rest: string) => exported[name] ?? (kind === '-' ? rest : ''),
  )

const Docker = suite('Docker')

Docker('the edge gets variables that exist, and a configuration that is accepted', () => {
  const environment = Object.entries(compose.services.edge.environment)
  for (const [name] of environment) assert.ok(name in variables, name)
  const config = loadConfig({ env: Object.fromEntries(environment.map(([name, value]) => [name, filledIn(value)])) })
  assert.is(config.drachtio.host, 'drachtio')
  assert.is(config.drachtio.secret, exported.DRACHTIO_SECRET)
  assert.is(filledIn(compose.services.drachtio.environment.DRACHTIO_SECRET ?? ''), exported.DRACHTIO_SECRET)
})

Docker('the control port is not published, the API only to this machine, and Redis keeps its data', () => {
  const { edge, drachtio, redis } = compose.services
  assert.equal(drachtio.ports, ['5060:5060/udp', '5060:5060/tcp'])
  for (const port of edge.ports ?? []) assert.ok(port.startsWith('127.0.0.1:'), port)
  assert.is(redis.ports, undefined)
  const [volume] = (redis.volumes ?? []).map((mount) => mount.split(':'))
  assert.is(volume?.[1], '/data')
  assert.ok((volume?.[0] ?? '') in compose.volumes)
})

Docker('the image copies what exists, runs as nobody special, and asks /healthz where it listens', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]?.split(' ') ?? [])
  assert.ok(copied.length > 4)
  for (const path of copied) assert.ok(existsSync(path), path)
  const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
  assert.match(lastStage, /^USER node$/m)
  const listen = /HTTP_LISTEN=(\S+)/.exec(lastStage)?.[1] ?? ''
  assert.ok(lastStage.includes(`http://127.0.0.1:${parseListen(listen)?.port}/healthz`))
})

Docker.run()
