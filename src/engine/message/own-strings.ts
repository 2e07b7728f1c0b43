/**
 * The texts in one string, with `between` between them: two or more. Unlike one made with `+` or a template it holds no part of the
 * messages they were cut out of, and so keeps none of those in memory.
 */
export function joined(between: string, ...texts: string[]): string {
  return texts.join(between)
}

/**
 * The strings with characters of their own. What is cut out of a message is a view of it to the machine: kept for long, it would keep
 * the whole message. They share one copy of what they say.
 */
export function ownStrings(texts: readonly string[]): string[] {
  // With something before them: joined with nothing, a single text is given back as it is.
  const together = joined('', ' ', ...texts)
  let from = 1
  return texts.map(({ length }) => together.slice(from, (from += length)))
}

/** The same of one text. */
export function ownString(text: string): string {
  return joined('', ' ', text).slice(1)
}
