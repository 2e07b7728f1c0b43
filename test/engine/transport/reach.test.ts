import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { supportsOf } from '../../../src/engine/transport/reach.js'

const Reach = suite('Reach')

Reach('reads what a SIP server says it listens on: protocol and family', () => {
  const supports = supportsOf(['udp/192.0.2.1:5060', 'tcp/192.0.2.1:5060', 'udp/[2001:db8::1]:5060'])
  assert.ok(supports('udp', 4) && supports('udp', 6) && supports('tcp', 4))
  assert.not(supports('tcp', 6) || supports('tls', 4))
})

Reach('a loopback address counts only where there is no other', () => {
  const mixed = supportsOf(['udp/192.0.2.1:5060', 'udp/[::1]:5060', 'tcp/127.0.0.1:5060'])
  assert.not(mixed('udp', 6))
  assert.ok(mixed('udp', 4) && mixed('tcp', 4))
})

Reach('passes over what is no address', () => {
  const supports = supportsOf(['', 'udp/', 'udp/host.example:5060', 'ws/192.0.2.1:80', 'udp/192.0.2.1', '/192.0.2.1:1'])
  for (const protocol of ['udp', 'tcp', 'tls'] as const) assert.not(supports(protocol, 4) || supports(protocol, 6))
})

Reach.run()
