import { localId } from '../model/account.js'
import { StoreError } from '../store/errors.js'
import { ApiError, fieldRefused } from './problem.js'

export type Noun = 'agent' | 'number' | 'trunk' | 'call' | 'token'

const notFound = {
  agent: 'AGENT_NOT_FOUND',
  number: 'NUMBER_NOT_FOUND',
  trunk: 'TRUNK_NOT_FOUND',
  call: 'CALL_NOT_FOUND',
  token: 'TOKEN_NOT_FOUND',
} as const

/** There is no such `noun`, as the client calls it. */
export const absent = (noun: Noun, id: string): ApiError => new ApiError(notFound[noun], `there is no ${noun} "${id}"`)

const shownAgent = (id: string | null | undefined): string | null => (typeof id === 'string' ? localId(id) : null)

/** What a store's refusal means to the client that asked for a `noun`. */
export function refusalOfStore(error: StoreError, noun: Noun): ApiError {
  const { code, message, detail } = error
  const cause = { cause: error }
  switch (code) {
    case 'NOT_FOUND':
      return new ApiError(notFound[noun], message, {}, cause)
    case 'CONFLICT':
      return new ApiError(
        'INBOUND_AGENT_TAKEN',
        `${message}; say "replace": true to take it over`,
        { inbound_agent_id: shownAgent(detail.inbound_agent_id) },
        cause,
      )
    case 'EXISTS':
      return noun === 'number'
        ? new ApiError('NUMBER_TAKEN', message, { inbound_agent_id: shownAgent(detail.inbound_agent_id) }, cause)
        : new ApiError('EDIT_CONFLICT', message, {}, cause)
    case 'IN_USE':
      return new ApiError(
        noun === 'agent' ? 'AGENT_IN_USE' : 'TRUNK_IN_USE',
        message,
        { numbers: detail.numbers ?? [] },
        cause,
      )
    case 'UNAVAILABLE':
      return new ApiError('STORE_UNAVAILABLE', 'Redis does not answer; nothing is lost, try again', {}, cause)
    case 'INVALID':
      return new ApiError('RECORD_INVALID', message, {}, cause)
  }
}

/** Waits for the store; its refusal becomes one of the API. */
export async function answerOf<T>(noun: Noun, question: Promise<T>): Promise<T> {
  try {
    return await question
  } catch (error) {
    throw error instanceof StoreError ? refusalOfStore(error, noun) : error
  }
}

/** As `answerOf`, for a list: what a list finds invalid is the cursor. */
export async function pageAnswerOf<T>(noun: Noun, question: Promise<T>): Promise<T> {
  try {
    return await question
  } catch (error) {
    if (error instanceof StoreError && error.code === 'INVALID') throw fieldRefused('cursor', error.message)
    throw error instanceof StoreError ? refusalOfStore(error, noun) : error
  }
}
