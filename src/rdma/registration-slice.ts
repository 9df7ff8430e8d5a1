import * as z from 'zod/mini'
import { checkRange, later } from '../options.js'
import { entryWord } from './contract/work-layout.js'
import { type DeviceInternals, handleOf, internalsOf } from './device-object.js'
import { isObjectOfKind } from './object-checks.js'
import type { Registration } from './registration.js'

/** The longest scatter entry, in bytes: libibverbs gives lengths 31 bits. */
export const longestEntry = 2 ** 31

/** Whether a value is a slice that this library made. A Proxy of one is not. */
export let isRegistrationSlice: (value: unknown) => value is RegistrationSlice

/**
 * Writes the scatter entry of a slice at word `at`, if a request of a device may use the slice.
 *
 * @param length of the entry; the whole slice by default
 * @returns false, with nothing written, for a slice of a closed registration or of another device, and for one that is too
 *   long
 */
export let writeSlice: (
  slice: RegistrationSlice,
  device: DeviceInternals,
  words: Uint32Array,
  at: number,
  length?: number,
) => boolean

/** A range of a registration, for a scatter entry of a work request. */
export class RegistrationSlice {
  readonly registration: Registration
  /** From the start of the registration, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
  // The same in the words of a scatter entry. They are computed once, since a program uses a slice for many requests, and
  // as signed integers: V8 would box a number above 2^31.
  readonly #registration: Registration
  readonly #device: DeviceInternals
  readonly #handle: number
  readonly #length: number
  readonly #low: number
  readonly #high: number

  static {
    isRegistrationSlice = (value): value is RegistrationSlice =>
      typeof value === 'object' && value !== null && #handle in value
    writeSlice = (slice, device, words, at, length = slice.#length) => {
      if (slice.#device !== device || slice.#registration.closed || length > longestEntry) return false
      words[at + entryWord.registration] = slice.#handle
      words[at + entryWord.length] = length
      words[at + entryWord.offset] = slice.#low
      words[at + entryWord.offset + 1] = slice.#high
      return true
    }
  }

  /** Made by `registration.slice()`, which checks the range. */
  constructor(registration: Registration, offset: number, length: number) {
    this.registration = registration
    this.offset = offset
    this.length = length
    this.#registration = registration
    this.#device = internalsOf(registration)
    this.#handle = handleOf(registration) | 0
    this.#length = length
    this.#low = offset | 0
    this.#high = Math.floor(offset / 2 ** 32) | 0
  }

  /** A range of this range; without a length, to its end. @throws PinfoldError `ERR_OUT_OF_RANGE` */
  slice(offset: number, length = this.length - offset): RegistrationSlice {
    checkRange('slice', offset, length, this.length)
    return new RegistrationSlice(this.#registration, this.offset + offset, length)
  }
}

/** A range of registered memory, for a work request. */
export type WorkMemory = Registration | RegistrationSlice

/** A schema of WorkMemory. */
export const workMemory = later(() =>
  z.custom<WorkMemory>((value) => isRegistrationSlice(value) || isObjectOfKind(value, 'registration'), {
    error: 'expected a Registration or a RegistrationSlice',
  }),
)

/** The slice that covers a whole registration, or the given slice. */
export function asSlice(memory: WorkMemory): RegistrationSlice {
  return isRegistrationSlice(memory) ? memory : memory.whole
}
