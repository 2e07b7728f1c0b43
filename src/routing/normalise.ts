export type Normalised = { readonly ok: true; readonly e164: string } | { readonly ok: false; readonly why: string }

/** The E.164 form of a number as people and SIP write it, or why there is none. */
export declare function normaliseNumber(input: string, options?: { country?: string | null | undefined }): Normalised
