import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'

/** Reads `+ <pid>` and `- <pid>` until its input ends; then ends what is still on its list, at first politely. */
const SCRIPT = `
pids=
while read -r sign pid; do
  rest=
  for known in $pids; do [ "$known" = "$pid" ] || rest="$rest $known"; done
  pids=$rest
  [ "$sign" = + ] && pids="$pids $pid"
done
[ -z "$pids" ] && exit 0
kill $pids
for i in 1 2 3 4 5; do sleep 1; kill -0 $pids || exit 0; done
kill -9 $pids
`

let input: Writable | undefined

function tell(line: string): void {
  if (input === undefined) {
    const guardian = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    // It waits for our end: it must not keep us from it. When it cannot be had, our own ending does what it can.
    guardian.on('error', () => {})
    guardian.unref()
    input = guardian.stdin
    input.on('error', () => {})
    ;(input as Writable & { unref?: () => void }).unref?.()
  }
  input.write(`${line}\n`)
}

/** Sees to it that a process ends even if this one is killed and can end nothing any more. */
export const guard = (pid: number): void => tell(`+ ${pid}`)

/** It has ended: its number may be another's soon. */
export const unguard = (pid: number): void => tell(`- ${pid}`)
