import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findKnee, type Search } from './knee.js'

const Knees = suite('Knee')

/** Searches a system that has trouble from `limit` on; also what was run. */
async function search(limit: number, options: Partial<Search> = {}) {
  const run: number[] = []
  const isClean = (rate: number): Promise<boolean> => {
    run.push(rate)
    return Promise.resolve(rate < limit)
  }
  const knee = await findKnee({ rates: [50, 100, 200, 300, 400], resolution: 25, tries: 1, isClean, ...options })
  return { knee, run }
}

Knees('the rate rises until there is trouble, then the interval is halved down to the resolution', async () => {
  const { knee, run } = await search(260)
  assert.equal(knee, { clean: 250, troubled: 275 })
  assert.equal(run, [50, 100, 200, 300, 250, 275])
})

Knees('is narrowed down wherever it lies', async () => {
  for (let limit = 1; limit <= 400; limit += 7) {
    const { knee } = await search(limit)
    assert.ok((knee.clean ?? 0) < limit && (knee.troubled ?? 0) >= limit, `${limit}: ${JSON.stringify(knee)}`)
    assert.ok((knee.troubled ?? 0) - (knee.clean ?? 0) <= 25, `${limit}: ${JSON.stringify(knee)}`)
  }
})

Knees('no rate above the last one given is tried', async () => {
  assert.equal((await search(1_000)).knee, { clean: 400, troubled: null })
})

Knees('trouble at every rate leaves no clean one', async () => {
  assert.equal((await search(0, { resolution: 0 })).knee, { clean: null, troubled: 50 })
  assert.equal((await search(0)).knee, { clean: null, troubled: 25 })
})

Knees('a rate counts as troubled when every one of its runs has trouble', async () => {
  let runs = 0
  const isClean = (rate: number): Promise<boolean> => Promise.resolve(rate < 300 || (rate === 300 && ++runs === 2))
  const knee = await findKnee({ rates: [200, 300, 400], resolution: 0, tries: 2, isClean })
  assert.equal(knee, { clean: 300, troubled: 400 })
})

Knees('an interruption ends the search', async () => {
  const isClean = (): Promise<boolean> => Promise.reject(new Error('interrupted'))
  const ending = await findKnee({ rates: [50], resolution: 0, tries: 2, isClean }).catch(
    (error: Error) => error.message,
  )
  assert.is(ending, 'interrupted')
})

Knees.run()
