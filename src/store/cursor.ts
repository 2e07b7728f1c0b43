import { StoreError } from './errors.js'

/** Makes the opaque cursor that says where a page ended. */
export function formatCursor(position: string): string {
  return Buffer.from(position).toString('base64url')
}

/** @throws {StoreError} INVALID when it is none that `formatCursor` made of a position of this `shape` */
export function parseCursor(cursor: string, shape: RegExp): string {
  const position = cursor.length <= 400 ? Buffer.from(cursor, 'base64url').toString() : ''
  if (!shape.test(position) || formatCursor(position) !== cursor) throw new StoreError('INVALID', 'is not one of ours')
  return position
}
