import { types } from 'node:util'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

const typedArray: object = Reflect.getPrototypeOf(Uint8Array.prototype) ?? {}

/**
 * The caller's bytes as a plain Uint8Array. An array of a subclass, or with properties of its own, could answer another
 * length each time, and run code of the caller in the middle of a call.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if `bytes` is not a Uint8Array
 */
export function plainBytes(subject: string, bytes: Uint8Array): Uint8Array {
  if (!types.isUint8Array(bytes)) {
    throw new PinfoldError(`${subject}: expected a Uint8Array, received ${describe(bytes)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: bytes },
    })
  }
  const length: number = Reflect.get(typedArray, 'length', bytes)
  // The length is 0 for a detached buffer too, of which no view can be made.
  if (length === 0) return new Uint8Array(0)
  const buffer: ArrayBufferLike = Reflect.get(typedArray, 'buffer', bytes)
  return new Uint8Array(buffer, Reflect.get(typedArray, 'byteOffset', bytes), length)
}
