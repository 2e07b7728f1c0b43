import * as assert from 'uvu/assert'
import { readAppText } from '../../src/engine/dialog/app-text.js'
import type { Outcome, RequestRouter, Verdict } from '../../src/engine/dialog/app.js'
import type { SipRequest } from '../../src/engine/message/message.js'
import type { Flow } from '../../src/engine/transport/transport.js'
import { CoreHarness, nothingLeft, RecordingApp } from './core-harness.js'
import { PEER, peerRequest, peerResponse, SDP, SDP_LINES } from './dialog-bench.js'
import { createDice } from './random-dice.js'

const SERVER_STATUSES = [100, 180, 183, 183, 199, 200, 200, 200, 202, 302, 401, 407, 486, 488, 491, 503, 603]
const CLIENT_STATUSES = [100, 180, 183, 200, 200, 200, 202, 302, 401, 407, 408, 481, 486, 487, 491, 503, 603]
const IN_DIALOG = [
  'ACK',
  'ACK',
  'BYE',
  'BYE',
  'INVITE',
  'INVITE',
  'UPDATE',
  'INFO',
  'PRACK',
  'NOTIFY',
  'CANCEL',
  'SUBSCRIBE',
  'REFER',
]
const CONTACTS = [
  '<sip:peer@198.51.100.7:5060;nat=yes>',
  '<sip:peer@198.51.100.7:5060>',
  '<sip:peer@198.51.100.7:5060;transport=tcp>',
  '<sip:peer@10.0.0.9:5062>',
  '<sip:peer@moved.example>',
  '<sip:peer@198.51.100.7;transport=sctp>',
  '<tel:+14155550100>',
]
const STREAM = ['198.51.100.7', 40_000] as const

/** Everything that goes on between a peer, the core and an application, in an order that the seed decides. */
export class CoreWorld {
  readonly harness: CoreHarness
  private readonly dice: (limit: number) => number
  private branch = 0
  /** Transactions of requests that applications sent, each with its application. */
  readonly asked: Array<{ txnId: string; app: RecordingApp }> = []
  private readonly pending: Array<Promise<unknown>> = []
  private readonly apps: RecordingApp[] = []
  private readonly heard: Array<{ lines: readonly string[]; flow: (Flow & { open: boolean }) | undefined }> = []
  /** What applications had proxied: whether it was taken on, and how often they were told that it is over. */
  readonly proxied: Array<{ accepted: boolean; done: number }> = []

  /** Events of calls that were recorded. */
  readonly records = { attempts: 0, starts: 0, stops: 0 }
  /** Nothing is proxied here: then the records of calls come out even. (What is only passed on is recorded as it comes by.) */
  readonly plain: boolean
  private readonly questions: Array<(() => void) | undefined> = []

  /** A request handler that decides at once, later or never. */
  private readonly router: RequestRouter = {
    takes: (method) => method === 'INVITE' || method === 'MESSAGE',
    ask: (_request, _flow, decided) => {
      const decide = (): void => decided(this.verdict())
      const place = this.questions.push(decide) - 1
      if (this.dice(2) === 0) this.decide(place)
      return { abort: () => void (this.questions[place] = undefined) }
    },
  }

  constructor(seed: number) {
    this.dice = createDice(seed)
    const defaultRefresher = this.pick(['none', 'uac', 'uas'] as const)
    this.plain = this.dice(3) === 0
    const count = this.records
    this.harness = new CoreHarness({
      echoGapMs: this.pick([0, 3]),
      sessionTimers: { defaultRefresher },
      settings: { alwaysRing: this.dice(4) === 0, nat: this.pick([{}, { aggressive: true }, { detection: false }]) },
      records: {
        attempt: () => void (count.attempts += 1),
        start: () => void (count.starts += 1),
        stop: () => void (count.stops += 1),
      },
      ...(!this.plain && this.dice(3) === 0 ? { router: this.router } : {}),
    })
    this.apps.push(this.harness.app)
    this.harness.targets = [{ protocol: 'udp', address: '198.51.100.7', port: 5060 }]
  }

  private decide(place: number): void {
    const question = this.questions[place]
    this.questions[place] = undefined
    question?.()
  }

  private verdict(): Verdict {
    const { app } = this.harness
    const options = { recordRoute: this.dice(2) === 0, followRedirects: true, simultaneous: false }
    const destinations = [PEER, this.pick(['sip:bob@peer.example', 'nonsense<>', PEER])]
    const text = readAppText('\r\n\r\n')
    return this.pick<Verdict>([
      { kind: 'answer', status: this.pick([302, 404, 480, 503, 603]), contacts: ['<sip:c@198.51.100.8>'] },
      { kind: 'answer', status: 486, reason: 'Busy\r\nX: y' },
      { kind: 'app', app },
      { kind: 'app', app },
      { kind: 'proxy', options: { ...options, destinations, text } },
    ])
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.dice(from.length)] as T
  }

  private maybe<T>(value: T): T[] {
    return this.dice(3) === 0 ? [value] : []
  }

  async step(): Promise<void> {
    switch (this.dice(20)) {
      case 0:
      case 1:
        return this.peerCalls()
      case 2:
      case 3:
      case 4:
        return this.peerSendsInDialog()
      case 5:
      case 6:
      case 7:
        return this.peerAnswers()
      case 8:
      case 9:
        return this.appAnswers()
      case 10:
        return this.appCalls()
      case 11:
      case 12:
        return this.appSendsInDialog()
      case 13:
        return this.appCancels()
      case 14:
        this.harness.clock.advance(this.pick([1, 3, 100, 500, 2_000, 8_000, 32_000, 64_000]))
        return
      case 15:
        return this.appProxies()
      case 16:
        return this.peerRepeats()
      case 17:
        return this.strangers()
      default:
        return this.networkChanges()
    }
  }

  private receive(lines: readonly string[]): void {
    const { harness } = this
    const flow = this.pick([undefined, undefined, undefined, harness.flow('tcp', ...STREAM)])
    this.heard[this.dice(20)] = { lines, flow }
    harness.receive(lines, flow)
  }

  /** Something the peer sent before comes once more, perhaps long after. */
  private peerRepeats(): void {
    const again = this.pick(this.heard)
    if (again !== undefined) this.harness.receive(again.lines, again.flow?.open === false ? undefined : again.flow)
  }

  /** Commands for what there never was. */
  private strangers(): void {
    const { harness } = this
    const text = readAppText('INFO sip:x SIP/2.0\r\n\r\n')
    const outcomes = [
      harness.respondInTime('no-such-transaction', this.pick(SERVER_STATUSES)),
      harness.cancel('no-such-transaction'),
      ...IN_DIALOG.map((method) =>
        harness.core.requestInDialog(harness.app, this.pick(['x;from-tag=y', 'x', ';', '__proto__']), method, text),
      ),
    ]
    for (const outcome of outcomes)
      if (outcome instanceof Promise) this.pending.push(outcome)
      else if (outcome.ok) throw new Error('a command for what there never was has been carried out')
  }

  /** The application has a request proxied, whether or not it is still to be. */
  private appProxies(): void {
    const { harness } = this
    const requests = harness.app.delivered.filter(({ message }) => message.kind === 'request')
    if (requests.length === 0 || this.plain) return
    const { txnId } = this.pick(requests)
    const where = [PEER, `${PEER};transport=tcp`, 'sip:bob@peer.example', 'sip:carol@198.51.100.8', 'nonsense<>', '']
    const timeouts = this.pick([{}, { provisionalTimeoutMs: 500 }, { finalTimeoutMs: 4_000 }])
    const proxied = { accepted: false, done: 0 }
    const flag = (): boolean => this.dice(2) === 0
    const destinations = Array.from({ length: 1 + this.dice(3) }, () => this.pick(where))
    const options = { destinations, ...timeouts }
    const flags = { recordRoute: flag(), followRedirects: flag(), simultaneous: flag() }
    const report = { final: () => {}, done: () => void (proxied.done += 1) }
    this.proxied.push(proxied)
    this.pending.push(
      harness.proxy(txnId, { ...options, ...flags }, report).then((refusal) => {
        proxied.accepted = refusal === undefined
      }),
    )
  }

  private freshBranch(): string {
    this.branch += 1
    return `z9hG4bKr${this.branch}`
  }

  private peerCalls(): void {
    const method = this.pick([
      'INVITE',
      'INVITE',
      'INVITE',
      'OPTIONS',
      'SUBSCRIBE',
      'MESSAGE',
      'REFER',
      'BYE',
      'REGISTER',
    ])
    this.receive(
      peerRequest(method, {
        callId: `call-${this.dice(4)}`,
        fromTag: this.pick(['a1', 'a1', 'a2', '[x]', '"q|q"']),
        cseq: 1 + this.dice(3),
        branch: this.dice(6) === 0 ? 'z9hG4bKsame' : this.freshBranch(),
        contact: this.pick(CONTACTS),
        more: [
          ...this.maybe('Supported: 100rel'),
          ...this.maybe('Require: 100rel'),
          ...this.maybe('Supported: timer'),
          ...this.maybe(`Session-Expires: ${this.pick(['90', '90;refresher=uas', '1800;refresher=uac', '5'])}`),
          ...this.maybe('Record-Route: <sip:198.51.100.20;lr>, <sip:198.51.100.21>'),
        ],
        body: this.pick([[], SDP_LINES]),
      }),
    )
  }

  private peerSendsInDialog(): void {
    const { harness } = this
    const method = this.pick(IN_DIALOG)
    const sent = harness.sent.length > 0 ? this.pick(harness.sent).message : undefined
    if (sent === undefined) return
    const [mine, theirs] = sent.kind === 'response' ? [sent.toTag, sent.fromTag] : [sent.fromTag, sent.toTag]
    const branchOfInvite = sent.topVia.params.get('branch') ?? ''
    this.receive(
      peerRequest(method, {
        callId: sent.callId,
        fromTag: theirs === '' ? this.pick(['b1', 'b2']) : theirs,
        toTag: mine,
        cseq:
          method === 'ACK' || method === 'CANCEL' ? sent.cseq.number : Math.max(1, sent.cseq.number + this.dice(4) - 1),
        branch: method === 'CANCEL' || this.dice(4) === 0 ? branchOfInvite : this.freshBranch(),
        contact: this.pick(CONTACTS),
        more: [
          ...this.maybe('Session-Expires: 90;refresher=uac'),
          ...(this.plain ? [] : this.peerRoutes()),
          ...(method === 'PRACK' ? [`RAck: ${1 + this.dice(2)} ${sent.cseq.number} INVITE`] : []),
          ...(method === 'NOTIFY' ? [`Subscription-State: ${this.pick(['active', 'terminated;reason=timeout'])}`] : []),
        ],
        body: this.pick([[], SDP_LINES]),
      }).map((line) => (method === 'CANCEL' && line.startsWith('To:') ? 'To: <sip:4155550100@192.0.2.1>' : line)),
    )
  }

  /** A route over us, as of a call that was proxied here. */
  private peerRoutes(): string[] {
    return this.maybe(`Route: <sip:192.0.2.1;lr>${this.pick(['', ', <sip:198.51.100.30;lr>', ', <sip:peer.example>'])}`)
  }

  private requests(): SipRequest[] {
    return this.harness.sent.flatMap(({ message }) => (message.kind === 'request' ? [message] : []))
  }

  private peerAnswers(): void {
    const requests = this.requests()
    if (requests.length === 0) return
    const request = this.pick(requests)
    this.receive(
      peerResponse(
        request,
        this.pick(CLIENT_STATUSES),
        [
          ...this.maybe(`Contact: ${this.pick(CONTACTS)}`),
          ...this.maybe(`RSeq: ${1 + this.dice(3)}`),
          ...this.maybe('Record-Route: <sip:198.51.100.20;lr>'),
          ...this.maybe('Retry-After: 30'),
          ...this.maybe(`Session-Expires: ${this.pick(['90;refresher=uac', '90;refresher=uas', '120'])}`),
          ...this.maybe('Min-SE: 120'),
        ],
        this.pick(['b1', 'b1', 'b2', '']),
      ),
    )
  }

  private appAnswers(): void {
    const requests = this.apps.flatMap((app) => app.delivered.filter(({ message }) => message.kind === 'request'))
    if (requests.length === 0) return
    const { txnId } = this.pick(requests)
    const status = this.pick(SERVER_STATUSES)
    const outcome = this.harness.respondInTime(
      txnId,
      status,
      [
        ...this.maybe('Require: 100rel'),
        ...this.maybe('To: <sip:x@y>;tag=mine'),
        ...this.maybe('Contact: <sip:me@localhost>'),
      ],
      this.pick(['', SDP]),
    )
    if (outcome instanceof Promise) this.pending.push(outcome)
  }

  private note(outcome: Outcome | Promise<Outcome>, method: string): void {
    const { app } = this.harness
    const keep = (known: Outcome): void => {
      if (known.ok && method !== 'ACK') this.asked.push({ txnId: known.txnId, app })
    }
    if (outcome instanceof Promise) this.pending.push(outcome.then(keep))
    else keep(outcome)
  }

  private appCalls(): void {
    const { harness } = this
    if (!harness.app.open) return
    const method = this.pick(['INVITE', 'INVITE', 'INVITE', 'OPTIONS', 'SUBSCRIBE', 'REGISTER'])
    const uri = this.pick([
      PEER,
      PEER,
      `${PEER};transport=tcp`,
      'sip:bob@peer.example',
      'sip:bob@peer.example;transport=tcp',
    ])
    const body = this.pick(['', SDP, `v=0\r\n${'a=x\r\n'.repeat(300)}`])
    const text = `${method} ${uri} SIP/2.0\r\n${this.maybe('Call-ID: call-1\r\nFrom: <sip:me@here>;tag=a1\r\n').join('')}\r\n${body}`
    const proxy = this.pick(['', '', `${uri};x-signalbox-silence=${this.pick([100, 2_000])}`])
    this.note(harness.core.sendRequest(harness.app, method, uri, readAppText(text), proxy), method)
  }

  private dialogIds(): string[] {
    const ids = this.apps.flatMap((app) => app.delivered.map(({ dialogId }) => dialogId))
    for (const { message } of this.harness.sent)
      ids.push(`${message.callId};from-tag=${message.fromTag}`, `${message.callId};from-tag=${message.toTag}`)
    return [...new Set(ids)].filter((id) => id !== '')
  }

  private appSendsInDialog(): void {
    const live = [...this.harness.dialogs.all()].map(({ id }) => id)
    const ids = live.length > 0 && this.dice(3) > 0 ? live : this.dialogIds()
    if (ids.length > 0 && this.harness.app.open) this.sendInDialog(this.pick(ids), this.pick(IN_DIALOG))
  }

  private sendInDialog(dialogId: string, method: string): void {
    const { harness } = this
    const rack = method === 'PRACK' ? `RAck: ${1 + this.dice(3)} 1 INVITE\r\n` : ''
    const state = method === 'NOTIFY' ? `Subscription-State: ${this.pick(['active', 'terminated'])}\r\n` : ''
    const session = this.maybe('Session-Expires: 120\r\n').join('')
    const body = method === 'INVITE' ? SDP : ''
    const text = readAppText(`${method} sip:x SIP/2.0\r\n${rack}${state}${session}\r\n${body}`)
    this.note(harness.core.requestInDialog(harness.app, dialogId, method, text), method)
  }

  private appCancels(): void {
    if (this.asked.length > 0) this.harness.cancel(this.pick(this.asked).txnId)
  }

  private networkChanges(): void {
    const { harness } = this
    if (this.questions.length > 0) this.decide(this.dice(this.questions.length))
    harness.namesTakeMs = this.pick([0, 0, 0, 200, 40_000])
    switch (this.dice(8)) {
      case 0:
        harness.unreachable.add(this.pick(['udp:198.51.100.7:5060', 'tcp:198.51.100.7:5060', 'tcp:198.51.100.7:40000']))
        return
      case 1:
        harness.unreachable.clear()
        return
      case 2:
        harness.close(harness.flow('tcp', ...STREAM))
        return
      case 3:
        harness.close(harness.flow('tcp', '198.51.100.7', 5060))
        return
      case 4:
        harness.targets = this.pick([
          [],
          [
            { protocol: 'udp', address: '198.51.100.7', port: 5060 },
            { protocol: 'tcp', address: '198.51.100.7', port: 5060 },
          ],
        ])
        return
      case 5:
        return this.loseApp()
      case 6:
        this.newApp()
        return
      default:
        harness.appAvailable = this.dice(4) > 0 && harness.app.open
    }
  }

  loseApp(): void {
    const { harness } = this
    harness.app.open = false
    harness.appAvailable = false
    harness.core.appGone(harness.app)
  }

  private newApp(): void {
    const { harness } = this
    if (harness.app.open) return
    harness.app = new RecordingApp()
    this.apps.push(harness.app)
    harness.appAvailable = true
  }

  /** What is under way at names settles. */
  async settleNames(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }

  /** The application that is left answers what it owes, and ends what it has. */
  async tidyUp(): Promise<void> {
    const { harness } = this
    this.newApp()
    harness.targets = []
    for (const { txnId } of this.asked) harness.cancel(txnId)
    for (const app of this.apps)
      for (const { message, txnId } of app.delivered) if (message.kind === 'request') harness.respondInTime(txnId, 500)
    for (const dialogId of this.dialogIds()) for (const method of ['ACK', 'BYE']) this.sendInDialog(dialogId, method)
    // Ids of tags that no field of the control protocol can hold are the engine's.
    for (const { id, method } of [...harness.dialogs.all()])
      if (method === 'INVITE') for (const ending of ['ACK', 'BYE']) this.sendInDialog(id, ending)
    // A subscription ends with a NOTIFY.
    for (const dialog of [...harness.dialogs.all()])
      if (dialog.method === 'SUBSCRIBE') {
        const text = readAppText('NOTIFY sip:x SIP/2.0\r\nSubscription-State: terminated\r\n\r\n')
        harness.core.requestInDialog(harness.app, dialog.id, 'NOTIFY', text)
      }
    await this.settleNames()
  }
}

/** Entries left in the tables of the core. */
function tables(harness: CoreHarness): Record<string, number> {
  const sizes: Record<string, number> = {}
  const core = harness.core as unknown as Record<'server' | 'client' | 'inDialog', object>
  for (const part of [core.server, core.client, core.inDialog, harness.dialogs])
    for (const [name, table] of Object.entries(part))
      if (table instanceof Map || table instanceof Set) sizes[name] = table.size
  return sizes
}

/** Lets time go by until no timer is left, or for longer than any may run. */
export async function letTimeRunOut(world: CoreWorld): Promise<void> {
  const { clock } = world.harness
  // A subscription of an hour ends 32 s after it.
  for (let left = 62; left > 0 && clock.pending > 0; left--) {
    clock.advance(60_000)
    await world.settleNames()
  }
}

/** Throws when the core still holds anything, or reported an error. */
export function checkNothingIsLeft({ harness, proxied, plain, records }: CoreWorld, label: string): void {
  assert.equal(
    harness.errors.map((error) => (error as Error).stack),
    [],
    label,
  )
  assert.equal(harness.leftovers(), nothingLeft, label)
  const sizes = Object.entries(tables(harness))
  assert.ok(sizes.length >= 8, `${label}: the tables of the core are looked for in vain`)
  assert.equal(
    sizes.filter(([, size]) => size > 0),
    [],
    label,
  )
  assert.is(harness.core.proxyCount, 0, label)
  if (plain) assert.is(records.stops, records.attempts, `${label}: each attempt stops once`)
  if (plain) assert.ok(records.starts <= records.attempts, `${label}: calls that were no attempts`)
  for (const { accepted, done } of proxied)
    assert.is(done, accepted ? 1 : 0, `${label}: reports of one proxied request`)
}
