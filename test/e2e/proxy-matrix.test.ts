// time limit: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { NameServer } from '../support/name-server.js'
import { CALLED, closeCells, faultOf, importCell, openCells, rows, table, type Cell } from '../support/proxy-matrix.js'
import { agentOn, callOut } from '../support/trunk-edge.js'

// Every request of a trunk by every form of its outbound proxy: the bytes go to the proxy and only there, and the Request-URI
// names sip_domain. A request in a dialog goes by the dialog's route, and to the far end's Contact.
const Matrix = suite('Outbound proxy')

let names: NameServer
let edge: TestEdge
let agent: Carrier
let cells: Cell[] = []

Matrix.before(async () => {
  names = await NameServer.start()
  cells = await openCells(names)
  edge = await TestEdge.start({ env: { SIGNALBOX__DNS__SERVERS: names.address } })
  agent = await agentOn(edge, 'front')
  for (const cell of cells) await importCell(edge, cell, 'front')
  // What does not come is told by the tests, one row each.
  await everywhere((cell) => settled(cell, 'OPTIONS with credentials', 15_000))
  await everywhere((cell) => settled(cell, 'REGISTER with credentials', 15_000))
  for (const cell of cells) await call(cell)
  await everywhere((cell) => settled(cell, 'BYE of the call', 5_000))
  await everywhere(async ({ trunkId }) => void (await edge.api('POST', `/v1/trunks/${trunkId}/unregister`)))
  await everywhere((cell) => settled(cell, 'un-REGISTER', 10_000))
})

Matrix.after(async () => {
  console.log(`\n${table(cells)}\n`)
  await agent?.close()
  await edge?.stop()
  await closeCells(cells)
  await names.stop()
})

const everywhere = async (act: (cell: Cell) => Promise<unknown>): Promise<void> => {
  await Promise.all(cells.map((cell) => act(cell).catch(() => undefined)))
}

/** Waits for a request of a row. */
const settled = (cell: Cell, title: string, timeoutMs: number): Promise<unknown> =>
  eventually(title, () => rows.find((row) => row.title === title)?.find(cell), timeoutMs)

/** A call by the agent through the cell's trunk, answered and ended by the agent; whatever comes of it. */
async function call({ number }: Cell): Promise<void> {
  const placed = await callOut(agent, edge, { from: number, to: CALLED }).catch(() => undefined)
  if (placed?.status === 200) placed.send('BYE')
}

for (const row of rows)
  Matrix(
    `${row.title}: to the proxy and only there, for ${row.title.startsWith('BYE') ? 'the Contact' : 'sip_domain'}`,
    () => {
      const faults = cells.flatMap((cell) => {
        const fault = faultOf(row, cell, cells)
        return fault === undefined ? [] : [`${cell.column.title} over ${cell.protocol}: ${fault}`]
      })
      assert.equal(faults, [])
    },
  )

Matrix('the far end found nothing wrong with any credentials', () => {
  assert.equal(
    cells.flatMap(({ carrier }) => carrier.complaints),
    [],
  )
})

Matrix('nothing at all came to where the domain or the default port would have led', () => {
  const came = cells.flatMap(({ decoys }) =>
    decoys.flatMap(({ heard }) => heard.map(({ message }) => message.startLine)),
  )
  assert.equal(came, [])
})

Matrix.run()
