/** Methods we take, in and out of dialogs (Allow). */
export const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, REFER, UPDATE, PRACK'

/** Extensions a caller may require: reliable provisional responses, and session timers, which the SIP server keeps for each leg. */
export const SUPPORTED: readonly string[] = ['100rel', 'timer']

/** Option tags of a Require or Proxy-Require value that are not among `known`, in the sender's spelling, each once. */
export function unknownOptions(value: string | undefined, known: readonly string[]): string[] {
  if (value === undefined) return []
  const unknown = new Set<string>()
  for (const part of value.split(',')) {
    const option = part.trim()
    if (option !== '' && !known.includes(option.toLowerCase())) unknown.add(option)
  }
  return [...unknown]
}

/** Whether a list of option tags names this one. */
export const namesOption = (value: string | undefined, option: string): boolean =>
  value !== undefined && value.split(',').some((part) => part.trim().toLowerCase() === option)
