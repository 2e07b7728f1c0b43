import { z } from 'zod'
import { identifier } from '../model/text.js'
import { StoreError } from '../store/errors.js'
import type { Rotation } from '../store/secret-rotation.js'
import { noteChange } from './audit.js'
import { ApiError } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf } from './store-answer.js'
import { answer, namedBody, refusals, rotationView, secretKeyView } from './views.js'

const byId = z.strictObject({ id: identifier })
const rotationBody = namedBody(
  'SecretKeyRotationBody',
  z.strictObject({
    shared_data_folder: z
      .boolean()
      .default(false)
      .describe('Other edges on the same Redis have their keys from the same data folder, and follow by themselves'),
  }),
)

const view = (rotation: Rotation): z.output<typeof rotationView> => ({
  ...rotation,
  unreadable: [...rotation.unreadable],
  unneeded_keys: [...rotation.unneeded_keys],
  kept_keys: [...rotation.kept_keys],
})

/** `/v1/secret-key`: the key that encrypts passwords at rest. */
export function addSecretKey(api: Api, { secretRotation, otherEdges }: Services): void {
  const tags = ['secret-key']

  api.get(
    '/secret-key',
    {
      config: { role: 'viewer', allAccounts: true },
      schema: { tags, summary: 'Names of the keys in use', response: { 200: secretKeyView, ...refusals() } },
    },
    async () => secretRotation.keys(),
  )

  api.post(
    '/secret-key/rotations',
    {
      config: { role: 'admin', allAccounts: true },
      schema: {
        tags,
        summary: 'Go over to another key: make it, use it at once, seal every secret anew. Safe to run again',
        body: rotationBody.optional(),
        response: { 202: answer('Under way', rotationView), ...refusals(409) },
      },
    },
    async (request, reply) => {
      const others = otherEdges()
      if (others > 0 && secretRotation.keys().makes_keys && request.body?.shared_data_folder !== true)
        throw new ApiError(
          'OTHER_EDGES_ALIVE',
          `${others} other edge(s) on this Redis would not know a key made here: configure one key for all (SIGNALBOX_SECRET_KEY, ` +
            'the present one among SIGNALBOX__FORMER_SECRET_KEYS), or say "shared_data_folder": true when they share the data folder',
        )
      const rotation = await answerOf('trunk', secretRotation.start().catch(refuseSecond))
      const { id: object, key_id, made_key } = rotation
      noteChange(request, { action: 'secret-key.rotate', object, account_id: null, after: { key_id, made_key } })
      return reply.code(202).header('location', `/v1/secret-key/rotations/${rotation.id}`).send(view(rotation))
    },
  )

  api.get(
    '/secret-key/rotations/:id',
    {
      config: { role: 'viewer', allAccounts: true },
      schema: {
        tags,
        summary: 'How far a rotation of this edge is: the latest one is known',
        params: byId,
        response: { 200: rotationView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const { id } = request.params
      const rotation = secretRotation.find(id)
      if (rotation === undefined) throw new ApiError('ROTATION_NOT_FOUND', `there is no rotation "${id}" on this edge`)
      return view(rotation)
    },
  )
}

function refuseSecond(error: unknown): never {
  if (error instanceof StoreError && error.code === 'EXISTS')
    throw new ApiError('ROTATION_UNDER_WAY', `${error.message}: wait until it has ended`, {}, { cause: error })
  throw error
}
