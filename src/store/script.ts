import { createHash } from 'node:crypto'
import type { ChainableCommander, Redis } from 'ioredis'

/** A Lua script that touches the keys of one slot: sent by its digest, in full when Redis does not know it yet. */
export class Script {
  private readonly digest: string

  constructor(readonly text: string) {
    this.digest = createHash('sha1').update(text).digest('hex')
  }

  /** Lets Redis learn the script, so that the first use is one round trip too. */
  async load(client: Redis): Promise<void> {
    await client.script('LOAD', this.text)
  }

  /** Adds it to a pipeline. Its result is an error that begins with NOSCRIPT when Redis has to learn it first. */
  queue(pipeline: ChainableCommander, keys: readonly string[], args: readonly (string | number)[]): void {
    pipeline.evalsha(this.digest, keys.length, ...keys, ...args)
  }

  async run(client: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await client.evalsha(this.digest, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return client.eval(this.text, keys.length, ...keys, ...args)
    }
  }
}
