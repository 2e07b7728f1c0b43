import { z } from 'zod'

/**
 * What a far end's media may be (RFC 3711 over SDES or DTLS): `disabled` never encrypted, `allowed` either, `required` always. Held
 * against every offer and answer of its leg.
 */
export const mediaEncryption = z.enum(['disabled', 'allowed', 'required'])
export type MediaEncryption = z.output<typeof mediaEncryption>
