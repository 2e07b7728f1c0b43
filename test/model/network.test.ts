import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isLoopbackHost } from '../../src/model/network.js'

const Loopback = suite('Loopback')

Loopback('is 127.0.0.0/8, ::1 and localhost, and no name that only begins so', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LocalHost'])
    assert.is(isLoopbackHost(host), true, host)
  for (const host of [
    '127.0.0.1.example.com',
    '127.0.0.999',
    '128.0.0.1',
    '0.0.0.0',
    '::',
    'localhost.example.com',
    '',
  ])
    assert.is(isLoopbackHost(host), false, host)
})

Loopback.run()
