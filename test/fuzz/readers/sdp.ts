import { inactiveAnswer, isSdp, sameMedia, staysWithin } from '../../../src/edge/sdp.js'
import { must, type Reader } from '../reader.js'

/** What is true of any body that is taken for a session description. Gives whether it is. */
export function checkBody(body: string): boolean {
  const answer = inactiveAnswer(body, 7)
  must((answer !== undefined) === isSdp(body), 'what is a session description can be answered')
  must(staysWithin(body, body) && sameMedia(body, body), 'a description is the same as itself')
  if (answer === undefined) return false
  must(isSdp(answer), 'our answer is a session description', answer)
  must(!/[^\r]\n|\r(?!\n)|\0/.test(answer), 'our answer has whole line ends', answer)
  must(answer.length <= 2 * body.length + 4_096, 'our answer is bounded')
  const count = (text: string): number => text.split('\n').filter((line) => line.startsWith('m=')).length
  must(count(answer) === count(body), 'each stream is answered', answer)
  staysWithin(answer, body)
  return true
}

/** Session descriptions. */
export const sdp: Reader = {
  name: 'sdp',
  read: (bytes) => checkBody(bytes.toString('utf8')),
}
