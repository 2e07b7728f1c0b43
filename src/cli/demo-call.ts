import { once } from 'node:events'
import type Srf from 'drachtio-srf'
import { CliError } from './errors.js'
import type { Destination, Station } from './demo-stations.js'

const RING_MS = 200
const ANSWER_WITHIN_MS = 10_000
const END_WITHIN_MS = 5_000
/** For taking a call back that the user does not want any more. */
const GIVE_UP_WITHIN_MS = 2_000

/** What a call that went well was like. */
export interface CompletedCall {
  /** As the edge names it to its agent. */
  readonly call_id: string | undefined
  readonly setup_ms: number
  readonly talk_ms: number
}

/** The call did not come about: what happened, in words. */
export class CallFailed extends CliError {
  constructor(
    message: string,
    /** SIP status of the refusal; 0 when nothing was answered. */
    readonly status: number,
  ) {
    super(message)
  }
}

/** An offer or answer that names a place for media; nothing listens there. */
function sdpAt(address: string): string {
  const family = address.includes(':') ? 'IP6' : 'IP4'
  const origin = `IN ${family} ${address}`
  const lines = ['v=0', `o=demo 1 1 ${origin}`, 's=signalbox demo', `c=${origin}`, 't=0 0']
  return [...lines, 'm=audio 40000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', ''].join('\r\n')
}

/** Rejects when `what` takes longer than `limitMs` or the user has had enough. */
export async function within<T>(what: string, limitMs: number, stop: AbortSignal, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let aborted: (() => void) | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CallFailed(`${what} within ${limitMs / 1000} s`, 0)), limitMs)
    aborted = () => reject(new CliError('stopped'))
    if (stop.aborted) aborted()
    stop.addEventListener('abort', aborted, { once: true })
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
    if (aborted !== undefined) stop.removeEventListener('abort', aborted)
  }
}

/** Lets the agent answer every call after ringing; hands out each call's end. */
function answerCalls(agent: Station, localAddress: string): { callId: () => string | undefined; ended: Promise<void> } {
  let callId: string | undefined
  const ended = new Promise<void>((resolve, reject) => {
    agent.srf.invite((request, response) => {
      callId = request.get('X-Signalbox-Call-Id')
      response.send(180)
      setTimeout(() => {
        agent.srf
          .createUAS(request, response, { localSdp: sdpAt(localAddress) })
          .then((dialog) => dialog.on('destroy', () => resolve()))
          .catch(reject)
      }, RING_MS)
    })
  })
  // Whoever waits hears of it; until then it is no accident.
  ended.catch(() => {})
  return { callId: () => callId, ended }
}

/**
 * Places one call through the edge, lets it last and hangs up.
 * @throws {CallFailed} when it is refused or nobody answers
 */
export async function placeCall(options: {
  readonly caller: Station
  readonly agent: Station
  readonly destination: Destination
  readonly from: string
  readonly to: string
  readonly talkMs: number
  readonly stop: AbortSignal
}): Promise<CompletedCall> {
  const { caller, agent, destination, from, to, talkMs, stop } = options
  const { localAddress, hostPort, transport } = destination
  const answering = answerCalls(agent, localAddress)
  const startedAt = performance.now()
  const outgoing = invite(caller.srf, `sip:${to}@${hostPort};transport=${transport}`, {
    localSdp: sdpAt(localAddress),
    headers: { From: `"Signalbox demo" <sip:${from}@${caller.address}>`, To: `<sip:${to}@${hostPort}>` },
  })
  const dialog = await within(
    `no answer from ${hostPort} over ${transport}`,
    ANSWER_WITHIN_MS,
    stop,
    outgoing.answered,
  ).catch(async (error: unknown) => {
    await outgoing.cancel()
    throw error
  })
  const setup_ms = Math.round(performance.now() - startedAt)
  const answeredAt = performance.now()
  const ended = once(dialog, 'destroy').then(() => {
    throw new CallFailed('the edge ended the call by itself', 0)
  })
  ended.catch(() => {})
  try {
    await within('the call did not last', talkMs + END_WITHIN_MS, stop, Promise.race([delay(talkMs), ended]))
  } catch (error) {
    // The edge must not be left with a call that nobody ends.
    if (stop.aborted) await within('', GIVE_UP_WITHIN_MS, new AbortController().signal, hangUp(dialog)).catch(() => {})
    throw error
  }
  const talk_ms = Math.round(performance.now() - answeredAt)
  await within('no answer to the BYE', END_WITHIN_MS, stop, hangUp(dialog))
  await within('no BYE reached the agent', END_WITHIN_MS, stop, answering.ended)
  return { call_id: answering.callId(), setup_ms, talk_ms }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** An INVITE on its way: its answer, and the way to take it back. */
function invite(
  srf: Srf,
  uri: string,
  options: Srf.CreateUACOptions,
): { answered: Promise<Srf.Dialog>; cancel(): Promise<void> } {
  let request: Srf.SrfRequest | undefined
  const answered = new Promise<Srf.Dialog>((resolve, reject) => {
    // The library calls back with an error first, which its types do not say.
    const progress = { cbRequest: (...args: unknown[]) => void (request = args[1] as Srf.SrfRequest) }
    srf.createUAC(uri, options, progress).then(resolve, (error: unknown) => {
      const { status, reason, message } = error as Error & { status?: number; reason?: string }
      reject(
        status === undefined
          ? new CallFailed(`the call could not be sent: ${message}`, 0)
          : new CallFailed(`the edge answered ${status} ${reason ?? ''}`.trim(), status),
      )
    })
  })
  return {
    answered,
    cancel: async () => {
      request?.cancel(() => {})
      // Answered all the same: the 200 was faster.
      const hungUp = answered.then(hangUp).catch(() => {})
      await within('', GIVE_UP_WITHIN_MS, new AbortController().signal, hungUp).catch(() => {})
    },
  }
}

function hangUp(dialog: Srf.Dialog): Promise<void> {
  return new Promise((resolve, reject) => {
    dialog.destroy({ headers: {} }, (error: unknown) => (error ? reject(error) : resolve()))
  })
}
