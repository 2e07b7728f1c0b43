/** What a wait ends with when the user has had enough. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted')
  }
}

/** Waits, or until `sooner` settles. @throws {Interrupted} when `signal` is aborted */
export async function sleep(ms: number, signal: AbortSignal, sooner?: Promise<unknown>): Promise<void> {
  if (signal.aborted) throw new Interrupted()
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined
  await new Promise<void>((resolve, reject) => {
    timer = setTimeout(resolve, ms)
    stop = () => reject(new Interrupted())
    signal.addEventListener('abort', stop)
    void sooner?.then(() => resolve())
  }).finally(() => {
    clearTimeout(timer)
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  })
}
