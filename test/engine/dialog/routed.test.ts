import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestRouter } from '../../../src/engine/dialog/app.js'
import { CoreHarness, nothingLeft, RecordingApp } from '../../support/core-harness.js'
import { peerRequest } from '../../support/dialog-bench.js'

const Routed = suite('A request that a handler routes')

Routed('to an application that is gone by then is answered 480, and nothing waits for it', () => {
  const gone = new RecordingApp()
  gone.open = false
  const router: RequestRouter = {
    takes: () => true,
    ask: (_request, _flow, decided) => {
      decided({ kind: 'app', app: gone })
      return { abort: () => undefined }
    },
  }
  const harness = new CoreHarness({ router })
  harness.receive(peerRequest('INVITE'))
  assert.is(harness.sentResponses(480).length, 1)
  assert.equal(gone.delivered, [])
  const { toTag } = harness.sentResponses(480)[0]!
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKINVITE1call-1', toTag }))
  harness.clock.advance(100_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Routed.run()
