/** A Contact token as we write it: `sbt` and 20 characters of base32. */
const FORM = /^sbt[a-z2-7]{20}$/i

const ANYWHERE = /sbt[a-z2-7]{20}/gi

/** A text from elsewhere without the Contact tokens that may stand in it. */
export function hideContactTokens(text: string): string {
  return text.replace(ANYWHERE, '***')
}

/** The URI parameter that carries the token besides the user part: some PBXs put the DID into the user part, others drop parameters. */
export const TOKEN_PARAM = 'sbt'

/** Whether a text has the form of a Contact token, ours or not: it is not shown to anybody. */
export function isContactToken(text: string): boolean {
  return FORM.test(text)
}
