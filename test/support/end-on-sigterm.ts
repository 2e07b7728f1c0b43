// Loaded before every test file by the runner. A signal alone would end the process without its 'exit' listeners, and those
// stop the Redis and SIPp children.
process.once('SIGTERM', () => process.exit(143))
