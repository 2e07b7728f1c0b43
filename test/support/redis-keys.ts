/** Keys that commands of ours name, by what MONITOR tells of a command. */
export function keysOf([name = '', ...args]: readonly string[]): string[] {
  const command = name.toLowerCase()
  if (command === 'evalsha' || command === 'eval') return args.slice(2, 2 + Number(args[1]))
  if (
    /^(exec|multi|client|hello|info|select|ping|script|time|scan|command|subscribe|monitor|xread|wait|auth)$/.test(
      command,
    )
  )
    return []
  return args.slice(0, command === 'del' || command === 'exists' ? undefined : 1)
}

/** Every key there may be; the part that comes from outside has no colon, brace, space or slash but the one after an account. */
export const OUR_KEY =
  /^\{?signalbox:(?:[a-z-]+|(?:index|registration|binding|token|edge|did|agent|trunk|cdr|cdrs-of|limit|usage|ban|audit)[a-z-]*:[A-Za-z0-9_.*#+/-]{1,140}(?:#[a-z0-9]+)?(?::[A-Za-z0-9_.*#+/-]{1,140})?)\}?(?::[A-Za-z0-9_.:+*#/-]{1,160})?$/
