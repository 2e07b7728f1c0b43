import { spawnSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pino } from 'pino'
import { blankFields } from '../../src/telemetry/blank-fields.js'
import { createLogger, type Logger } from '../../src/telemetry/index.js'
import { quickenLines } from '../../src/telemetry/log-lines.js'

type Level = Parameters<typeof createLogger>[0]['level']

function logging(level: Level = 'info'): {
  logger: Logger
  lines: () => Record<string, unknown>[]
  text: () => string
} {
  let text = ''
  const logger = createLogger({ level, destination: { write: (line) => void (text += line) } })
  const lines = () =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { logger, lines, text: () => text }
}

const Logging = suite('Logging')

Logging('a line is JSON with the level as a word and the time in UTC', () => {
  const { logger, lines } = logging()
  logger.child({ callId: 'c1' }).info({ leg: 'A', trunk: 'pbx' }, 'call started')
  const [line] = lines()
  assert.match(String(line?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  assert.equal(
    { ...line, time: '' },
    { level: 'info', time: '', callId: 'c1', leg: 'A', trunk: 'pbx', msg: 'call started' },
  )
})

Logging('secrets are blanked at any depth and in any spelling; the object that was logged keeps them', () => {
  const { logger, text } = logging()
  const fields = {
    admin_token: 'hunter2',
    Authorization: 'Bearer hunter2',
    trunk: { auth: { password: 'hunter2', secret_key: Buffer.from('hunter2') }, list: [{ passwd: 12345678 }] },
    digest: { response: 'hunter2' },
    headers: { 'Proxy-Authorization': ['hunter2'], 'set-cookie': 'hunter2' },
  }
  logger.info(fields, 'x')
  assert.not.match(text(), /hunter2|12345678|104,117,110/)
  assert.is(text().match(/\*\*\*/g)?.length, 8)
  assert.is(fields.trunk.auth.password, 'hunter2')
})

Logging('a command that Redis refused is not in the line of its error, nor what else of an error is secret', () => {
  const { logger, lines, text } = logging()
  const refused = Object.assign(new Error('WRONGTYPE Operation'), {
    code: 'X',
    command: { name: 'set', args: ['key', 'hunter2'] },
    request: { authorization: 'Bearer hunter2' },
  })
  logger.error({ err: refused }, 'x')
  logger.error({ err: new AggregateError([refused], 'several') }, 'x')
  logger.error({ err: Object.assign(new Error('outer', { cause: refused }), { lastNodeError: refused }) }, 'x')
  assert.not.match(text(), 'hunter2')
  const err = lines()[0]?.['err'] as Record<string, unknown>
  assert.equal([err['type'], err['message'], err['code']], ['Error', 'WRONGTYPE Operation', 'X'])
  assert.match(String(err['stack']), 'logger.test')
})

Logging('what is no secret stays: a numeric response, errors, dates, names that only contain the words', () => {
  const { logger, lines } = logging()
  logger.error({ response: 486, err: new Error('gone'), at: new Date(0), tokens_left: 3, password: null }, 'x')
  const line = lines()[0] ?? {}
  assert.is(line.response, 486)
  assert.is((line.err as { message: string }).message, 'gone')
  assert.is(line.at, '1970-01-01T00:00:00.000Z')
  assert.is(line.tokens_left, 3)
  assert.is(line.password, null)
})

Logging('fields that refer to themselves are written, not followed for ever', () => {
  const { logger, lines } = logging()
  const circle: Record<string, unknown> = { name: 'c' }
  circle.self = circle
  logger.info({ circle }, 'x')
  assert.is((lines()[0]?.circle as { name: string }).name, 'c')
})

Logging('every line is the one that Pino makes by itself, to the byte', () => {
  const circle: Record<string, unknown> = { name: 'c' }
  circle.self = circle
  const lines: readonly (readonly [object, string?])[] = [
    [
      { callId: 'c1', n: 1.5, bad: NaN, none: undefined, nothing: null, yes: true, run: () => 1 },
      'Zoë "said" \\ \n\u0001 ☃',
    ],
    [{}, 'no fields'],
    [{ a: 'x' }],
    [{ deep: { list: [1, { b: [] }], at: new Date(0) }, buffer: Buffer.from('x'), long: '"'.repeat(300) }, ''],
    [{ circle, big: 1n }, 'x'],
    [{ token: 'hunter2', deep: { password: 'hunter2' } }, 'x'],
    [{ err: 'text' }, 'x'],
    [Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } }), 'x'],
  ]
  const texts = [false, true].map((quick) => {
    let text = ''
    const log = { level: (level: string) => ({ level }), log: blankFields }
    const logger = pino(
      { level: 'debug', base: null, timestamp: () => ',"time":"T"', formatters: log },
      { write: (line) => void (text += line) },
    )
    if (quick) quickenLines(logger)
    for (const one of [logger, logger.child({ edge: 'e1', n: 2 })])
      for (const [fields, message] of lines) {
        one.info(fields, message)
        one.warn(fields, message)
        one.debug(fields, message)
      }
    return text
  })
  assert.is(texts[1], texts[0])
  assert.is(texts[1]?.split('\n').length, 2 * 3 * lines.length + 1)
})

Logging('only lines of the level and above are written', () => {
  const { logger, lines } = logging('warn')
  logger.info('no')
  logger.warn('yes')
  assert.equal(
    lines().map(({ msg }) => msg),
    ['yes'],
  )
})

Logging('what was logged right before the process exits is still written', () => {
  const module = new URL('../../src/telemetry/index.js', import.meta.url).href
  const script = `import { createLogger } from '${module}'
    const logger = createLogger({ level: 'info' })
    for (let i = 0; i < 100; i++) logger.info({ i }, 'line')
    process.exit(3)`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.is(status, 3)
  assert.is(stdout.trim().split('\n').length, 100)
})

Logging.run()
