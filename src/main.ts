#!/usr/bin/env node
import { processIo } from './cli/io.js'
import { run } from './cli/program.js'

process.exitCode = await run(process.argv.slice(2), processIo())
// What is written is flushed by then; a connection that somebody keeps open must not keep the command.
setTimeout(() => process.exit(), 1_000).unref()
