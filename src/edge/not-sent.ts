import type { SipResponse } from './sip-server.js'

type Response = Pick<SipResponse, 'status' | 'header'>

const says = (response: Response, words: string): boolean => (response.header('warning') ?? '').includes(` "${words}: `)

/** The engine's own 503 in the place of an answer, by its Warning: nothing reached the far end. */
export const isNotSent = (response: Response): boolean => response.status === 503 && says(response, 'Not sent')

/** That 503 when it is for a destination that requests may not go to. */
export const isRefusedDestination = (response: Response): boolean =>
  isNotSent(response) && says(response, 'Not sent: Destination refused')

/** The engine's own 408 in the place of an answer, by its Warning: the far end was silent. */
export const isNotAnswered = (response: Response): boolean => response.status === 408 && says(response, 'Not answered')
