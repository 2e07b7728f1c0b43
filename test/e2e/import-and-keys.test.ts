import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Child } from '../support/children.js'
import { commandEnvironment, commandFile, runCommand, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'

const ImportAndKeys = suite('A file of numbers and the secret key, on a running edge')

const folder = mkdtempSync(join(tmpdir(), 'signalbox-import-'))
const file = join(folder, 'numbers.csv')
const ROWS = 600
let redis: TestRedis
let edge: TestEdge

const at = (): string[] => ['--url', edge.url, '--token', edge.token]

ImportAndKeys.before(async () => {
  redis = await startRedis()
  edge = await TestEdge.start({ redisUrl: redis.url, dataFolder: join(folder, 'data') })
  await edge.must('PUT', '/v1/agents/front', { sip_uri: 'sip:agent@127.0.0.3:5090' })
  const rows = Array.from({ length: ROWS }, (_, n) => {
    const trunk = n % 100
    return `+1415555${String(n).padStart(4, '0')},t${trunk}.example.com,u,hush-hush-${trunk},front,c,hush-hush`
  })
  const header =
    'phone_number,sip_domain,username,password,inbound_agent_id,inbound_auth.username,inbound_auth.password'
  writeFileSync(file, [header, ...rows].join('\n'))
})

ImportAndKeys.after(async () => {
  await edge.stop()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})

const numbers = async (): Promise<number> =>
  (await edge.must<{ items: unknown[] }>('GET', '/v1/numbers?limit=1000')).items.length

ImportAndKeys(
  'Ctrl-C in the middle of a file leaves whole rows and says where to go on; that completes it',
  async () => {
    const child = new Child(process.execPath, [commandFile, 'number', 'import', '--file', file, ...at()], {
      env: commandEnvironment({}),
    })
    await eventually('some rows are imported', async () => ((await numbers()) > 50 ? true : undefined))
    const code = await child.stop('SIGINT', 15_000)
    const next = /go on with --from-line (\d+)/.exec(child.output)?.[1]
    assert.is(code, 1, child.output)
    assert.ok(next !== undefined, child.output)
    assert.is(await numbers(), Number(next) - 2)
    const rest = await runCommand(['number', 'import', '--file', file, '--from-line', next, ...at()], {}, 60_000)
    assert.is(rest.exitCode, 0, rest.output)
    assert.is(await numbers(), ROWS)
    const { items } = await edge.must<{ items: Record<string, unknown>[] }>('GET', '/v1/trunks?limit=1000')
    assert.is(items.length, 100)
    assert.ok(items.every((trunk) => trunk['has_password'] === true && trunk['has_inbound_password'] === true))
    for (const output of [child.output, rest.output, edge.output]) assert.not.match(output, 'hush-hush')
  },
)

ImportAndKeys(
  'an edge killed while it rotates the key reads every password when it is back, and completes the rotation',
  async () => {
    for (let round = 0; round < 3; round++) {
      await edge.must('POST', '/v1/secret-key/rotations', { shared_data_folder: true })
      // A different moment each time.
      await new Promise((resolve) => setTimeout(resolve, round * 7))
      edge.child.kill('SIGKILL')
      await edge.child.exited
      const { sipPort, httpPort, dataFolder } = edge
      edge = await TestEdge.start({ redisUrl: redis.url, dataFolder, sipPort, httpPort })
      // Nobody waits here for the turn of the dead one to end.
      await redis.cli('DEL', 'signalbox:index:secret-rotation')
      const again = await runCommand(['secret', 'rotate', '--json', '--shared-data-folder', ...at()])
      assert.is(again.exitCode, 0, again.output)
      const told = JSON.parse(again.output) as Record<string, unknown>
      assert.is(told['total'], 200)
      assert.is(told['unreadable_count'], 0)
      assert.equal(told['kept_keys'], [])
    }
    assert.not.ok(readdirSync(edge.dataFolder).includes('former-secret-keys'))
    assert.not.match(edge.output, 'hush-hush')
  },
)

ImportAndKeys.run()
