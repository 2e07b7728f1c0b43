import type { Command } from 'commander'
import { setTimeout as pause } from 'node:timers/promises'
import type { Rotation } from '../store/secret-rotation.js'
import type { Client } from './client.js'
import { command, connectTo, edgeWideCommand, print, type EdgeOptions } from './edge-command.js'
import { CliError } from './errors.js'
import type { Io } from './io.js'
import { ProgressBar } from './progress.js'
import { count } from './text.js'

interface KeysView {
  readonly makes_keys: boolean
  readonly key_id: string
  readonly former_key_ids: string[]
}

const POLL_MS = 200
const MAX_LINES = 20

const STEPS = [
  'the key of this edge is configured (SIGNALBOX_SECRET_KEY), so it is not replaced here. On every edge:',
  '  1. make a key once, for all of them: openssl rand -base64 32',
  '  2. set SIGNALBOX__FORMER_SECRET_KEYS to the present key and SIGNALBOX_SECRET_KEY to the new one, and restart',
  'When every edge has both, run `signalbox secret rotate` again, once.',
]

/** `signalbox secret`: the key that encrypts passwords at rest. */
export function secretCommand(io: Io): Command {
  const group = command('secret', 'The key that encrypts passwords at rest', 'signalbox secret rotate')
  group.addCommand(
    edgeWideCommand(
      'rotate',
      'Go over to another key: the edge makes it, uses it at once and encrypts every password anew. Safe to run again',
      'signalbox secret rotate',
      'signalbox secret rotate --json',
    )
      .option('--shared-data-folder', 'other edges on the same Redis share the data folder of this one')
      .action(async (options: EdgeOptions & { sharedDataFolder?: boolean }) => {
        const client = connectTo(options)
        const keys = await client.ask<KeysView>('GET', '/v1/secret-key')
        if (!keys.makes_keys && keys.former_key_ids.length === 0) {
          for (const line of STEPS) io.err(line)
          throw new CliError('nothing to go over from: this edge has no former keys')
        }
        const rotation = await follow(
          await client.ask<Rotation>('POST', '/v1/secret-key/rotations', {
            shared_data_folder: options.sharedDataFolder === true,
          }),
          client,
          io,
        )
        print(io, options, rotation, () => report(rotation))
        if (rotation.state === 'failed')
          throw new CliError(`${rotation.error ?? 'failed'}: every password can still be read; run it again`)
        if (rotation.unreadable_count > 0)
          throw new CliError(
            `${count(rotation.unreadable_count, 'password')} cannot be read with any key of this edge: set them again`,
          )
      }),
  )
  return group
}

/** Waits until a rotation has ended, showing how far it is. */
async function follow(started: Rotation, client: Client, io: Io): Promise<Rotation> {
  const bar = new ProgressBar(io)
  let rotation = started
  while (rotation.state === 'running') {
    const { done, total } = rotation
    bar.show(
      total === null ? undefined : total === 0 ? 1 : done / total,
      total === null ? 'counting' : `${done} of ${total}`,
    )
    await pause(POLL_MS)
    const now = await client.find<Rotation>(`/v1/secret-key/rotations/${rotation.id}`)
    bar.clear()
    if (now === undefined) throw new CliError('the edge restarted meanwhile; nothing is lost, run it again')
    rotation = now
  }
  return rotation
}

function report(rotation: Rotation): string {
  const { made_key, key_id, total, resealed, unreadable, unreadable_count, unneeded_keys, kept_keys } = rotation
  const lines = [
    made_key ? `new key ${key_id} made and in use` : `the configured key ${key_id} is in use`,
    `${resealed} of ${count(total ?? 0, 'password')} encrypted anew`,
    ...unreadable.slice(0, MAX_LINES).map(({ record, id, secret, why }) => `${record} ${id}: ${secret}: ${why}`),
    ...(unreadable_count > MAX_LINES ? [`... and ${unreadable_count - MAX_LINES} more: --json names them`] : []),
    ...kept_keys.map((key) => `former key ${key.key_id} is kept: ${count(key.secrets, 'password')} need it`),
  ]
  if (rotation.state !== 'done') return lines.join('\n')
  if (unneeded_keys.length > 0 && made_key) lines.push(`former keys deleted: ${unneeded_keys.join(', ')}`)
  if (unneeded_keys.length > 0 && !made_key)
    lines.push(
      `no longer needed: ${unneeded_keys.join(', ')}; take them out of SIGNALBOX__FORMER_SECRET_KEYS everywhere`,
    )
  return lines.join('\n')
}
