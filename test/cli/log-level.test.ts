import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { reloadLogLevel } from '../../src/cli/log-level.js'
import { configSchema } from '../../src/config/index.js'
import { createLogger } from '../../src/telemetry/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const LogLevel = suite("The engine's log level")
const config = configSchema.parse({ log: { level: 'warn' } })

/** A log at level `info`, and an XML file that can be written anew. */
function setUp() {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } })
  const file = join(temporaryFolder(), 'drachtio.conf.xml')
  const write = (logging: string): void => writeFileSync(file, `<drachtio><logging>${logging}</logging></drachtio>`)
  return { lines, logger, file, write }
}

LogLevel('is that of the XML file when it is read again, and without one that of the configuration', () => {
  const { lines, logger, file, write } = setUp()
  write('<loglevel>debug</loglevel>')
  reloadLogLevel({ file }, config, logger)
  assert.is(logger.level, 'debug')
  assert.match(lines.join(), /"logLevel":"debug".*Log level changed/)
  write('')
  reloadLogLevel({ file }, config, logger)
  assert.is(logger.level, 'warn')
})

LogLevel('stays where the command line sets it', () => {
  const { lines, logger, file, write } = setUp()
  write('<loglevel>debug</loglevel>')
  reloadLogLevel({ file, values: { logLevel: 'info' } }, config, logger)
  assert.is(logger.level, 'info')
  assert.equal(lines, [])
})

LogLevel('stays as it was when the file is wrong, and the log says why', () => {
  const { lines, logger, file, write } = setUp()
  write('<loglevel>loud</loglevel>')
  reloadLogLevel({ file }, config, logger)
  assert.is(logger.level, 'info')
  assert.match(lines.join(), /The log level stays as it was: .*loglevel/)
})

LogLevel.run()
